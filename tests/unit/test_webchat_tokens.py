"""Visitor tokens: who they let in, and until when."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.channels.webchat.tokens import Visitor, bearer, check, claimed, issue, new_visitor_id

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "a long random text"
VISITOR = Visitor("Vx-1_9", NOW + timedelta(hours=1))
TOKEN = issue(VISITOR, "acme-web", KEY)


def test_holder_is_known_until_the_expiry() -> None:
    assert check(TOKEN, "acme-web", KEY, NOW) == VISITOR
    assert check(TOKEN, "acme-web", KEY, VISITOR.expires_at - timedelta(seconds=1)) == VISITOR
    assert check(TOKEN, "acme-web", KEY, VISITOR.expires_at) is None


def test_token_opens_no_other_connection() -> None:
    assert check(TOKEN, "globex-web", KEY, NOW) is None


def test_other_and_empty_keys() -> None:
    assert check(TOKEN, "acme-web", KEY + "x", NOW) is None
    assert check(TOKEN, "acme-web", "", NOW) is None
    with pytest.raises(ValueError, match="signing-key"):
        issue(VISITOR, "acme-web", "")


def test_changed_claim_is_forged() -> None:
    later = base64.urlsafe_b64encode(b"Vx-1_9.99999999999").rstrip(b"=").decode()
    assert check(f"{later}.{TOKEN.partition('.')[2]}", "acme-web", KEY, NOW) is None
    assert claimed(TOKEN) == VISITOR


def test_every_changed_letter_is_noticed() -> None:
    for at, letter in enumerate(TOKEN):
        other = "A" if letter != "A" else "B"
        assert check(TOKEN[:at] + other + TOKEN[at + 1 :], "acme-web", KEY, NOW) is None


@pytest.mark.parametrize("text", ["", ".", "..", "a", "a.b", "é.é", "\udcff.x", TOKEN + "=", TOKEN + ".", f" {TOKEN}"])
def test_what_is_no_token(text: str) -> None:
    assert check(text, "acme-web", KEY, NOW) is None


@given(st.text())
def test_never_an_exception(text: str) -> None:
    assert check(text, "acme-web", KEY, NOW) is None
    assert check(f"{text}.{text}", "acme-web", KEY, NOW) is None
    claimed(text)


def test_expiry_beyond_the_calendar_is_no_visitor() -> None:
    far = base64.urlsafe_b64encode(b"v.999999999999").rstrip(b"=").decode()
    assert claimed(f"{far}.x") is None


def test_visitor_ids_differ_and_are_tokens_of_an_address() -> None:
    ids = {new_visitor_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(claimed(issue(Visitor(one, NOW), "c", KEY)) == Visitor(one, NOW) for one in ids)


@pytest.mark.parametrize(
    ("header", "token"), [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", ""), ("abc", ""), ("", "")]
)
def test_bearer(header: str, token: str) -> None:
    assert bearer({"authorization": header}) == token
