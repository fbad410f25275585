"""A channel vendor: takes calls, or refuses, is busy, breaks, or loses its answer. Some take a repeated call once."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import httpx

from m2n.adapters.capabilities import Capabilities
from m2n.adapters.channel import Accepted, CallOutcome, ChannelDefaults, Refused, Retry, Uncertain, VendorCall
from m2n.message import Outbound, VendorError, plain_text
from services.delivery.sending import NoAnswer, NotReached
from tests.simulation.ledger import Ledger
from tests.simulation.processes import Process
from tests.simulation.world import World


class Mood(StrEnum):
    TAKES = "takes"
    BUSY = "429"
    REFUSES = "400"
    BROKEN = "500, not taken"
    BROKEN_AFTER = "500, taken"
    UNREACHABLE = "unreachable"
    CUT_BEFORE = "cut, not taken"
    CUT_AFTER = "cut, taken"
    HANGS = "hangs, taken"


class Vendor(ChannelDefaults):
    """Also the channel adapter and the transport to itself."""

    name = "whatsapp_twilio"
    capabilities = Capabilities(text=100_000)

    def __init__(self, world: World, ledger: Ledger) -> None:
        self._world, self._ledger = world, ledger
        self.repeatable = world.plan.random() < 0.3
        self._two_parts = world.plan.random() < 0.2
        self._moods = tuple(world.plan.sample(tuple(Mood), world.plan.randint(1, len(Mood))))
        self._moody = world.plan.choice((0.0, 0.02, 0.1, 0.3))

    def render(self, message: Outbound, *_: object) -> tuple[VendorCall, ...]:
        text = plain_text(message.content)
        parts = 1
        if self._two_parts and message.seq % 3 == 0:
            parts = 2
            self._ledger.in_parts.add(message.id)
        return tuple(self._call(message, part, text) for part in range(parts))

    def _call(self, message: Outbound, part: int, text: str) -> VendorCall:
        url = f"http://vendor.test/{message.session_id}/{message.seq}/{part}"
        return VendorCall("POST", url, form=(("to", message.address.to), ("text", text)), repeatable=self.repeatable)

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        error = VendorError(code=str(status))
        match status:
            case 201:
                return Accepted(json.loads(body)["sid"])
            case 429:
                return Retry(error, float(headers["retry-after"]))
            case 400:
                return Refused(error)
        return Retry(error) if self.repeatable else Uncertain(error)

    def mood(self, call: VendorCall) -> Mood:
        """A vendor that takes a repeated call once does not refuse what it has."""
        if self._world.faults.stopped or self._world.plan.random() >= self._moody:
            return Mood.TAKES
        mood = self._world.plan.choice(self._moods)
        return Mood.TAKES if mood is Mood.REFUSES and number_of(call) in self._ledger.calls else mood

    def take(self, call: VendorCall) -> None:
        assert call.form is not None
        self._ledger.sent(number_of(call), dict(call.form)["text"], self.repeatable)


def number_of(call: VendorCall) -> str:
    return call.url.removeprefix("http://vendor.test/")


@dataclass
class VendorPort:
    """The vendor as one delivery process calls it."""

    process: Process
    vendor: Vendor

    async def __call__(self, call: VendorCall) -> httpx.Response:
        mood = self.vendor.mood(call)
        if mood is Mood.UNREACHABLE:
            raise NotReached("refused")
        number = number_of(call)
        await self.process.call(
            "vendor", lambda: self._reached(mood, call), f"{number}: {mood.value}", NoAnswer, sidecar=False
        )
        if mood is Mood.HANGS:
            await asyncio.sleep(30)
        if mood in (Mood.CUT_BEFORE, Mood.CUT_AFTER):
            raise NoAnswer("cut")
        return self._answer(mood, number)

    def _reached(self, mood: Mood, call: VendorCall) -> None:
        if mood in (Mood.TAKES, Mood.BROKEN_AFTER, Mood.CUT_AFTER, Mood.HANGS):
            self.vendor.take(call)

    def _answer(self, mood: Mood, number: str) -> httpx.Response:
        match mood:
            case Mood.BUSY:
                return httpx.Response(429, headers={"retry-after": "5"})
            case Mood.REFUSES:
                return httpx.Response(400)
            case Mood.BROKEN | Mood.BROKEN_AFTER:
                return httpx.Response(500)
        return httpx.Response(201, json={"sid": number})
