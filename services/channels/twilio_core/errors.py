"""What Twilio's answers mean: its error codes, and which failures may be tried again.

Codes of 2xxxx come in the answer to a call, codes of 3xxxx and 63xxx mostly in a status callback.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from m2n.adapters.channel import Accepted, CallOutcome, Refused, Retry, Uncertain
from m2n.message import VendorError


@dataclass(frozen=True)
class Meaning:
    reason: str
    passes: bool = False
    """The trouble is known to pass and the message was not taken: the same call may be made again."""


MEANINGS: Mapping[str, Meaning] = {
    "20003": Meaning("the credentials are wrong; check the account SID and the auth token"),
    "20404": Meaning("there is no such resource; check the account SID and the base address"),
    "20429": Meaning("too many requests at the same time", passes=True),
    "20503": Meaning("the service is briefly not available", passes=True),
    "21211": Meaning("the recipient's address is not valid"),
    "21212": Meaning("the sender's address is not valid; check the connection's sender"),
    "21408": Meaning("the account may not send to the recipient's country; allow it at the vendor"),
    "21602": Meaning("the message has no body"),
    "21603": Meaning("the message has no sender"),
    "21604": Meaning("the message has no recipient"),
    "21606": Meaning("the sender is not the account's or cannot send; check the connection's sender"),
    "21608": Meaning("a trial account sends only to verified numbers"),
    "21610": Meaning("the recipient has opted out; nothing may be sent until they write START"),
    "21611": Meaning("the sender's queue is full", passes=True),
    "21612": Meaning("there is no route from this sender to this recipient"),
    "21614": Meaning("the recipient's number cannot receive messages"),
    "21617": Meaning("the text is longer than 1600 characters"),
    "21712": Meaning("the messaging service has no senders"),
    "21910": Meaning("sender and recipient are not of the same channel"),
    "30003": Meaning("the recipient's handset cannot be reached"),
    "30006": Meaning("the recipient's number is a landline or cannot be reached"),
    "30007": Meaning("the carrier filtered the message"),
    "30034": Meaning("the sender is not registered for A2P 10DLC"),
    "30036": Meaning("the message's validity period is over"),
    "30450": Meaning("protection against SMS pumping blocked the message"),
    "63001": Meaning("the channel refused the sender's credentials"),
    "63003": Meaning("the recipient is not on the channel"),
    "63005": Meaning("the channel refused the content"),
    "63007": Meaning("the account has no such sender on the channel; check the connection's sender"),
    "63012": Meaning("the channel had an internal error", passes=True),
    "63013": Meaning("the message violates the channel's policy"),
    "63016": Meaning("the 24-hour window is closed; only an approved template may be sent"),
    "63017": Meaning("the sender's rate was exceeded", passes=True),
    "63018": Meaning("the channel's rate was exceeded", passes=True),
    "63020": Meaning("the invitation of the business manager was not accepted"),
    "63021": Meaning("the channel found the content invalid"),
    "63024": Meaning("the recipient is not valid"),
    "63027": Meaning("the template does not exist in this language"),
    "63028": Meaning("the number of template variables does not fit"),
    "63029": Meaning("the template is not usable"),
    "63032": Meaning("the channel does not deliver to this user at present"),
}


class _Answer(BaseModel):
    """The parts of an answer's JSON that are looked at: ``sid`` of a message, or ``code`` of an error."""

    sid: str | None = None
    code: int | None = None
    message: str | None = None


def described(code: str, vendor_words: str | None = None) -> VendorError:
    """An error code with its meaning, in our words where they are known, else in the vendor's."""
    known = MEANINGS.get(code)
    return VendorError(code=code, reason=known.reason if known else (vendor_words or "unknown to us"))


def outcome(status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
    """What an answer to a send call means.

    Any 2xx: the message was taken. 429 and 503 say that it was not, so the call may be repeated. 500, 502 and 504 say
    nothing of the kind: a failure after the message was queued looks the same as one before, a gateway that lost the
    answer has passed the request on, and Twilio has no key that would make a second call harmless. So they are
    Uncertain, unless the body holds an error code that tells more. Anything else is Refused.
    """
    answer = _read(body)
    if 200 <= status < 300:
        return Accepted(answer.sid)
    error = _error(status, answer)
    known = MEANINGS.get(error.code)
    if status in (429, 503) or (known is not None and known.passes):
        return Retry(error, _retry_after(headers))
    if status >= 500 and known is None:
        return Uncertain(error)
    return Refused(error)


def _read(body: bytes) -> _Answer:
    try:
        return _Answer.model_validate_json(body)
    except ValidationError:
        return _Answer()


def _error(status: int, answer: _Answer) -> VendorError:
    if answer.code is not None:
        return described(str(answer.code), answer.message)
    if status == 401:
        return described("20003")
    return VendorError(code=f"http_{status}", reason=f"the vendor answered {status} without an error code")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from ``Retry-After``; None when it is missing or not a number of seconds."""
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
