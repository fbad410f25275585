"""The Bot API's error answers."""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError


@dataclass(frozen=True)
class Problem:
    """An HTTP status with Telegram's words for what is wrong; ``retry_after`` is in seconds."""

    status: int
    description: str
    retry_after: int | None = None

    def body(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"ok": False, "error_code": self.status, "description": self.description}
        return shown if self.retry_after is None else shown | {"parameters": {"retry_after": self.retry_after}}


class Refused(Exception):
    """A method was not carried out."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.description)
        self.problem = problem


UNAUTHORIZED = Problem(401, "Unauthorized")
NOT_FOUND = Problem(404, "Not Found")
NO_METHOD = Problem(404, "Not Found: method not found")
BLOCKED = Problem(403, "Forbidden: bot was blocked by the user")
GETTING_UPDATES = Problem(
    409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)


def bad(words: str) -> Refused:
    return Refused(Problem(400, f"Bad Request: {words}"))


def unreadable(invalid: ValidationError) -> Refused:
    """An argument that is missing or not of its type."""
    wrong = invalid.errors(include_url=False, include_input=False, include_context=False)[0]
    return bad(f"can't parse {wrong['loc'][0] if wrong['loc'] else 'the request'}: {wrong['msg']}")


def flood(seconds: int) -> Refused:
    return Refused(Problem(429, f"Too Many Requests: retry after {seconds}", seconds))
