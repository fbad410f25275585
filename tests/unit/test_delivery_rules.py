"""What delivery keeps to before a vendor is called: windows, rates, places for all tenants; and who opted out."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest

from m2n.adapters.capabilities import Capabilities, Rate
from m2n.adapters.channel import (
    Accepted,
    CallOutcome,
    ChannelDefaults,
    Refused,
    Retry,
    SendContext,
    Uncertain,
    VendorCall,
)
from m2n.events import DeliveryReport, OutboundBatch, Outcome
from m2n.media_fetching import MediaProblem
from m2n.message import (
    Address,
    Author,
    Content,
    OptedOut,
    Outbound,
    ReactionContent,
    TemplateContent,
    TextContent,
    VendorError,
    plain_text,
)
from m2n.sent_receipts import Receiver
from m2n.tenant import Connection, ConnectionKind, MessageRate, WindowTemplate
from services.delivery import batch as batch_module
from services.delivery.batch import MOST_OF_CONNECTION, BatchSender, Route
from services.delivery.sending import NotAllowed, Sender
from tests.unit.builders import NOON
from tests.unit.memory_delivery import NoMediaOut, ToldRates
from tests.unit.memory_sent import MemorySent

TEMPLATES = {
    "en": WindowTemplate(template="HX1", variables=(("1", "{text}"),)),
    "de": WindowTemplate(template="HX2", language="de_DE", variables=(("1", "Hallo: {text}"),)),
}


class WindowChannel(ChannelDefaults):
    """A vendor with a window of a day, a week for agents."""

    name = "windowed"
    capabilities = Capabilities(
        text=100, template=True, rate=Rate(80, 10), pair_rate=Rate(1), receipts_by_vendor_id=True
    )

    def render(self, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        content = message.content
        shown = (
            {"template": content.template, "language": content.language, "variables": dict(content.variables)}
            if isinstance(content, TemplateContent)
            else {"text": plain_text(content)}
        )
        return (VendorCall("POST", "http://vendor.test/send", json=orjson.dumps(shown)),)

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        error = VendorError(code=str(status))
        outcomes: dict[int, CallOutcome] = {
            201: Accepted("V1"),
            429: Retry(error, 7.0),
            430: Retry(error, 9.0, whole_connection=True),
            410: Refused(error, OptedOut.ALL),
            416: Refused(error, window_closed=True),
        }
        return outcomes.get(status, Uncertain(error))

    def reply_window(self, author: Author, connection: Connection) -> timedelta | None:
        return timedelta(days=7 if author is Author.AGENT else 1)


class Bench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, **connection: Any) -> None:
        self.now = NOON
        monkeypatch.setattr(batch_module.clock, "now", lambda: self.now)
        self.calls: list[dict[str, Any]] = []
        self.answers: list[int | Exception] = []
        self.rates, self.store = ToldRates(), MemorySent()
        self.gate, self.called = asyncio.Event(), asyncio.Semaphore(0)
        self.gate.set()
        self.connection = Connection(id="acme-w", kind=ConnectionKind.CHANNEL, adapter="windowed", **connection)
        sender = Sender(self.store, self._vendor, lambda: self.now)
        self.batches = BatchSender(sender, self._route, "http://public.test", self.rates, NoMediaOut())

    async def _vendor(self, call: VendorCall) -> httpx.Response:
        self.calls.append(orjson.loads(call.json or b""))
        self.called.release()
        await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else 201
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer)

    async def _route(self, tenant: str, connection: str) -> Route:
        return Route(WindowChannel(), self.connection, {})  # pyright: ignore[reportArgumentType]

    async def sends(self, *messages: Outbound) -> DeliveryReport:
        return await self.batches.send(OutboundBatch(tenant="acme", profile_id="P1", messages=messages))

    async def send_one(self, message: Outbound) -> tuple[Outcome, str]:
        (result,) = (await self.sends(message)).results
        return result.outcome, result.error.code if result.error else ""


def message(content: Content | None = None, seq: int = 2, wrote_at: datetime | None = NOON, **more: Any) -> Outbound:
    values: dict[str, Any] = {"author": Author.BOT, "language": "en"} | more
    return Outbound(
        id=f"P1.1.{seq}",
        tenant="acme",
        profile_id="P1",
        session_id="P1.1",
        seq=seq,
        address=Address(connection="acme-w", channel="windowed", to="x"),
        content=content or TextContent(text="Your bike is ready."),
        decided_at=NOON,
        customer_wrote_at=wrote_at,
        **values,
    )


LONG_AGO = NOON - timedelta(hours=25)


async def test_within_the_window_a_text_goes_out_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, window_templates=TEMPLATES)
    assert await bench.send_one(message(wrote_at=NOON - timedelta(hours=23))) == (Outcome.ACCEPTED, "")
    assert bench.calls == [{"text": "Your bike is ready."}]


@pytest.mark.parametrize(
    ("language", "call"),
    [
        ("en", {"template": "HX1", "language": "en", "variables": {"1": "Your bike is ready."}}),
        ("de", {"template": "HX2", "language": "de_DE", "variables": {"1": "Hallo: Your bike is ready."}}),
        ("fr", {"template": "HX1", "language": "en", "variables": {"1": "Your bike is ready."}}),
    ],
)
async def test_outside_it_becomes_the_tenants_template(
    monkeypatch: pytest.MonkeyPatch, language: str, call: dict[str, Any]
) -> None:
    bench = Bench(monkeypatch, window_templates=TEMPLATES)
    assert await bench.send_one(message(wrote_at=LONG_AGO, language=language)) == (Outcome.ACCEPTED, "")
    assert bench.calls == [call]


async def test_without_a_template_it_is_refused_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    (result,) = (await bench.sends(message(wrote_at=LONG_AGO))).results
    assert result.error is not None
    assert (result.outcome, result.error.code) == (Outcome.REFUSED, "m2n-window-closed")
    assert "window_templates" in result.error.reason
    assert bench.calls == []


async def test_a_text_that_does_not_fit_into_a_template_is_refused_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, window_templates=TEMPLATES)
    long = message(TextContent(text="x " * 1000), wrote_at=LONG_AGO)
    assert await bench.send_one(long) == (Outcome.REFUSED, "m2n-window-closed")


async def test_agents_may_have_a_longer_window(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    assert await bench.send_one(message(wrote_at=LONG_AGO, author=Author.AGENT)) == (Outcome.ACCEPTED, "")


async def test_a_template_needs_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    assert await bench.send_one(message(TemplateContent(template="HX9"), wrote_at=LONG_AGO)) == (Outcome.ACCEPTED, "")


async def test_a_window_that_only_the_vendor_knows_to_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, window_templates=TEMPLATES)
    bench.answers = [416]
    assert await bench.send_one(message(wrote_at=None)) == (Outcome.ACCEPTED, "")
    assert [list(call) for call in bench.calls] == [["text"], ["template", "language", "variables"]]


async def test_what_was_sent_before_the_window_closed_is_not_sent_again_as_a_template(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The report of the first try was lost, and the batch comes again a moment after the window has closed."""
    bench = Bench(monkeypatch, window_templates=TEMPLATES)
    last = message(wrote_at=NOON - timedelta(hours=24))
    assert await bench.send_one(last) == (Outcome.ACCEPTED, "")
    bench.now = NOON + timedelta(seconds=5)
    assert await bench.send_one(last) == (Outcome.ACCEPTED, "")
    assert bench.calls == [{"text": "Your bike is ready."}]


async def test_a_template_that_went_out_is_not_sent_again_either(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, window_templates=TEMPLATES)
    for _ in range(2):
        assert await bench.send_one(message(wrote_at=LONG_AGO)) == (Outcome.ACCEPTED, "")
    assert len(bench.calls) == 1


# -- rates ---------------------------------------------------------------------------------------------------------


async def test_a_message_comes_again_when_its_place_in_the_rate_is(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.rates.waits_s = {"P1_1_3": 12.5}
    report = await bench.sends(message(), message(seq=3), message(seq=4))
    assert [result.message_id for result in report.results] == ["P1.1.2"]
    assert (report.retry_after_s, report.exactly) == (12.5, True)
    assert len(bench.calls) == 1, "none overtakes it"


async def test_a_near_place_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.rates.waits_s = {"P1_1_2": 0.001}
    assert await bench.send_one(message()) == (Outcome.ACCEPTED, "")


async def test_the_rate_is_the_channels_unless_the_connection_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, own = Bench(monkeypatch), Bench(monkeypatch, rate=MessageRate(per_s=400, burst=50))
    for bench in (usual, own):
        await bench.sends(message())
    assert usual.rates.asked == [("acme-w", "P1.1.2", 1, Rate(80, 10), Rate(1))]
    assert own.rates.asked[0][3] == Rate(400, 50)


async def test_a_vendor_that_has_had_too_much_of_the_connection_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.answers = [430]
    report = await bench.sends(message())
    assert (report.retry_after_s, report.exactly) == (9.0, None)
    assert bench.rates.resting == {"acme-w": 9.0}


async def test_a_vendor_that_has_had_too_much_for_one_customer_takes_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    bench.answers = [429]
    assert (await bench.sends(message())).retry_after_s == 7.0
    assert bench.rates.resting == {}


async def test_one_connection_does_not_take_all_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.gate.clear()
    running = [asyncio.create_task(bench.sends(message(seq=seq))) for seq in range(MOST_OF_CONNECTION)]
    report = await _when_full(bench)
    assert (report.results, report.because.split()[0]) == ((), "m2n-busy")
    bench.gate.set()
    await asyncio.gather(*running)
    assert await bench.send_one(message(seq=99)) == (Outcome.ACCEPTED, "")


async def _when_full(bench: Bench) -> DeliveryReport:
    """A report of one message more than a connection may have at work."""
    async with asyncio.timeout(5):
        for _ in range(MOST_OF_CONNECTION):
            await bench.called.acquire()
        return await bench.sends(message(seq=99))


# -- refusals ------------------------------------------------------------------------------------------------------


async def test_who_opted_out_at_the_vendor_is_told_to_the_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.answers = [410]
    (result,) = (await bench.sends(message())).results
    assert (result.outcome, result.opted_out) == (Outcome.REFUSED, OptedOut.ALL)


async def test_what_the_channel_cannot_show_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    (result,) = (await Bench(monkeypatch).sends(message(ReactionContent(target="m", emoji="👍")))).results
    assert result.error == VendorError(code="m2n-not-showable", reason="reaction: the channel has no such message")


async def test_an_address_in_a_private_network_is_refused_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.answers = [NotAllowed("the vendor's address leads into a private network")]
    assert await bench.send_one(message()) == (Outcome.REFUSED, "m2n-not-allowed")


@pytest.mark.parametrize(("passes", "outcome"), [(True, None), (False, Outcome.REFUSED)])
async def test_a_file_that_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, passes: bool, outcome: Outcome | None
) -> None:
    class Broken(NoMediaOut):
        async def files(self, message: Outbound, can: Capabilities) -> Mapping[str, bytes]:
            raise MediaProblem("the vendor answered 404", passes=passes)

    bench = Bench(monkeypatch)
    bench.batches.media = Broken()
    report = await bench.sends(message())
    assert [result.outcome for result in report.results] == ([outcome] if outcome else [])
    assert (report.retry_after_s is not None) is passes


async def test_records_say_who_gets_the_message_where_receipts_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    await bench.sends(message())
    record = await bench.store.get("sent:acme:P1.1.2:0")
    assert record is not None
    assert record.receiver == Receiver(tenant="acme", connection="acme-w", to="x")
    assert record.vendor_message_id == "V1"
