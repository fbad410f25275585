"""What the gateway's answers mean.

The gateway has no error codes: it passes on signal-cli's words, and those that its source fixes are looked for
(signal-cli, SendMessageResultUtils and the result types in man/signal-cli-jsonrpc.5.adoc). Nothing of the words is
kept, since they may hold telephone numbers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import BaseModel, StrictInt, ValidationError

from m2n.adapters.channel import Accepted, CallOutcome, Refused, Retry, Uncertain
from m2n.adapters.retry_after import retry_after_s
from m2n.message import VendorError
from services.channels.signal.references import MAX_MS, OURS, Reference

CHALLENGE_PAUSE_S = 120.0
"""A person has to solve a captcha; until then every try is in vain."""


class _Then(Enum):
    REFUSED = "refused"
    WAIT = "wait"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class Meaning:
    code: str
    marks: tuple[str, ...]
    """Any of them, in lower case, within the gateway's words."""
    reason: str
    then: _Then = _Then.REFUSED


MEANINGS = (
    Meaning(
        "identity",
        ("untrusted identit", "identity_failure"),
        "the customer's safety number has changed; trust the new one at the gateway",
    ),
    Meaning("unregistered", ("unregistered",), "the recipient is not on Signal, or not any more"),
    Meaning(
        "rate_limited",
        ("rate limit", "rate_limit_failure", "captcha"),
        "Signal limits the account; solve the captcha challenge at the gateway",
        _Then.WAIT,
    ),
    Meaning(
        "network",
        ("network failure", "network_failure"),
        "the gateway had no answer of Signal, which may have the message",
        _Then.UNCERTAIN,
    ),
    Meaning("prekey", ("invalid_pre_key_failure",), "the recipient's keys are not usable; no session can be opened"),
    Meaning(
        "account",
        ("specified account does not exist", "is not registered", "not registered with json-rpc"),
        "the gateway has no such account; check the connection's number",
    ),
    Meaning("request", ("couldn't process request",), "the gateway found the request invalid"),
)
CHALLENGE = VendorError(
    code="challenge",
    reason="Signal asks for a captcha; solve it and give it to the gateway's rate-limit-challenge of this account",
)
LIMITED_UNKNOWN = VendorError(
    code="rate_limited_unknown",
    reason="the gateway tells of a rate limit without a challenge, and may have sent the message all the same",
)
UNSPECIFIC = VendorError(code="failed", reason="the gateway could not send it, or not know whether it did")
_SAYS_NOTHING = ("failed to send message", "failed to send (some) messages")
_BY_STATUS: Mapping[int, str] = {
    401: "the proxy before the gateway wants a token; check the secret gateway-token",
    403: "the proxy before the gateway refuses us; check the secret gateway-token",
    404: "there is no such call; check the base address and the gateway's version",
    413: "the message is larger than the proxy before the gateway allows",
}


class _Answer(BaseModel):
    timestamp: str | StrictInt | None = None
    error: Any = None
    errors: Any = None
    challenge_tokens: Any = None

    @property
    def sent(self) -> Reference | None:
        """Our message, by the moment that is its name."""
        moment = str(self.timestamp or "")
        if not (moment.isascii() and moment.isdigit() and len(moment) <= 15 and int(moment) <= MAX_MS):
            return None
        return Reference(OURS, int(moment))

    @property
    def recipient_errors(self) -> Any:
        return self.errors.get("recipients") if isinstance(self.errors, dict) else None


def outcome(status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
    """What an answer means.

    204: done. 201 with a moment: sent, unless the one recipient stands among those that failed. 429 with a challenge:
    nothing of the connection goes out until somebody has solved it. 429 of the gateway without one was seen with
    messages that had been sent (signal-cli-rest-api, issue 881), so it is uncertain; of a proxy it is a plain limit.
    5xx and a success that cannot be read say nothing: uncertain. Anything else is refused.
    """
    answer = _read(body)
    if status == 204:
        return Accepted(None)
    if 200 <= status < 300:
        return _success(answer, headers)
    if status == 429:
        return _limited(answer, headers)
    if status >= 500:
        return Uncertain(VendorError(code=f"http_{status}", reason=f"the gateway answered {status}"))
    return _failure(" ".join(_texts(answer.error)), headers) or Refused(_by_status(status))


def _success(answer: _Answer, headers: Mapping[str, str]) -> CallOutcome:
    if answer.recipient_errors:
        told = " ".join(_texts(answer.recipient_errors))
        unknown = VendorError(code="recipient", reason="the gateway could not send it to the recipient")
        return _failure(told, headers) or Refused(unknown)
    if answer.sent is None:
        return Uncertain(VendorError(code="unreadable", reason="the gateway took it, but its answer names no message"))
    return Accepted(str(answer.sent))


def _limited(answer: _Answer, headers: Mapping[str, str]) -> CallOutcome:
    if any(token.strip() for token in _texts(answer.challenge_tokens)):
        return Retry(CHALLENGE, retry_after_s(headers) or CHALLENGE_PAUSE_S, whole_connection=True)
    if isinstance(answer.challenge_tokens, list):
        return Uncertain(LIMITED_UNKNOWN)
    by_proxy = VendorError(code="http_429", reason="the proxy before the gateway limits us")
    return Retry(by_proxy, retry_after_s(headers), whole_connection=True)


def _failure(told: str, headers: Mapping[str, str]) -> CallOutcome | None:
    """What the words mean; None where they are not known."""
    words = told.lower()
    known = next((meaning for meaning in MEANINGS if any(mark in words for mark in meaning.marks)), None)
    if known is None:
        return Uncertain(UNSPECIFIC) if words.startswith(_SAYS_NOTHING) else None
    error = VendorError(code=known.code, reason=known.reason)
    match known.then:
        case _Then.REFUSED:
            return Refused(error)
        case _Then.UNCERTAIN:
            return Uncertain(error)
        case _Then.WAIT:
            return Retry(error, retry_after_s(headers) or CHALLENGE_PAUSE_S, whole_connection=True)


def _by_status(status: int) -> VendorError:
    reason = _BY_STATUS.get(status, f"the gateway answered {status} for a reason that is not known to us")
    return VendorError(code=f"http_{status}", reason=reason)


def _texts(value: Any, depth: int = 4) -> Iterator[str]:
    """All texts within, wherever a version of the gateway puts them."""
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part, depth - 1)


def _read(body: bytes) -> _Answer:
    try:
        return _Answer.model_validate_json(body)
    except ValidationError:
        return _Answer()
