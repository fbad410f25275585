"""The gateway's answers to what it refuses, and those of faults that were asked for."""

import uuid

from starlette.responses import JSONResponse, Response

from services.simulator.faults import retry_after
from services.simulator.settings import Fault
from services.simulator.signal.memory import Memory

UNTRUSTED = "Failed to send message due to untrusted identities"
FAILED = "Failed to send message"
LIMITED = (
    "Failed to send message due to rate limiting. Use the attached challenge tokens to lift the rate limit "
    "restrictions via the '/v1/accounts/{number}/rate-limit-challenge' endpoint."
)
NO_ACCOUNT = "Specified account does not exist"
NO_ATTACHMENT = "No attachment with that name found"


class Refusal(Exception):
    """A call that the gateway refuses, with what it says."""

    def __init__(self, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.words, self.status = words, status


def invalid(what: str) -> Refusal:
    return Refusal(f"Couldn't process request - {what}")


def problem(words: str, status: int = 400) -> Response:
    return JSONResponse({"error": words}, status)


def unauthorized() -> Response:
    """Of the proxy before the gateway, which has no authentication of its own."""
    return Response("unauthorized", 401, {"www-authenticate": "Bearer"}, "text/plain")


def of_fault(fault: Fault, number: str, memory: Memory) -> Response:
    """429 asks for a captcha; where the message is taken all the same, it names none, as was seen of the gateway."""
    headers = retry_after(fault)
    if fault.status == 429:
        token = "" if fault.takes else str(uuid.uuid4())
        memory.challenges |= {token} if token else set()
        return JSONResponse({"error": LIMITED, "account": number, "challenge_tokens": [token]}, 429, headers)
    return JSONResponse({"error": fault.message}, fault.status or 500, headers)
