"""Error answers of the Graph API as Messenger words them."""

import secrets
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    code: int
    message: str
    subcode: int | None = None
    status: int = 400
    type: str = "OAuthException"

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"message": f"(#{self.code}) {self.message}", "type": self.type, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        return {"error": error | {"fbtrace_id": f"A{secrets.token_urlsafe(16)}"}}


def invalid(what: str) -> Problem:
    return Problem(100, what)


OUTSIDE_WINDOW = Problem(10, "This message is sent outside of allowed window.", 2018278)
NOT_AVAILABLE = Problem(551, "This person isn't available right now.", 1545041)
NO_USER = Problem(100, "No matching user found", 2018001)
NO_TOKEN = Problem(104, "An access token is required to request this resource.", status=401)
BAD_TOKEN = Problem(190, "Invalid OAuth access token - Cannot parse access token", status=401)
BAD_PROOF = Problem(100, "Invalid appsecret_proof provided in the API argument", type="GraphMethodException")
NEEDS_PROOF = Problem(100, "API calls from the server require an appsecret_proof argument", type="GraphMethodException")
NO_PERMISSION = Problem(10, "Application does not have permission for this action", status=403)
DEAD_TAG = Problem(100, "Invalid parameter")
_BY_SUBCODE = {one.subcode: one for one in (OUTSIDE_WINDOW, NOT_AVAILABLE, NO_USER)}


def no_object(id_: str) -> Problem:
    what = f"Object with ID '{id_}' does not exist, cannot be loaded due to missing permissions, or does not support it"
    return Problem(100, what, 33, type="GraphMethodException")


def asked_for(code: int, message: str, status: int) -> Problem:
    """The error of a fault: its code is one of Meta's codes, or a subcode that stands for both."""
    known = _BY_SUBCODE.get(code)
    return Problem(known.code, message, code, status) if known else Problem(code, message, status=status)
