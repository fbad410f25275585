"""What Meta's answers to send calls mean."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2n.adapters.channel import Accepted, Refused, Retry, Uncertain
from m2n.message import OptedOut
from services.channels.whatsapp_cloud.adapter import channel
from services.channels.whatsapp_cloud.errors import MEANINGS, described


def error(code: int, **more: Any) -> bytes:
    return json.dumps({"error": {"message": f"(#{code}) x", "type": "OAuthException", "code": code} | more}).encode()


def outcome(status: int, body: bytes = b"", **headers: str) -> Any:
    return channel.outcome(status, headers, body)


def test_taken() -> None:
    body = {
        "messaging_product": "whatsapp",
        "contacts": [{"input": "15550100002", "wa_id": "15550100002"}],
        "messages": [{"id": "wamid.Y", "message_status": "held_for_quality_assessment"}],
    }
    assert outcome(200, json.dumps(body).encode()) == Accepted("wamid.Y")


def test_signal_taken() -> None:
    assert outcome(200, b'{"success":true}') == Accepted(None)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b'{"messages":[]}', b'{"messages":[{}]}', b'{"success":false}']
)
def test_success_that_cannot_be_read_is_uncertain(body: bytes) -> None:
    assert isinstance(outcome(200, body), Uncertain)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", error(999_999)])
def test_failure_of_which_nothing_is_known_is_uncertain(status: int, body: bytes) -> None:
    assert isinstance(outcome(status, body), Uncertain)


@pytest.mark.parametrize("code", [4, 80007, 130429])
def test_used_up_limits_hold_the_whole_connection(code: int) -> None:
    found = outcome(400, error(code), **{"Retry-After": "30"})
    assert isinstance(found, Retry)
    assert (found.after_s, found.whole_connection) == (30, True)


def test_pair_rate_holds_only_this_customer() -> None:
    found = outcome(400, error(131056))
    assert isinstance(found, Retry)
    assert (found.after_s, found.whole_connection) == (6, False)
    assert outcome(400, error(131056), **{"retry-after": "12"}).after_s == 12


@pytest.mark.parametrize("code", [1, 2, 131000, 131016, 131057, 133004])
@pytest.mark.parametrize("status", [400, 500, 503])
def test_trouble_that_passes_is_tried_again(code: int, status: int) -> None:
    found = outcome(status, error(code))
    assert isinstance(found, Retry)
    assert (found.after_s, found.whole_connection) == (None, False)


def test_too_much_without_a_known_code() -> None:
    for body in (b"", error(999_999)):
        found = outcome(429, body, **{"retry-after": "3"})
        assert isinstance(found, Retry)
        assert (found.after_s, found.whole_connection) == (3, True)


REFUSED = [
    *(0, 3, 10, 100, 190, 200, 250, 299, 368, 130472, 130497),
    *(131005, 131008, 131009, 131021, 131026, 131030, 131031, 131042, 131048, 131049, 131051, 131052, 131053),
    *(131062, 131064, 132000, 132001, 132005, 132007, 132012, 132015, 132016, 132068, 132069, 133016, 135000, 137000),
]


@pytest.mark.parametrize("code", REFUSED)
def test_refused_with_a_reason_of_ours(code: int) -> None:
    found = outcome(400, error(code, error_data={"details": "the customer's words"}))
    assert isinstance(found, Refused)
    assert (found.opted_out, found.window_closed) == (None, False)
    assert found.error.code == str(code)
    assert "customer's words" not in found.error.reason
    assert "not known here" not in found.error.reason


def test_closed_window() -> None:
    found = outcome(400, error(131047))
    assert isinstance(found, Refused)
    assert (found.window_closed, found.opted_out) == (True, None)


def test_stopped_marketing() -> None:
    found = outcome(400, error(131050))
    assert isinstance(found, Refused)
    assert (found.opted_out, found.window_closed) == (OptedOut.MARKETING, False)


def test_code_decides_also_at_a_failure() -> None:
    assert isinstance(outcome(500, error(131009)), Refused)


def test_unknown_code_is_refused_and_named() -> None:
    found = outcome(400, error(424242))
    assert isinstance(found, Refused)
    assert found.error.code == "424242"


@pytest.mark.parametrize(("status", "code"), [(400, "http_400"), (401, "190"), (404, "http_404"), (302, "http_302")])
def test_refusal_without_a_code(status: int, code: str) -> None:
    found = outcome(status, b"<html>")
    assert isinstance(found, Refused)
    assert found.error.code == code


def test_dead_token_tells_what_to_do() -> None:
    assert "new one" in described(190).reason


def test_every_meaning_is_one_of_refuse_and_retry() -> None:
    for code, meaning in MEANINGS.items():
        assert meaning.passes or not (meaning.whole_connection or meaning.after_s), code
        assert not (meaning.passes and (meaning.opted_out or meaning.window_closed)), code


@given(st.integers(100, 599), st.binary(max_size=300), st.dictionaries(st.text(max_size=20), st.text(max_size=20)))
def test_any_answer_means_something(status: int, body: bytes, headers: dict[str, str]) -> None:
    assert isinstance(channel.outcome(status, headers, body), Accepted | Refused | Retry | Uncertain)
