"""What of the load generator is pure: its plan, the outcome of a try, what an agent has to answer."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2n.adapters.channel import WebhookRequest
from m2n.clock import now
from m2n.tenant import Connection, ConnectionKind
from services.channels.twilio_core.signature import is_genuine
from tests.faults.agents import shown_of
from tests.faults.batches.adapter import channel
from tests.faults.checked_records import answered_in, written_in
from tests.faults.customers import Customer, Line
from tests.faults.echo.adapter import answer_text, delays_ms
from tests.faults.plan import SMALL_TALK, Plan
from tests.faults.posting import outcome_of
from tests.faults.webhooks import Webhook, batch

CONNECTION = Connection(id="acme-b", kind=ConnectionKind.CHANNEL, adapter="batches", settings={})


def test_a_plan_follows_from_its_seed() -> None:
    assert Plan(seed=5).sends() == Plan(seed=5).sends()
    assert Plan(seed=5).sends() != Plan(seed=6).sends()


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(min_value=0),
    customers=st.integers(min_value=1, max_value=30),
    messages=st.integers(min_value=1, max_value=200),
    burst=st.integers(min_value=1, max_value=5),
    share=st.floats(min_value=0, max_value=1),
)
def test_a_plan_keeps_to_its_numbers(seed: int, customers: int, messages: int, burst: int, share: float) -> None:
    plan = Plan(seed, customers=customers, messages=messages, burst=burst, agent_share=share)
    sends = plan.sends()
    assert len(sends) == messages
    assert [send.at_s for send in sends] == sorted(send.at_s for send in sends)
    assert {send.customer for send in sends} <= set(range(customers))
    if messages >= customers * burst:
        assert len({send.customer for send in sends}) == customers
        asking = Counter(send.customer for send in sends if "human" in send.words.split())
        assert set(asking.values()) <= {1}
        assert len(asking) == round(customers * share)


def test_the_rate_is_a_mean() -> None:
    sends = Plan(seed=1, customers=200, messages=4000, rate_per_s=20).sends()
    assert 4000 / sends[-1].at_s == pytest.approx(20, rel=0.1)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "accepted"), (204, "accepted"), (503, None), (500, None), (429, None), ("ReadError", None)]
    + [(status, "refused") for status in (400, 403, 404, 413, 302)],
)
def test_what_the_vendor_makes_of_an_answer(status: int | str, outcome: str | None) -> None:
    assert outcome_of(status) == outcome


def test_the_form_is_signed_as_the_edge_checks_it() -> None:
    customer = Customer(Line("acme", "whatsapp_twilio", "acme-wa", "AC1", "whatsapp:+1556", "token"), "c1", "+15551")
    for words in SMALL_TALK:
        request = _as_received(customer.webhook("SM1", f"acme c1 1 {words}"))
        assert is_genuine(request, "token")
        assert not is_genuine(request, "another")


@pytest.mark.parametrize(("ahead_s", "good"), [(0, True), (-600, False), (600, False), (240, True)])
def test_a_batch_is_signed_with_a_time_that_the_channel_checks(ahead_s: int, good: bool) -> None:
    request = _as_received(batch("/webhooks/batches/b", [{"id": "1"}], "token", ahead_s))
    assert channel.verify(request, CONNECTION, {"auth-token": "token"}) is good
    assert not channel.verify(request, CONNECTION, {"auth-token": "another"})
    assert not channel.verify(replace(request, body=request.body + b" "), CONNECTION, {"auth-token": "token"})


def test_what_cannot_be_read_of_a_batch_is_a_batch_of_its_own() -> None:
    good, bad = {"id": "1", "from": "+15551234567", "text": "hi"}, {"id": "2", "from": "nobody", "text": "secret"}
    parsed = channel.parse(_as_received(batch("/x", [good, bad], "token")), "acme", CONNECTION, now())
    assert [message.vendor_message_id for message in parsed.messages] == ["1"]
    (part,) = parsed.unreadable
    assert part.reason.startswith("messages.1.from: ")
    assert "secret" not in part.reason
    again = channel.parse(WebhookRequest("POST", "http://edge/x", {}, part.body), "acme", CONNECTION, now())
    assert [part.body] == [each.body for each in again.unreadable]


def _as_received(webhook: Webhook) -> WebhookRequest:
    url = f"http://edge{webhook.path}"
    return WebhookRequest("POST", url, webhook.sign(url), webhook.body)


@pytest.mark.parametrize("words", SMALL_TALK)
def test_the_echo_names_what_it_answers_whatever_the_words(words: str) -> None:
    text = answer_text([f"acme c1 {number} {words}".rstrip(" ") for number in (7, 8)])
    assert text == "bot acme c1: 7 8"
    assert answered_in(text) == (("acme", "c1", 7), ("acme", "c1", 8))
    assert written_in(f"acme c1 7 {words}") == ("acme", "c1", 7)


def test_the_echo_shows_lines_that_are_not_the_customers() -> None:
    assert answer_text(["acme c1 7", "beta c2 3", "hello"]) == "bot acme c1: 7 beta/c2/3 ?"
    assert answer_text(["hello"]) == "bot ? ?: ?"
    assert answered_in("bot acme c1: 7 beta/c2/3 ?") == (("acme", "c1", 7), ("beta", "c2", 3))


def test_slow_words_add_up() -> None:
    assert delays_ms("acme c1 1 slow250 and slow50") == 300
    assert delays_ms("acme c1 1 slowly slow") == 0


def conversation(*lines: tuple[str, str]) -> dict[str, Any]:
    shown = [{"author": author, "content": {"type": "text", "text": text}} for author, text in lines]
    return {"id": "p.1:2", "status": "active", "lines": shown}


def test_an_agent_answers_what_neither_bot_nor_agent_has_answered() -> None:
    lines = [("customer", "acme c1 1"), ("bot", "bot acme c1: 1"), ("customer", "acme c1 2 human")]
    lines += [("system", "#requested"), ("customer", "acme c1 3")]
    assert shown_of("acme", conversation(*lines)).unanswered == (2, 3)
    lines += [("agent", "agent acme c1: 2 3"), ("customer", "acme c1 4")]
    shown = shown_of("acme", conversation(*lines))
    assert (shown.label, shown.unanswered) == ("c1", (4,))
