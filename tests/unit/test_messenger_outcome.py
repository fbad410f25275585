"""What Messenger's answers to a send call mean."""

import json
from typing import Any

import pytest

from m2n.adapters.channel import Accepted, CallOutcome, Refused, Retry, Uncertain
from services.channels.messenger.adapter import channel
from services.channels.messenger.certification import certificate
from services.channels.messenger.errors import CODES, SUBCODES


def error(code: int, subcode: int | None = None, status: int = 400, headers: Any = None) -> CallOutcome:
    told = {"message": "(#0) what the vendor says", "type": "OAuthException", "code": code, "fbtrace_id": "Ax"}
    if subcode is not None:
        told["error_subcode"] = subcode
    return channel.outcome(status, headers or {}, json.dumps({"error": told}).encode())


def test_accepted() -> None:
    body = b'{"recipient_id":"24001550100000201","message_id":"m_Y"}'
    assert channel.outcome(200, {}, body) == Accepted("m_Y")
    assert channel.outcome(200, {}, b'{"recipient_id":"24001550100000201"}') == Accepted(None)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b'{"message_id":"m_Y"}'])
def test_success_that_cannot_be_read_is_not_sent_again(body: bytes) -> None:
    assert isinstance(channel.outcome(200, {}, body), Uncertain)


@pytest.mark.parametrize(("code", "subcode"), [(10, 2018278), (10, 2534022)])
def test_window_closed(code: int, subcode: int) -> None:
    outcome = error(code, subcode)
    assert isinstance(outcome, Refused)
    assert outcome.window_closed
    assert outcome.opted_out is None
    assert outcome.error.code == f"{code}/{subcode}"


@pytest.mark.parametrize(
    ("code", "subcode"),
    [
        (551, 1545041), (551, None), (200, 1545041), (190, None), (200, None), (100, 2018001), (100, None),
        (100, 2018108), (2018108, None), (100, 2018109), (10, None), (10, 2018300), (368, None), (10904, None),
        (424242, None),
    ],
)  # fmt: skip
def test_refused(code: int, subcode: int | None) -> None:
    outcome = error(code, subcode)
    assert isinstance(outcome, Refused)
    assert not outcome.window_closed
    assert "what the vendor says" not in outcome.error.reason


@pytest.mark.parametrize("code", [4, 613, 32])
def test_too_much_holds_the_whole_connection(code: int) -> None:
    outcome = error(code, headers={"Retry-After": "3"})
    assert isinstance(outcome, Retry)
    assert (outcome.whole_connection, outcome.after_s) == (True, 3.0)


def test_used_up_quota_says_when_it_opens() -> None:
    usage = json.dumps({"1": [{"type": "pages", "call_count": 100, "estimated_time_to_regain_access": 2}]})
    outcome = error(4, status=403, headers={"X-Business-Use-Case-Usage": usage})
    assert isinstance(outcome, Retry)
    assert outcome.after_s == 120.0


@pytest.mark.parametrize(("code", "subcode", "status"), [(2, None, 500), (2, 2018344, 503), (1200, None, 400)])
def test_passing_trouble_is_tried_again(code: int, subcode: int | None, status: int) -> None:
    outcome = error(code, subcode, status)
    assert isinstance(outcome, Retry)
    assert not outcome.whole_connection


def test_restricted_page_rests_for_a_while() -> None:
    outcome = error(10, 1893063)
    assert isinstance(outcome, Retry)
    assert (outcome.whole_connection, outcome.after_s) == (True, 600.0)


@pytest.mark.parametrize(("code", "status"), [(1, 500), (1, 400), (424242, 500)])
def test_error_that_may_come_although_it_was_sent(code: int, status: int) -> None:
    assert isinstance(error(code, status=status), Uncertain)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_broken_answer_is_uncertain(status: int) -> None:
    assert isinstance(channel.outcome(status, {}, b"upstream"), Uncertain)


def test_bare_statuses() -> None:
    limited = channel.outcome(429, {"retry-after": "7"}, b"")
    assert isinstance(limited, Retry)
    assert (limited.whole_connection, limited.after_s) == (True, 7.0)
    refused = channel.outcome(404, {}, b"")
    assert isinstance(refused, Refused)
    assert refused.error.code == "http_404"


@pytest.mark.parametrize("answer", certificate.answers, ids=lambda answer: answer.what)
def test_what_the_certificate_claims(answer: Any) -> None:
    assert isinstance(channel.outcome(answer.status, answer.headers, answer.body), answer.means)


def test_every_meaning_is_in_plain_words() -> None:
    for meaning in (*CODES.values(), *SUBCODES.values()):
        assert len(meaning.reason) > 10
        assert not meaning.reason.endswith(".")
