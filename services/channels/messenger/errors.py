"""What the answers of Messenger's send API mean: Meta's error codes and subcodes.

After Meta's "Common Error Codes" of the Messenger Platform and the errors of the Graph API's "Page Messages". A
subcode tells more than its code and goes before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from pydantic import BaseModel, ValidationError

from m2n.adapters.channel import Accepted, CallOutcome, Refused, Retry, Uncertain
from m2n.message import VendorError
from services.channels.meta_core.graph import GraphError, read_error, retry_after


class Effect(Enum):
    """What can be done about an error."""

    NONE = auto()
    """Trying again cannot help."""
    PASSES = auto()
    """The message was not taken, and may be later."""
    PASSES_FOR_ALL = auto()
    """As before, and the whole connection has to wait."""
    WINDOW_CLOSED = auto()
    UNCERTAIN = auto()
    """Known to come although the message was taken."""


@dataclass(frozen=True)
class Meaning:
    reason: str
    effect: Effect = Effect.NONE
    wait_s: float | None = None
    """Where the vendor does not say how long."""


RESTRICTED_WAIT_S = 600.0
"""A restricted Page is asked for again every ten minutes."""

CODES: Mapping[int, Meaning] = {
    1: Meaning("an unknown error, known to come although the message went out", Effect.UNCERTAIN),
    2: Meaning("the service is briefly not available", Effect.PASSES),
    4: Meaning("the app has made too many calls", Effect.PASSES_FOR_ALL),
    10: Meaning("the app lacks the permission for this message; check its permissions at Meta"),
    32: Meaning("the Page has made too many calls", Effect.PASSES_FOR_ALL),
    100: Meaning("a parameter is not valid"),
    190: Meaning("the Page's access token is not valid; enter a new one"),
    200: Meaning("the app may not send to this person or for this Page"),
    230: Meaning("the app may not send to this person"),
    368: Meaning("Meta holds the message for abusive"),
    551: Meaning("the person is not available: they blocked the Page or left"),
    613: Meaning("too many messages in a short time", Effect.PASSES_FOR_ALL),
    1200: Meaning("a temporary failure of the send service", Effect.PASSES),
    10903: Meaning("the person cannot be answered"),
    10904: Meaning("the Page has messages switched off"),
    2018108: Meaning("the app is in development mode and the recipient is none of its testers"),
    2018109: Meaning("the attachment is too large or of a kind that is not taken"),
}
SUBCODES: Mapping[int, Meaning] = {
    1545041: Meaning("the person is not available: they blocked the Page or left"),
    1893063: Meaning(
        "the Page is temporarily restricted; look at its Support Inbox", Effect.PASSES_FOR_ALL, RESTRICTED_WAIT_S
    ),
    2018001: Meaning("there is no such person for this Page"),
    2018108: CODES[2018108],
    2018109: CODES[2018109],
    2018278: Meaning("the customer wrote too long ago for a free message", Effect.WINDOW_CLOSED),
    2018300: Meaning("another app of the Page has the conversation"),
    2018344: CODES[2],
    2534022: Meaning("the customer wrote too long ago for a free message", Effect.WINDOW_CLOSED),
}


class _Sent(BaseModel):
    """The answer to a call that worked; a sender action's has no ``message_id``."""

    recipient_id: str
    message_id: str | None = None


def outcome(status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
    """What an answer to a send call means.

    Messenger has no idempotency key: an unreadable success and a 5xx without a code that tells more are Uncertain.
    """
    error = read_error(body)
    if error is not None:
        return _failed(status, headers, error)
    if 200 <= status < 300:
        return _sent(body)
    told = VendorError(code=f"http_{status}", reason=f"the vendor answered {status} without an error code")
    if status == 429:
        return Retry(told, retry_after(headers), whole_connection=True)
    return Uncertain(told) if status >= 500 else Refused(told)


def _sent(body: bytes) -> CallOutcome:
    try:
        return Accepted(_Sent.model_validate_json(body).message_id)
    except ValidationError:
        return Uncertain(VendorError(code="unreadable", reason="the vendor's answer to the call cannot be read"))


def _failed(status: int, headers: Mapping[str, str], error: GraphError) -> CallOutcome:
    known = SUBCODES.get(error.subcode or 0) or CODES.get(error.code)
    told = VendorError(code=_code(error), reason=known.reason if known else "unknown to us")
    effect = known.effect if known else Effect.UNCERTAIN if status >= 500 else Effect.NONE
    match effect:
        case Effect.PASSES | Effect.PASSES_FOR_ALL:
            wait_s = retry_after(headers) or (known.wait_s if known else None)
            return Retry(told, wait_s, whole_connection=effect is Effect.PASSES_FOR_ALL)
        case Effect.UNCERTAIN:
            return Uncertain(told)
    return Refused(told, window_closed=effect is Effect.WINDOW_CLOSED)


def _code(error: GraphError) -> str:
    return f"{error.code}/{error.subcode}" if error.subcode else str(error.code)
