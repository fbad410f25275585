"""Sending: at most once in effect, whatever dies where; a batch keeps its order."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from m2n.adapters.capabilities import Capabilities
from m2n.adapters.channel import Accepted, CallOutcome, ChannelDefaults, Refused, Retry, VendorCall
from m2n.events import OutboundBatch, Outcome
from m2n.message import Address, Author, Outbound, TextContent, VendorError
from services.delivery.batch import BatchSender, NoRoute, Route
from services.delivery.sending import LEASE, NoAnswer, NotReached, Sender, SentRecord, StoreUnavailable
from tests.unit.builders import NOON, tenant
from tests.unit.memory_delivery import NoMediaOut, ToldRates
from tests.unit.memory_sent import MemorySent

CALL = VendorCall("POST", "http://vendor.test/messages", form=(("Body", "hi"),))
REPEATABLE = VendorCall("POST", "/inbox", app_id="webhooks", repeatable=True)


class Vendor:
    """Answers as told; counts what reached it."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers: list[int | Exception] = list(answers)
        self.calls: list[VendorCall] = []

    async def __call__(self, call: VendorCall) -> httpx.Response:
        answer = self.answers.pop(0) if self.answers else 201
        if isinstance(answer, NotReached):
            raise answer
        self.calls.append(call)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, json={"sid": f"SM{len(self.calls)}"})


def read(answer: httpx.Response) -> CallOutcome:
    if answer.status_code == 201:
        return Accepted(answer.json()["sid"])
    error = VendorError(code=str(answer.status_code))
    return Retry(error, 7.0) if answer.status_code == 429 else Refused(error)


class Clock:
    now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_accepted_once_and_told_again_on_repeat(clock: Clock) -> None:
    vendor, store = Vendor(), MemorySent()
    sender = Sender(store, vendor, clock)
    first = await sender.send("k", CALL, read)
    second = await sender.send("k", CALL, read)
    assert first == second
    assert isinstance(first, SentRecord)
    assert first.vendor_message_id == "SM1"
    assert len(vendor.calls) == 1


async def test_died_between_intent_and_result_is_uncertain_after_the_lease_and_never_repeated(clock: Clock) -> None:
    vendor, store = Vendor(), MemorySent()
    await store.create("k", SentRecord(until=clock() + LEASE))
    sender = Sender(store, vendor, clock)
    waits = await sender.send("k", CALL, read)
    assert isinstance(waits, Retry)
    assert waits.after_s is not None
    assert LEASE.total_seconds() < waits.after_s < LEASE.total_seconds() + 1
    clock.now += LEASE
    result = await sender.send("k", CALL, read)
    assert isinstance(result, SentRecord)
    assert result.outcome is Outcome.UNCERTAIN
    assert vendor.calls == []


async def test_died_in_a_repeatable_call_is_sent_again(clock: Clock) -> None:
    vendor, store = Vendor(), MemorySent()
    await store.create("k", SentRecord(until=clock() - timedelta(seconds=1)))
    result = await Sender(store, vendor, clock).send("k", REPEATABLE, read)
    assert isinstance(result, SentRecord)
    assert result.outcome is Outcome.ACCEPTED


async def test_lost_answer_is_uncertain(clock: Clock) -> None:
    vendor = Vendor(NoAnswer("slow"))
    result = await Sender(MemorySent(), vendor, clock).send("k", CALL, read)
    assert isinstance(result, SentRecord)
    assert result.outcome is Outcome.UNCERTAIN


@pytest.mark.parametrize("answer", [429, NotReached("refused")])
async def test_not_taken_can_be_sent_again(clock: Clock, answer: Any) -> None:
    vendor, store = Vendor(answer), MemorySent()
    sender = Sender(store, vendor, clock)
    assert isinstance(await sender.send("k", CALL, read), Retry)
    again = await sender.send("k", CALL, read)
    assert isinstance(again, SentRecord)
    assert again.outcome is Outcome.ACCEPTED


async def test_result_is_reported_even_when_it_cannot_be_recorded(clock: Clock) -> None:
    vendor, store = Vendor(), MemorySent()
    store.failing.add("put")
    result = await Sender(store, vendor, clock).send("k", CALL, read)
    assert isinstance(result, SentRecord)
    assert result.outcome is Outcome.ACCEPTED
    clock.now += LEASE
    again = await Sender(store, vendor, clock).send("k", CALL, read)
    assert isinstance(again, SentRecord)
    assert again.outcome is Outcome.UNCERTAIN
    assert len(vendor.calls) == 1


class OneCallChannel(ChannelDefaults):
    name = "fake"
    capabilities = Capabilities(text=1000)

    def render(self, message: Outbound, *_: object) -> tuple[VendorCall, ...]:
        if not isinstance(message.content, TextContent):
            raise ValueError("not renderable")
        return (VendorCall("POST", f"http://vendor.test/{message.seq}"),)

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        return read(httpx.Response(status, headers=dict(headers), content=body))


def batch(*numbers: int) -> OutboundBatch:
    address = Address(connection="acme-whatsapp", channel="fake", to="x")
    messages = tuple(
        Outbound(
            id=f"P1.1.{number}", tenant="acme", profile_id="P1", session_id="P1.1", seq=number, address=address,
            content=TextContent(text="hi"), author=Author.BOT, decided_at=NOON,
        )
        for number in numbers
    )  # fmt: skip
    return OutboundBatch(tenant="acme", profile_id="P1", messages=messages)


def batch_sender(vendor: Vendor, store: MemorySent, clock: Clock, *, route: bool = True) -> BatchSender:
    connection = tenant().connections[0]

    async def find(_tenant: str, _connection: str) -> Route:
        if not route:
            raise NoRoute("gone")
        return Route(OneCallChannel(), connection, {})  # pyright: ignore[reportArgumentType]

    return BatchSender(Sender(store, vendor, clock), find, "http://public.test", ToldRates(), NoMediaOut())


async def test_a_batch_goes_out_in_order(clock: Clock) -> None:
    vendor = Vendor()
    report = await batch_sender(vendor, MemorySent(), clock).send(batch(2, 3, 4))
    assert [call.url[-1] for call in vendor.calls] == ["2", "3", "4"]
    assert [result.outcome for result in report.results] == [Outcome.ACCEPTED] * 3


async def test_nothing_overtakes_a_message_that_has_to_wait(clock: Clock) -> None:
    vendor = Vendor(201, 429)
    report = await batch_sender(vendor, MemorySent(), clock).send(batch(2, 3, 4))
    assert [result.message_id for result in report.results] == ["P1.1.2"]
    assert report.retry_after_s == 7.0
    assert [call.url[-1] for call in vendor.calls] == ["2", "3"]


async def test_a_message_in_progress_elsewhere_stops_the_batch(clock: Clock) -> None:
    vendor, store = Vendor(), MemorySent()
    await store.create("sent:acme:P1.1.3:0", SentRecord(until=clock() + LEASE))
    report = await batch_sender(vendor, store, clock).send(batch(2, 3, 4))
    assert [result.message_id for result in report.results] == ["P1.1.2"]
    assert report.retry_after_s is not None
    assert report.retry_after_s > LEASE.total_seconds(), "the lane asks again when the lease is over, and not before"


async def test_refused_and_uncertain_do_not_hold_up_the_rest(clock: Clock) -> None:
    vendor = Vendor(400, NoAnswer("cut"), 201)
    report = await batch_sender(vendor, MemorySent(), clock).send(batch(2, 3, 4))
    assert [r.outcome for r in report.results] == [Outcome.REFUSED, Outcome.UNCERTAIN, Outcome.ACCEPTED]


async def test_message_without_a_route_is_refused_with_a_reason(clock: Clock) -> None:
    report = await batch_sender(Vendor(), MemorySent(), clock, route=False).send(batch(2))
    assert report.results[0].error == VendorError(code="m2n-no-route", reason="gone")


async def test_intent_whose_answer_was_lost_is_ones_own_and_the_message_goes_out(clock: Clock) -> None:
    class Lossy(MemorySent):
        async def create(self, key: str, record: SentRecord) -> bool:
            await super().create(key, record)
            raise StoreUnavailable("the answer was lost")

    vendor = Vendor()
    result = await Sender(Lossy(), vendor, clock).send("k", CALL, read)
    assert isinstance(result, SentRecord)
    assert result.outcome is Outcome.ACCEPTED


async def test_a_call_never_outlives_its_lease(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.delivery.sending.CALL_S", 0.01)

    async def endless(call: VendorCall) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    result = await Sender(MemorySent(), endless, clock).send("k", CALL, read)
    assert isinstance(result, SentRecord)
    assert result.outcome is Outcome.UNCERTAIN
