"""What a channel may be exempt from: only what is so, and what remains is checked all the same."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from m2n.adapters.channel import Channel, Outbound, Retry, SendContext, Uncertain, VendorCall, WebhookRequest
from m2n.certify.certificate import Certificate
from m2n.certify.checks import certify
from m2n.certify.findings import Category, Result, Verdict
from m2n.tenant import Connection
from tests.unit.model_channel import model_channel

TOKEN = "x-token"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certificate]:
    with model_channel(tmp_path_factory.mktemp("model")) as certificate:
        yield certificate


def results(certificate: Certificate) -> dict[Category, Result]:
    return {result.category: result for result in certify(certificate).results}


def with_members(good: Certificate, **members: Any) -> Any:
    return type("Changed", (type(good.channel),), members)()


def test_time_batches_and_receipts_are_left_out_where_there_are_none(good: Certificate) -> None:
    channel = with_members(good)
    channel.capabilities = replace(channel.capabilities, receipts=frozenset())
    why = {"stale": "the vendor's clocks are wrong"}
    found = results(replace(good, channel=channel, max_age=None, batch=None, statuses=(), exempt=why))
    assert {name for name, one in found.items() if one.verdict is Verdict.EXEMPT} == {
        Category.STALE,
        Category.BATCH,
        Category.RECEIPTS,
    }
    assert found[Category.STALE].exempt == "the vendor's clocks are wrong"
    assert found[Category.BATCH].exempt == "the vendor sends one message at a time"


@pytest.mark.parametrize(
    ("exempt", "says"),
    [
        ({"stale": "no time"}, "has no time in it"),
        ({"batch": "one at a time"}, "one message at a time"),
        ({"forged": "hard to do"}, "a shared secret"),
        ({"receipts": "none"}, "tells nothing"),
        ({"uncertain": "none"}, "may be repeated"),
        ({"unknown_type": "ours"}, "the protocol is ours"),
        ({"secrecy": "nobody reads logs"}, "one of stale, batch"),
    ],
)
def test_nobody_is_exempt_without_right(good: Certificate, exempt: Mapping[str, str], says: str) -> None:
    found = results(replace(good, exempt=exempt))
    assert {name for name, one in found.items() if one.findings} == {Category.PROTOCOL}
    assert says in found[Category.PROTOCOL].findings[0].expected


def token_channel(good: Certificate, compare: Any) -> Certificate:
    """A vendor that shows a shared secret with each webhook, as Telegram does."""

    def verify(self: Any, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str]) -> bool:
        secret = secrets.get("signing-secret", "")
        return bool(secret) and compare(request.headers.get(TOKEN, ""), secret)

    def sign(request: WebhookRequest, secrets: Mapping[str, str], at: datetime) -> WebhookRequest:
        return replace(request, headers={**request.headers, TOKEN: secrets["signing-secret"]})

    return replace(good, channel=with_members(good, verify=verify), sign=sign, max_age=None)


def test_a_shared_secret_proves_no_body_and_all_else_is_checked(good: Certificate) -> None:
    found = results(token_channel(good, lambda shown, secret: shown == secret))
    assert not any(one.findings for one in found.values())
    assert found[Category.FORGED].note.startswith("forged body: ")
    assert found[Category.FORGED].verdict is Verdict.PASSED
    begun = results(token_channel(good, lambda shown, secret: shown[:5] == secret[:5]))
    assert {name for name, one in begun.items() if one.findings} == {Category.FORGED}


def repeatable_channel(good: Certificate) -> Channel:
    def render(self: Any, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        return tuple(replace(call, repeatable=True) for call in good.channel.render(message, context))

    def outcome(self: Any, status: int, headers: Mapping[str, str], body: bytes) -> Any:
        found = good.channel.outcome(status, headers, body)
        return Retry(found.error) if isinstance(found, Uncertain) else found

    outcome.__annotations__ = type(good.channel).outcome.__annotations__
    return with_members(good, render=render, outcome=outcome)


def test_what_may_be_repeated_is_never_uncertain(good: Certificate) -> None:
    answers = [one for one in good.answers if one.means is not Uncertain]
    assert results(replace(good, answers=answers))[Category.OUTCOMES].findings[0].expected == "one that means Uncertain"
    found = results(replace(good, channel=repeatable_channel(good), answers=answers))
    assert not any(one.findings for one in found.values())
    assert found[Category.OUTCOMES].note.startswith("uncertain: ")


def test_an_adapter_that_cannot_be_tried_has_not_passed(good: Certificate) -> None:
    def fails(body: bytes) -> WebhookRequest:
        raise RuntimeError("a secret of the certificate's")

    found = results(replace(good, request=fails))
    assert found[Category.RIGHT].findings[0].expected == "a check that ends"
    assert all("secret of" not in finding.seen for one in found.values() for finding in one.findings)
