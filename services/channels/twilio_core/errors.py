"""What Twilio's answers mean: its error codes, and which failures may be tried again.

Codes of 2xxxx come in the answer to a call, codes of 3xxxx and 63xxx mostly in a status callback.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from m2n.adapters.channel import Accepted, CallOutcome, Refused, Retry, Uncertain
from m2n.adapters.retry_after import retry_after_s
from m2n.message import OptedOut, VendorError

UNKNOWN = "not known here; Twilio's error dictionary explains the code"


@dataclass(frozen=True)
class Meaning:
    reason: str
    passes: bool = False
    """The trouble is known to pass and the message was not taken: the same call may be made again."""
    whole_connection: bool = False
    """What passes is a limit of the sender or the account, so every message of the connection meets it."""
    opted_out: OptedOut | None = None
    window_closed: bool = False


MEANINGS: Mapping[str, Meaning] = {
    "11200": Meaning("the vendor could not fetch what the message points at"),
    "11751": Meaning("the media are larger than the channel takes"),
    "12300": Meaning("the channel does not take media of that type"),
    "20003": Meaning("the credentials are wrong; check the account SID and the auth token"),
    "20008": Meaning("these are test credentials, with which nothing is really sent"),
    "20404": Meaning("there is no such resource; check the account SID and the base address"),
    "20429": Meaning("too many requests at the same time", passes=True, whole_connection=True),
    "20503": Meaning("the service is briefly not available", passes=True),
    "21211": Meaning("the recipient's address is not valid"),
    "21212": Meaning("the sender's address is not valid; check the connection's sender"),
    "21408": Meaning("the account may not send to the recipient's country; allow it at the vendor"),
    "21602": Meaning("the message has no body"),
    "21603": Meaning("the message has no sender"),
    "21604": Meaning("the message has no recipient"),
    "21606": Meaning("the sender is not the account's or cannot send; check the connection's sender"),
    "21608": Meaning("a trial account sends only to verified numbers"),
    "21609": Meaning("the address for status callbacks is not valid; check the installation's public address"),
    "21610": Meaning("the recipient has opted out; nothing may be sent until they write START", opted_out=OptedOut.ALL),
    "21611": Meaning("the sender's queue is full", passes=True, whole_connection=True),
    "21612": Meaning("there is no route from this sender to this recipient"),
    "21614": Meaning("the recipient's number cannot receive messages"),
    "21617": Meaning("the text is longer than 1600 characters"),
    "21620": Meaning("the address of the media is not valid"),
    "21623": Meaning("there are more media than the channel takes"),
    "21655": Meaning("the account has no such template"),
    "21656": Meaning("the template's variables are not valid"),
    "21701": Meaning("the account has no such messaging service; check the connection's messaging_service_sid"),
    "21705": Meaning("the messaging service is not valid; check the connection's messaging_service_sid"),
    "21712": Meaning("the messaging service has no senders"),
    "21910": Meaning("sender and recipient are not of the same channel"),
    "30001": Meaning("the carrier's queue was full"),
    "30002": Meaning("the account is suspended"),
    "30003": Meaning("the recipient's handset cannot be reached"),
    "30004": Meaning("the recipient or the carrier blocks the message"),
    "30005": Meaning("the recipient's number is unknown or no longer in service"),
    "30006": Meaning("the recipient's number is a landline or cannot be reached"),
    "30007": Meaning("the carrier filtered the message"),
    "30008": Meaning("the carrier gave no reason"),
    "30010": Meaning("the message's price is higher than the account allows"),
    "30011": Meaning("the recipient's number takes no media in its region"),
    "30019": Meaning("the content is larger than the carrier takes"),
    "30034": Meaning("the sender is not registered for A2P 10DLC"),
    "30036": Meaning("the message's validity period is over"),
    "30450": Meaning("protection against SMS pumping blocked the message"),
    "63001": Meaning("the channel refused the sender's credentials"),
    "63003": Meaning("the recipient is not on the channel"),
    "63005": Meaning("the channel refused the content"),
    "63007": Meaning("the account has no such sender on the channel; check the connection's sender"),
    "63012": Meaning("the channel had an internal error", passes=True),
    "63013": Meaning("the message violates the channel's policy"),
    "63014": Meaning("the recipient has blocked the sender"),
    "63016": Meaning("the 24-hour window is closed; only an approved template may be sent", window_closed=True),
    "63017": Meaning("the sender's rate was exceeded", passes=True, whole_connection=True),
    "63018": Meaning("the channel's rate was exceeded", passes=True, whole_connection=True),
    "63019": Meaning("the vendor could not fetch the media"),
    "63020": Meaning("the invitation of the business manager was not accepted"),
    "63021": Meaning("the channel found the content invalid"),
    "63024": Meaning("the recipient is not valid"),
    "63025": Meaning("the channel has the media already"),
    "63027": Meaning("the template does not exist in this language"),
    "63028": Meaning("the number of template variables does not fit"),
    "63029": Meaning("the template is not usable"),
    "63030": Meaning("the channel does not know a part of the message"),
    "63032": Meaning("the channel does not deliver to this user at present"),
    "63034": Meaning("the media are larger than the channel takes"),
}


class _Answer(BaseModel):
    """The parts of an answer's JSON that are looked at: ``sid`` of a message, or ``code`` of an error."""

    sid: str | None = None
    code: Annotated[int, Field(ge=0, lt=10**9)] | None = None


def described(code: str) -> VendorError:
    """An error code with its meaning in our words; Twilio's own may hold what a customer wrote, or their number."""
    known = MEANINGS.get(code)
    return VendorError(code=code, reason=known.reason if known else UNKNOWN)


def outcome(status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
    """What an answer to a send call means.

    Any 2xx: the message was taken. 429 and 503 say that it was not, so the call may be repeated; 429 is about the
    account, so all of the connection waits. 500, 502 and 504 say nothing of the kind: a failure after the message was
    queued looks the same as one before, a gateway that lost the answer has passed the request on, and Twilio has no
    key that would make a second call harmless. So they are Uncertain, unless the body holds an error code that tells
    more. Anything else is Refused.
    """
    answer = _read(body)
    if 200 <= status < 300:
        return Accepted(answer.sid)
    error = _error(status, answer)
    known = MEANINGS.get(error.code)
    if status in (429, 503) or (known is not None and known.passes):
        whole = status == 429 or (known is not None and known.whole_connection)
        return Retry(error, retry_after_s(headers), whole)
    if status >= 500 and known is None:
        return Uncertain(error)
    return Refused(error, known.opted_out, known.window_closed) if known else Refused(error)


def opted_out(code: str) -> OptedOut | None:
    """What a customer does not want any more, as an error code says it."""
    known = MEANINGS.get(code)
    return known.opted_out if known else None


def _read(body: bytes) -> _Answer:
    try:
        return _Answer.model_validate_json(body)
    except ValidationError:
        return _Answer()


def _error(status: int, answer: _Answer) -> VendorError:
    if answer.code is not None:
        return described(str(answer.code))
    if status == 401:
        return described("20003")
    return VendorError(code=f"http_{status}", reason=f"the vendor answered {status} without an error code")
