"""Signals to customers: shown soon or not at all, and never in the way of messages."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from m2n.adapters.capabilities import Capabilities
from m2n.adapters.channel import ChannelDefaults, SendContext, Signal, VendorCall
from m2n.events import CustomerSignal
from m2n.message import Address
from m2n.tenant import Connection, ConnectionKind
from services.delivery import signals as signals_module
from services.delivery.batch import NoRoute, Route
from services.delivery.sending import NotReached
from services.delivery.signals import AT_ONCE, Signals
from tests.unit.builders import NOON


class TypingChannel(ChannelDefaults):
    name = "typing"
    capabilities = Capabilities(text=100, signals=frozenset({"typing"}))

    def signal(self, signal: Signal, context: SendContext) -> tuple[VendorCall, ...]:
        return (VendorCall("POST", f"http://vendor.test/{signal.kind}/{signal.to}/{signal.vendor_message_id}"),)


class Bench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOON
        monkeypatch.setattr(signals_module.clock, "now", lambda: self.now)
        self.calls: list[str] = []
        self.fails: Exception | None = None
        self.gate, self.called = asyncio.Event(), asyncio.Semaphore(0)
        self.gate.set()
        self.signals = Signals(self._vendor, self._route)

    async def _vendor(self, call: VendorCall) -> httpx.Response:
        self.calls.append(call.url)
        self.called.release()
        await self.gate.wait()
        if self.fails:
            raise self.fails
        return httpx.Response(200)

    async def _route(self, tenant: str, connection: str) -> Route:
        if tenant != "acme":
            raise NoRoute("the connection is another tenant's")
        made: Any = TypingChannel()
        return Route(made, Connection(id=connection, kind=ConnectionKind.CHANNEL, adapter="typing"), {})


def event(**changes: Any) -> CustomerSignal:
    address = Address(connection="acme-t", channel="typing", to="x")
    values: dict[str, Any] = {"tenant": "acme", "kinds": ("read", "typing"), "vendor_message_id": "V1", "at": NOON}
    return CustomerSignal(address=address, **(values | changes))


async def test_only_what_the_channel_has_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    await bench.signals.show(event())
    assert bench.calls == ["http://vendor.test/typing/x/V1"]


async def test_an_old_one_is_worth_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.now = NOON + timedelta(seconds=16)
    await bench.signals.show(event())
    assert bench.calls == []


@pytest.mark.parametrize("lost", [NotReached("away"), TimeoutError(), ValueError("odd")])
async def test_one_that_gets_lost_is_no_failure(monkeypatch: pytest.MonkeyPatch, lost: Exception) -> None:
    bench = Bench(monkeypatch)
    bench.fails = lost
    await bench.signals.show(event())
    assert len(bench.calls) == 1


async def test_another_tenants_connection_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    await bench.signals.show(event(tenant="other"))
    assert bench.calls == []


async def test_a_silent_vendor_takes_few_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.gate.clear()
    waiting = [asyncio.create_task(bench.signals.show(event())) for _ in range(AT_ONCE)]
    for _ in range(AT_ONCE):
        await bench.called.acquire()
    await bench.signals.show(event())
    assert len(bench.calls) == AT_ONCE, "one more is dropped"
    bench.gate.set()
    await asyncio.gather(*waiting)
    await bench.signals.show(event())
    assert len(bench.calls) == AT_ONCE + 1
