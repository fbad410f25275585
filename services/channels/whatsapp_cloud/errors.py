"""What Meta's answers mean: the error codes of the Cloud API, and which failures may be tried again.

After Meta's "Error codes" of the WhatsApp Business Platform. The same codes come in an answer and in a status.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from m2n.adapters.channel import Accepted, CallOutcome, Refused, Retry, Uncertain
from m2n.message import OptedOut, VendorError
from services.channels.meta_core.graph import read_error, retry_after

PAIR_PAUSE_S = 6.0
"""About so often one customer may be written to for long."""


@dataclass(frozen=True)
class Meaning:
    reason: str
    passes: bool = False
    """The trouble is known to pass and the message was not taken: the same call may be made again."""
    whole_connection: bool = False
    after_s: float | None = None
    """So long to wait where Meta does not say."""
    opted_out: OptedOut | None = None
    window_closed: bool = False


UNKNOWN = Meaning("an error that is not known here; look the code up at Meta")
_TOKEN = Meaning("the access token is not valid any more; nothing goes out until the connection has a new one")
_PERMISSION = Meaning("the app or the token lacks a permission; check the token's permissions and assets at Meta")
_PARAMETER = Meaning("a parameter is missing or wrong")
_TEMPLATE = Meaning("the template cannot be used at present; look at its state at Meta")

MEANINGS: Mapping[int, Meaning] = {
    0: _TOKEN,
    1: Meaning("the service had an unknown problem", passes=True),
    2: Meaning("the service is down for a while", passes=True),
    3: _PERMISSION,
    4: Meaning("the app's limit of calls is used up", passes=True, whole_connection=True),
    10: _PERMISSION,
    33: Meaning("the business's number was deleted or is not this account's; check phone_number_id"),
    100: _PARAMETER,
    190: _TOKEN,
    368: Meaning("Meta has blocked the account for violating a policy; see the account's quality at Meta"),
    80007: Meaning("the business account's limit of calls is used up", passes=True, whole_connection=True),
    130429: Meaning("the number's throughput is used up", passes=True, whole_connection=True),
    130472: Meaning("Meta keeps messages from this user in an experiment; it is not sent again"),
    130497: Meaning("the account may not write to users of this country"),
    131000: Meaning("the service failed for an unknown reason", passes=True),
    131005: Meaning("access was denied; check the token's permissions"),
    131008: _PARAMETER,
    131009: _PARAMETER,
    131016: Meaning("the service is not available for a while", passes=True),
    131021: Meaning("sender and recipient are the same number"),
    131026: Meaning("the message cannot be delivered: not on WhatsApp, an old app, or the terms are not accepted"),
    131030: Meaning("the recipient is not among the allowed numbers of a test number"),
    131031: Meaning("the account is locked; see the account's quality at Meta"),
    131037: Meaning("the number's display name is not approved yet"),
    131042: Meaning("there is a problem with the account's payment method; nothing that costs goes out"),
    131045: Meaning("the number is not registered correctly; register it again at Meta"),
    131047: Meaning("the 24-hour window is closed; only a template may be sent", window_closed=True),
    131048: Meaning("Meta restricts the number because users blocked or reported it; send less until it is lifted"),
    131049: Meaning("Meta holds back marketing to this user for the time being; it is not sent again soon"),
    131050: Meaning("the user does not want marketing messages from this business", opted_out=OptedOut.MARKETING),
    131051: Meaning("the type of message is not supported"),
    131052: Meaning("the user's media could not be downloaded"),
    131053: Meaning("the media could not be fetched or are of a type or size that is not taken"),
    131056: Meaning("too many messages to this user in a short time", passes=True, after_s=PAIR_PAUSE_S),
    131057: Meaning("the account is in maintenance", passes=True),
    131062: Meaning("this message cannot be sent to a business-scoped user id; it needs a phone number"),
    131064: Meaning("the account's limit of users per day is reached; ask Meta for a higher one"),
    132000: Meaning("the number of the template's variables does not fit"),
    132001: Meaning("the template does not exist in this language or is not approved"),
    132005: Meaning("the template's text is too long with these variables"),
    132007: Meaning("the template violates a policy of Meta"),
    132012: Meaning("a variable of the template has the wrong format"),
    132015: _TEMPLATE,
    132016: _TEMPLATE,
    132068: Meaning("the template's flow is blocked"),
    132069: Meaning("the template's flow is throttled"),
    133004: Meaning("the service is not available for a while", passes=True),
    133010: Meaning("the number is not registered; register it at Meta"),
    133016: Meaning("the number was registered too often; it is locked for a while"),
    135000: Meaning("the message failed for a reason that Meta does not tell"),
    137000: Meaning("the message failed because of the account's configuration"),
}


class _Sent(BaseModel):
    id: str


class _Taken(BaseModel):
    """An answer that is no error: of a message its id, of a signal ``success``."""

    messages: tuple[_Sent, ...] = ()
    success: bool = False


def meaning_of(code: int) -> Meaning:
    return MEANINGS.get(code, _PERMISSION if 200 <= code <= 299 else UNKNOWN)


def described(code: int) -> VendorError:
    """An error code with its meaning in our words: Meta's may quote the message."""
    return VendorError(code=str(code), reason=meaning_of(code).reason)


def outcome(status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
    """What an answer to a send call means.

    An error code decides, whatever the status: with one, the message was not taken. Without a code a 429 says the same;
    a 5xx does not, and as Meta has no key that would make a second call harmless, it is Uncertain, as is a success
    that cannot be read. Anything else is Refused.
    """
    if 200 <= status < 300:
        return _taken(body)
    error = read_error(body)
    if error is None:
        return _without_code(status, headers)
    meaning, known = meaning_of(error.code), described(error.code)
    if meaning is UNKNOWN and status == 429:
        return Retry(known, retry_after(headers), whole_connection=True)
    if meaning is UNKNOWN and status >= 500:
        return Uncertain(known)
    if meaning.passes:
        told = retry_after(headers)
        return Retry(known, meaning.after_s if told is None else told, meaning.whole_connection)
    return Refused(known, meaning.opted_out, meaning.window_closed)


def _taken(body: bytes) -> CallOutcome:
    try:
        answer = _Taken.model_validate_json(body)
    except ValidationError:
        answer = _Taken()
    if answer.messages:
        return Accepted(answer.messages[0].id)
    if answer.success:
        return Accepted(None)
    return Uncertain(VendorError(code="unreadable", reason="the vendor answered with success but no message id"))


def _without_code(status: int, headers: Mapping[str, str]) -> CallOutcome:
    error = VendorError(code=f"http_{status}", reason=f"the vendor answered {status} without an error code")
    if status == 429:
        return Retry(error, retry_after(headers), whole_connection=True)
    if status >= 500:
        return Uncertain(error)
    return Refused(described(190) if status == 401 else error)
