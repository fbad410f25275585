"""Customers: bursts, pauses up to nine days, and vendors that send the same message again."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from m2n.message import Address, Identity, Inbound, ReactionContent, TextContent
from tests.simulation.fifo_queue import FifoQueue
from tests.simulation.ledger import Ledger
from tests.simulation.world import World

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
AGAIN_AFTER_S = (0.0, 20.0, 10 * MINUTE, 25 * HOUR, 7.9 * DAY)
REMEMBERED_S = 7.9 * DAY


@dataclass
class Customers:
    world: World
    queue: FifoQueue
    ledger: Ledger
    senders: int
    misfortune: Callable[[], None]
    _sent: list[tuple[float, Inbound]] = field(default_factory=list)

    async def write(self) -> None:
        plan = self.world.plan
        asks_humans, unlucky = plan.choice((0.0, 0.1, 0.4)), plan.choice((0.0, 0.1, 0.4))
        for serial in range(1, plan.randint(4, 12)):
            await asyncio.sleep(self._pause_s())
            self._send(self._message(serial, human=plan.random() < asks_humans), serial)
            if plan.random() < unlucky:
                self.world.later(plan.random() ** 3 * 30, self.misfortune)
            if plan.random() < 0.05:
                self.queue.put("{}", "acme:whatsapp_twilio:poison")
            if plan.random() < 0.25:
                self._again_later(plan.choice(self._sent), plan.choice(AGAIN_AFTER_S))

    def _pause_s(self) -> float:
        plan = self.world.plan
        kind = plan.random()
        if kind < 0.4:
            return plan.random() * 0.3
        if kind < 0.75:
            return plan.uniform(0.3, 40)
        if kind < 0.88:
            return plan.choice((2 * MINUTE, 19.9 * MINUTE, 20 * MINUTE, 20.02 * MINUTE))
        return plan.choice((30 * MINUTE, 25 * HOUR, 9 * DAY))

    def _message(self, serial: int, *, human: bool) -> Inbound:
        plan = self.world.plan
        number = f"+1555010000{plan.randrange(self.senders)}"
        if plan.random() < 0.06:
            self.ledger.silent.add(serial)
            content = ReactionContent(target="SM1", emoji=f"s{serial}")
        else:
            content = TextContent(text=f"s{serial} human" if human else f"s{serial}")
        return Inbound(
            tenant="acme",
            address=Address(connection="acme-whatsapp", channel="whatsapp_twilio", to=f"whatsapp:{number}"),
            vendor_message_id=f"SM{serial:032d}",
            identities=(Identity(scheme="phone", value=number),),
            content=content,
            received_at=self.world.now(),
        )

    def _send(self, message: Inbound, serial: int) -> None:
        self.ledger.accepted[serial] = message.identities[0].value
        self._sent.append((self.world.loop.time(), message))
        self._put(message)

    def _again_later(self, sent: tuple[float, Inbound], after_s: float) -> None:
        """Counted from the first time; what would be later than any vendor's retry is left."""
        at_s, message = sent
        wait_s = at_s + after_s - self.world.loop.time()
        if wait_s >= 0 and after_s <= REMEMBERED_S:
            self.world.later(wait_s, self._send_again, message)

    def _send_again(self, message: Inbound) -> None:
        self._put(message.model_copy(update={"received_at": self.world.now()}))

    def _put(self, message: Inbound) -> None:
        new = self.queue.send(message)
        self.world.say("vendor", f"webhook {message.vendor_message_id[-2:]}" + ("" if new else ", known to the queue"))
