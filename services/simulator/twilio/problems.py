"""What Twilio says when it refuses a request or cannot deliver a message."""

from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response


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

    def answer(self) -> Response:
        headers = {"www-authenticate": 'Basic realm="Twilio API"'} if self.status == 401 else {}
        return JSONResponse(self.body(), self.status, headers)


Failure = tuple[int, str]
"""Why a message that was taken does not arrive: the code and the words of the status callback."""

UNAUTHORIZED = Problem(20003, "Authenticate", 401)
TEST_CREDENTIALS = Problem(20008, "Resource not accessible with Test Account Credentials", 403)
OUTSIDE_WINDOW: Failure = (63016, "The last message of the recipient is more than 24 hours old; a template is needed")
NOT_AT_WHATSAPP: Failure = (63027, "Template does not exist for a language and locale")
WRONG_VARIABLES: Failure = (63028, "Number of parameters provided does not match the expected number of parameters")
MEDIA_NOT_FETCHED: Failure = (63019, "Media failed to download")
HTTP_RETRIEVAL: Failure = (11200, "HTTP retrieval failure")
WRONG_TYPE: Failure = (12300, "Invalid Content-Type")
TOO_LARGE: Failure = (11751, "Media exceeds messaging provider size limit")
PICTURE_TOO_LARGE: Failure = (63034, "Media exceeds size limit")


def not_found(path: str) -> Problem:
    return Problem(20404, f"The requested resource {path} was not found", 404)
