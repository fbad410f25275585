"""Twilio's error answers."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """An error code of Twilio's dictionary with its HTTP status."""

    code: int
    message: str
    status: int = 400

    def body(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


UNAUTHORIZED = Problem(20003, "Authenticate", 401)
TEST_CREDENTIALS = Problem(20008, "Resource not accessible with Test Account Credentials", 403)
OUTSIDE_WINDOW = (63016, "The last message of the recipient is more than 24 hours old; a template is needed")


def not_found(path: str) -> Problem:
    return Problem(20404, f"The requested resource {path} was not found", 404)
