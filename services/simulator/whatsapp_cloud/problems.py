"""The Graph API's error answers, with the codes of the Cloud API."""

import secrets
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

from services.simulator.settings import Fault


@dataclass(frozen=True)
class Problem:
    """``title`` is what Meta calls the code, ``details`` what it says of this one request."""

    code: int
    title: str
    details: str = ""
    status: int = 400
    subcode: int | None = None

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {
            "message": f"(#{self.code}) {self.title}",
            "type": "OAuthException",
            "code": self.code,
            "error_data": {"messaging_product": "whatsapp", "details": self.details or self.title},
            "fbtrace_id": "A" + secrets.token_urlsafe(16),
        }
        return {"error": error if self.subcode is None else error | {"error_subcode": self.subcode}}

    def in_status(self) -> dict[str, Any]:
        """As a status or a message tells it."""
        return {
            "code": self.code,
            "title": self.title,
            "message": self.title,
            "error_data": {"details": self.details or self.title},
            "href": "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes",
        }

    def answer(self, headers: dict[str, str] | None = None) -> JSONResponse:
        return JSONResponse(self.body(), self.status, headers)


TOKEN = Problem(190, "Invalid OAuth access token", "Cannot parse access token", 401)
PROOF_MISSING = Problem(100, "API calls from the server require an appsecret_proof argument")
PROOF_WRONG = Problem(100, "Invalid appsecret_proof provided in the API argument")
WINDOW = Problem(
    131047, "Re-engagement message", "More than 24 hours have passed since the recipient last wrote to the sender"
)
UNDELIVERABLE = Problem(131026, "Message undeliverable", "The recipient is not on WhatsApp")
SAME_NUMBER = Problem(131021, "Recipient cannot be sender", "Sender and recipient are the same number")
NO_MARKETING = Problem(131050, "User has stopped marketing messages", "The user does not want marketing messages")
NO_TEMPLATE = Problem(132001, "Template does not exist", "The template does not exist in the translation", 404)


def missing(details: str) -> Problem:
    return Problem(131008, "Required parameter is missing", details)


def invalid(details: str) -> Problem:
    return Problem(131009, "Parameter value is not valid", details)


def unexpected(details: str) -> Problem:
    return Problem(100, "Invalid parameter", details)


def variables(wanted: int, given: int) -> Problem:
    details = f"body: number of localizable_params ({given}) does not match the expected number of params ({wanted})"
    return Problem(132000, "Number of parameters does not match the expected number of params", details)


def no_such_object(id_: str) -> Problem:
    details = f"Object with ID '{id_}' does not exist, or cannot be loaded due to missing permissions"
    return Problem(100, "Unsupported request", details, subcode=33)


def of_fault(fault: Fault) -> Problem | None:
    """What a fault with a code answers; None for one without."""
    return None if fault.code is None else Problem(fault.code, fault.message, fault.message, fault.status or 500)
