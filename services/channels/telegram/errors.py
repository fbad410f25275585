"""What Telegram's answers mean. It has no error codes but HTTP's; what exactly is wrong only its words tell."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from m2n.adapters.channel import Accepted, CallOutcome, Refused, Retry, Uncertain
from m2n.adapters.retry_after import retry_after_s
from m2n.message import OptedOut, VendorError
from services.channels.telegram.references import Reference


@dataclass(frozen=True)
class Meaning:
    """``words``: what the vendor's description has in it, in lower case."""

    words: str
    reason: str
    opted_out: OptedOut | None = None


MEANINGS: Sequence[Meaning] = (
    Meaning("bot was blocked by the user", "the customer has blocked the bot", OptedOut.ALL),
    Meaning("user is deactivated", "the customer's account does not exist any more"),
    Meaning("can't initiate conversation", "a bot cannot write first; the customer has to press Start"),
    Meaning("chat not found", "the customer has never written to this bot; check the connection's bot token"),
    Meaning("upgraded to a supergroup", "the chat is a group that moved; conversations are with persons only"),
    Meaning("caption is too long", "the caption is longer than 1024 characters"),
    Meaning("is too long", "the text is longer than 4096 characters"),
    Meaning("text is empty", "the text is empty"),
    Meaning("text must be non-empty", "the text is empty"),
    Meaning("button_data_invalid", "a button's id is longer than 64 bytes"),
    Meaning("wrong file identifier", "the vendor could not use the media's address: not reachable, or too large"),
    Meaning("failed to get http url content", "the vendor could not fetch the media"),
    Meaning("wrong type of the web page content", "the media is of a type that the vendor does not take by address"),
    Meaning("wrong remote file identifier", "the vendor does not know the file"),
    Meaning("reaction_invalid", "the vendor does not have this emoji as a reaction"),
    Meaning("message to react not found", "the message to react to is gone"),
    Meaning("message to edit not found", "the message to edit is gone"),
    Meaning("message can't be edited", "the vendor lets this message not be edited"),
    Meaning("no text in the message to edit", "the message to edit has no text"),
    Meaning("message to delete not found", "the message to delete is gone"),
    Meaning("message can't be deleted", "the message is too old to be deleted"),
)
_BY_STATUS: Mapping[int, str] = {
    401: "the bot token is wrong; check the secret bot-token",
    404: "there is no such bot or method; check the secret bot-token and the base address",
    409: "the bot's updates are fetched in another way at the same time",
    413: "the request is too large",
    429: "too many messages in a short time",
}
NOT_MODIFIED = "message is not modified"
"""The edit is in effect already: an earlier try got through."""


class _Parameters(BaseModel):
    retry_after: float | None = None
    migrate_to_chat_id: int | None = None


class _Answer(BaseModel):
    """``result`` is the message that was sent, or true."""

    ok: bool | None = None
    result: Any = None
    error_code: int | None = None
    description: str = ""
    parameters: _Parameters = _Parameters()


class _Place(BaseModel):
    id: int


class _Sent(BaseModel):
    message_id: int
    chat: _Place


def outcome(status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
    """What an answer to a call means.

    Taken only if the answer says so: a 2xx that cannot be read is Uncertain, as is any 5xx, since Telegram has no key
    that would make a second call harmless. 429 says that the message was not taken and how long to wait; not whether
    the customer had too much or the whole bot. Anything else is Refused.
    """
    answer = _read(body)
    if 200 <= status < 300:
        return Accepted(_name(answer.result)) if answer.ok else Uncertain(_unreadable(status))
    words = answer.description.lower()
    if NOT_MODIFIED in words:
        return Accepted(None)
    known = next((meaning for meaning in MEANINGS if meaning.words in words), None)
    error = VendorError(code=str(answer.error_code or status), reason=_reason(status, answer, known))
    if status == 429:
        return Retry(error, _wait(answer, headers))
    if status >= 500:
        return Uncertain(error)
    return Refused(error, known.opted_out if known else None)


def _read(body: bytes) -> _Answer:
    try:
        return _Answer.model_validate_json(body)
    except ValidationError:
        return _Answer()


def _name(result: Any) -> str | None:
    """Of the message that was sent; other calls only answer true."""
    try:
        sent = _Sent.model_validate(result)
    except ValidationError:
        return None
    return str(Reference(sent.chat.id, sent.message_id))


def _unreadable(status: int) -> VendorError:
    return VendorError(code=f"http_{status}", reason="the vendor's answer does not say that it took the message")


def _reason(status: int, answer: _Answer, known: Meaning | None) -> str:
    if answer.parameters.migrate_to_chat_id is not None:
        return "the chat is a group that moved; conversations are with persons only"
    usual = _BY_STATUS.get(status) or f"the vendor answered {status}"
    return known.reason if known else usual


def _wait(answer: _Answer, headers: Mapping[str, str]) -> float | None:
    """Seconds, from the answer or from ``Retry-After``; None where neither says a number of them."""
    seconds = answer.parameters.retry_after
    if seconds is None:
        return retry_after_s(headers)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
