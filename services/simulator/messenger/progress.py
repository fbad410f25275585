"""What becomes of an accepted message: its echo, then deliveries and reads as watermarks, each a webhook."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.simulator.ledger import Kind
from services.simulator.messenger.memory import Memory, Person
from services.simulator.messenger.posting import Webhooks, written
from services.simulator.settings import StatusPlan
from services.simulator.vendors import facts


@dataclass(frozen=True)
class Sent:
    """``shown`` is the message as the echo has it: ``text``, ``attachments``, ``metadata``."""

    mid: str
    person: Person
    at_ms: int
    shown: dict[str, Any]


@dataclass(frozen=True)
class Progress:
    memory: Memory
    webhooks: Webhooks

    async def go_on(self, sent: Sent) -> None:
        """Messenger tells of no failures: a plan that ends badly ends after the echo."""
        plan, generation = self.memory.state.statuses, self.memory.generation
        later: list[tuple[str, bytes]] = []
        for status, pause_s in _steps(plan):
            await asyncio.sleep(pause_s)
            if generation != self.memory.generation:
                return
            self._note(sent, status)
            told = [(status, self._webhook(sent, status))] * (2 if plan.duplicated else 1)
            if plan.shuffled:
                later += told
            else:
                await self._tell(sent, told)
        await self._tell(sent, later[::-1])

    def _note(self, sent: Sent, status: str) -> None:
        noted = facts(sent.person.page.line, sent.mid, status=status)
        self.memory.state.ledger.add(Kind.STATUS, sent.person.customer, **noted)

    def _webhook(self, sent: Sent, status: str) -> bytes:
        person, page, now_ms = sent.person, sent.person.page, self.memory.now_ms()
        if status == "sent":
            message = {"mid": sent.mid, "is_echo": True, "app_id": int(page.app_id), **sent.shown}
            event = {"sender": {"id": page.id}, "recipient": {"id": person.psid}, "timestamp": sent.at_ms}
            return written(page, {**event, "message": message}, now_ms)
        event = {"sender": {"id": person.psid}, "recipient": {"id": page.id}, "timestamp": now_ms}
        if status == "delivered":
            return written(page, {**event, "delivery": {"mids": [sent.mid], "watermark": sent.at_ms}}, now_ms)
        return written(page, {**event, "read": {"watermark": now_ms}}, now_ms)

    async def _tell(self, sent: Sent, told: list[tuple[str, bytes]]) -> None:
        for status, body in told:
            await self.webhooks.tell(sent.person, sent.mid, body, Kind.CALLBACK, told=status)


def _steps(plan: StatusPlan) -> Iterator[tuple[str, float]]:
    """The statuses to come with the seconds before each."""
    if plan.final == "queued":
        return
    yield "sent", plan.sent_s
    if plan.final in ("delivered", "read"):
        yield "delivered", plan.delivered_s
    if plan.final == "read":
        yield "read", plan.read_s
