"""What Twilio's answers to a send call mean."""

import orjson
import pytest

from m2n.adapters.channel import Accepted, CallOutcome, Refused, Retry, Uncertain
from m2n.message import OptedOut
from services.channels.twilio_core.errors import MEANINGS, UNKNOWN
from services.channels.whatsapp_twilio.adapter import channel

SID = "SM" + "1" * 32


def error(status: int, code: int, **headers: str) -> CallOutcome:
    body = {"code": code, "message": "what the vendor says", "more_info": "", "status": status}
    return channel.outcome(status, headers, orjson.dumps(body))


def test_accepted() -> None:
    body = orjson.dumps({"sid": SID, "status": "queued", "error_code": None, "price": None})
    assert channel.outcome(201, {}, body) == Accepted(SID)
    assert channel.outcome(200, {}, body) == Accepted(SID)


def test_accepted_although_the_answer_cannot_be_read() -> None:
    assert channel.outcome(201, {}, b"<html>") == Accepted(None)


REFUSED = [
    (401, 20003), (404, 20404), (400, 21211), (400, 21614), (400, 21212), (400, 21606), (400, 21408),
    (400, 21602), (400, 21603), (400, 21604), (400, 21608), (400, 21610), (400, 21612), (400, 21617),
    (400, 21712), (400, 63001), (400, 63003), (400, 63005), (400, 63013), (400, 63016), (400, 63024),
    (400, 63014), (400, 63020), (400, 63021), (400, 63025), (400, 63027), (400, 63028), (400, 63029), (400, 63032),
    (400, 30003), (400, 30006), (400, 30034), (400, 30036), (400, 30450), (500, 63005), (400, 30007), (404, 21701),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code"), REFUSED)
def test_refused(status: int, code: int) -> None:
    outcome = error(status, code)
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.error.reason) == (str(code), MEANINGS[str(code)].reason)


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, 20429), (400, 21611), (429, 63017), (429, 63018), (500, 63012), (503, 20503), (429, 99999)],
)
def test_retried(status: int, code: int) -> None:
    assert isinstance(error(status, code), Retry)


@pytest.mark.parametrize(
    ("status", "code", "whole"),
    [
        (429, 20429, True),
        (400, 21611, True),
        (400, 63017, True),
        (429, 63018, True),
        (429, 99999, True),
        (500, 63012, False),
        (503, 20503, False),
    ],
)
def test_limits_of_the_sender_hold_up_its_whole_connection(status: int, code: int, whole: bool) -> None:
    outcome = error(status, code)
    assert isinstance(outcome, Retry)
    assert outcome.whole_connection is whole


def test_opt_out_and_closed_window_are_told_apart() -> None:
    stopped, closed, other = error(400, 21610), error(400, 63016), error(400, 21211)
    assert isinstance(stopped, Refused)
    assert isinstance(closed, Refused)
    assert isinstance(other, Refused)
    assert [one.opted_out for one in (stopped, closed, other)] == [OptedOut.ALL, None, None]
    assert [one.window_closed for one in (stopped, closed, other)] == [False, True, False]


@pytest.mark.parametrize(
    "body",
    [b'{"code": ' + b"9" * 5000 + b"}", b'{"code": -1}', b'{"code": 1e999}', b"[" * 100_000, b'{"code":"\\ud800"}'],
    ids=["digits", "negative", "infinite", "deep", "surrogate"],
)
def test_answers_that_cannot_be_read_are_known_by_their_status(body: bytes) -> None:
    outcome = channel.outcome(400, {}, body)
    assert isinstance(outcome, Refused)
    assert outcome.error.code == "http_400"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), ("0", 0.0), ("1.5", 1.5), ("soon", None), ("-1", None), ("nan", None), ("inf", None)],
)
def test_waits_as_long_as_the_vendor_says(header: str, seconds: float | None) -> None:
    outcome = channel.outcome(429, {"Retry-After": header}, b"")
    assert isinstance(outcome, Retry)
    assert outcome.after_s == seconds


@pytest.mark.parametrize("status", [500, 502, 504, 599])
def test_uncertain_when_nothing_says_that_it_was_not_taken(status: int) -> None:
    assert isinstance(channel.outcome(status, {}, b"<html>Bad gateway</html>"), Uncertain)
    assert isinstance(error(status, 20500), Uncertain)


def test_not_available_is_not_taken() -> None:
    assert isinstance(channel.outcome(503, {}, b""), Retry)


@pytest.mark.parametrize("status", [301, 400, 403, 404, 409, 415])
def test_unknown_answers_are_refused(status: int) -> None:
    outcome = channel.outcome(status, {}, b"")
    assert isinstance(outcome, Refused)
    assert outcome.error.code == f"http_{status}"


def test_unknown_code_is_told_without_the_vendors_words() -> None:
    outcome = error(400, 29999)
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.error.reason) == ("29999", UNKNOWN)


def test_unauthorized_without_a_body() -> None:
    outcome = channel.outcome(401, {}, b"")
    assert isinstance(outcome, Refused)
    assert outcome.error.code == "20003"
