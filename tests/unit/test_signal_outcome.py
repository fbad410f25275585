"""What the gateway's answers mean."""

from typing import Any

import orjson
import pytest

from m2n.adapters.channel import Accepted, CallOutcome, Refused, Retry, Uncertain
from services.channels.signal.adapter import channel
from services.channels.signal.certification import certificate
from services.channels.signal.errors import CHALLENGE_PAUSE_S

LIMITED = "Failed to send message due to rate limiting"


def outcome(status: int, body: Any = None, **headers: str) -> CallOutcome:
    raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    return channel.outcome(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def code(found: CallOutcome) -> str:
    assert not isinstance(found, Accepted)
    return found.error.code


@pytest.mark.parametrize("answer", certificate.answers, ids=lambda answer: answer.what)
def test_documented_answers(answer: Any) -> None:
    assert type(channel.outcome(answer.status, answer.headers, answer.body)) is answer.means


@pytest.mark.parametrize("timestamp", ["1700000001000", 1700000001000])
def test_the_moment_is_the_messages_id(timestamp: Any) -> None:
    assert outcome(201, {"timestamp": timestamp}) == Accepted("self:1700000001000")


@pytest.mark.parametrize("errors", [None, {}, {"recipients": []}, {"recipients": None}, []])
def test_no_errors_is_a_success(errors: Any) -> None:
    assert outcome(201, {"timestamp": "1700000001000", "errors": errors}) == Accepted("self:1700000001000")


@pytest.mark.parametrize("timestamp", ["", "soon", None, "-1", "9" * 400, "١٢٣", 1.5, [], True])
def test_success_without_a_moment_is_uncertain(timestamp: Any) -> None:
    assert code(outcome(201, {"timestamp": timestamp})) == "unreadable"


@pytest.mark.parametrize(
    ("recipient", "kind", "expected"),
    [
        ({"type": "UNREGISTERED_FAILURE"}, Refused, "unregistered"),
        ({"recipient": "+15550100002", "error": 'Unregistered user "+15550100002"'}, Refused, "unregistered"),
        ({"type": "IDENTITY_FAILURE"}, Refused, "identity"),
        ({"type": "NETWORK_FAILURE"}, Uncertain, "network"),
        ({"type": "RATE_LIMIT_FAILURE"}, Retry, "rate_limited"),
        ({"type": "INVALID_PRE_KEY_FAILURE"}, Refused, "prekey"),
        ({"type": "NEW_FAILURE"}, Refused, "recipient"),
        ("+15550100002", Refused, "recipient"),
    ],
)
def test_the_one_recipient_is_among_the_failed(recipient: Any, kind: type, expected: str) -> None:
    found = outcome(201, {"timestamp": "1700000001000", "errors": {"recipients": [recipient]}})
    assert (type(found), code(found)) == (kind, expected)
    assert "15550100002" not in repr(found)


@pytest.mark.parametrize(
    ("words", "kind", "expected"),
    [
        ("Failed to send message due to untrusted identities", Refused, "identity"),
        ('Failed to send (some) messages:\nUntrusted Identity for "+1555"\n1610795206942\n', Refused, "identity"),
        ('Failed to send (some) messages:\nUnregistered user "+1555"', Refused, "unregistered"),
        (LIMITED, Retry, "rate_limited"),
        ('CAPTCHA proof required for sending to "+1555", available options "RECAPTCHA"', Retry, "rate_limited"),
        ('Failed to send (some) messages:\nNetwork failure for "+1555"', Uncertain, "network"),
        ("Failed to send message", Uncertain, "failed"),
        ("Failed to send message: Connection closed!", Uncertain, "failed"),
        ("Specified account does not exist", Refused, "account"),
        ("User +1555 is not registered.", Refused, "account"),
        ("Couldn't process request - please provide at least one recipient", Refused, "request"),
        ("Something new about +1555", Refused, "http_400"),
    ],
)  # fmt: skip
def test_words_that_signal_cli_fixes(words: str, kind: type, expected: str) -> None:
    found = outcome(400, {"error": words})
    assert (type(found), code(found)) == (kind, expected)
    assert "1555" not in repr(found)


def test_challenge_stops_the_connection_until_somebody_solves_it() -> None:
    body = {"error": LIMITED, "account": "+15550100001", "challenge_tokens": ["91b051ce", "c2"]}
    found = outcome(429, body)
    assert isinstance(found, Retry)
    assert (found.whole_connection, found.after_s, found.error.code) == (True, CHALLENGE_PAUSE_S, "challenge")
    assert "captcha" in found.error.reason
    assert "91b051ce" not in repr(found)
    assert outcome(429, body, retry_after="86400") == Retry(found.error, 86400.0, whole_connection=True)


@pytest.mark.parametrize("tokens", [[], [""], [None], ["", " "]])
def test_limit_without_a_challenge_may_have_been_sent(tokens: list[Any]) -> None:
    assert code(outcome(429, {"error": LIMITED, "challenge_tokens": tokens})) == "rate_limited_unknown"


def test_limit_of_a_proxy_passes() -> None:
    found = outcome(429, b"slow down", Retry_After="7")
    assert isinstance(found, Retry)
    assert (found.after_s, found.whole_connection) == (7.0, True)
    unsaid = outcome(429, b"", Retry_After="soon")
    assert isinstance(unsaid, Retry)
    assert unsaid.after_s is None


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_whatever_is_broken_is_uncertain(status: int) -> None:
    assert isinstance(outcome(status, {"error": "Failed to send message due to untrusted identities"}), Uncertain)
    assert isinstance(outcome(status, b"<html>"), Uncertain)


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 409, 413, 415])
def test_other_answers_are_refused(status: int) -> None:
    assert code(outcome(status)) == f"http_{status}"
    assert isinstance(outcome(status, {"error": {"deep": [["x"]]}}), Refused)


def test_shown_is_shown() -> None:
    assert outcome(204) == Accepted(None)
