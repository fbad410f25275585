"""SQS FIFO: a group in flight blocks itself, visibility time-outs, order kept in redelivery, 5 minutes' memory."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from m2n.keys import group_id, vendor_key
from m2n.message import Inbound
from m2n.queue import BACKSTOP_RECEIVES, BATCH, VISIBILITY_S, QueueUnavailable, ReceiptGone, Received, encode
from tests.simulation.processes import Process
from tests.simulation.world import World

DEDUPLICATION_S = 300.0


@dataclass
class _Kept:
    body: str
    group: str
    message_id: str
    visible_at_s: float = 0.0
    receives: int = 0
    receipt: str = ""


@dataclass
class FifoQueue:
    world: World
    aside: list[str] = field(default_factory=list)
    """Bodies in the dead-letter queue."""
    _messages: list[_Kept] = field(default_factory=list)
    _sent_at_s: dict[str, float] = field(default_factory=dict)
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)
    _numbers: int = 0

    def send(self, message: Inbound) -> bool:
        """Whether the queue took it as a new one."""
        now_s, key = self.world.loop.time(), vendor_key(message)
        if now_s - self._sent_at_s.get(key, -DEDUPLICATION_S) < DEDUPLICATION_S:
            return False
        self._sent_at_s[key] = now_s
        self.put(encode(message), group_id(message))
        return True

    def put(self, body: str, group: str) -> None:
        self._messages.append(_Kept(body, group, f"q{self._number()}"))
        self._wake()

    def empty(self) -> bool:
        return not self._messages

    async def until_something_is_visible(self) -> None:
        while not self._visible():
            woken = self.world.loop.create_future()
            self._waiting.append(woken)
            await woken

    def receive(self) -> list[Received]:
        found = self._visible()[:BATCH]
        for kept in found:
            kept.receives += 1
            kept.receipt = f"r{self._number()}"
            self._hide(kept, VISIBILITY_S)
        self._redrive()
        return [Received(k.body, k.group, k.receipt, k.message_id, k.receives) for k in found]

    def delete(self, receipt: str) -> None:
        """Raises ReceiptGone."""
        kept = self._held(receipt)
        if kept is None:
            raise ReceiptGone
        self._messages.remove(kept)
        self._wake()

    def keep_invisible(self, receipt: str, seconds: float) -> None:
        kept = self._held(receipt)
        if kept:
            self._hide(kept, seconds)

    def _visible(self) -> list[_Kept]:
        now_s = self.world.loop.time()
        blocked = {kept.group for kept in self._messages if kept.visible_at_s > now_s}
        return [kept for kept in self._messages if kept.group not in blocked]

    def _held(self, receipt: str) -> _Kept | None:
        now_s = self.world.loop.time()
        held = (kept for kept in self._messages if kept.receipt == receipt and kept.visible_at_s > now_s)
        return next(held, None)

    def _hide(self, kept: _Kept, seconds: float) -> None:
        kept.visible_at_s = self.world.loop.time() + seconds
        self.world.later(seconds, self._wake)

    def _redrive(self) -> None:
        for kept in [kept for kept in self._messages if kept.receives > BACKSTOP_RECEIVES]:
            self._messages.remove(kept)
            self.aside.append(kept.body)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for woken in waiting:
            if not woken.done():
                woken.set_result(None)

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers


class QueuePort:
    """The queue as one process calls it; what services.identification.intake needs of InboundQueue."""

    def __init__(self, process: Process, queue: FifoQueue) -> None:
        self._process, self._queue = process, queue

    async def receive(self) -> list[Received]:
        while True:
            await self._queue.until_something_is_visible()
            found = await self._process.call("receive", self._queue.receive, error=QueueUnavailable, sidecar=False)
            if found:
                return found

    async def delete(self, message: Received) -> None:
        await self._call("delete", lambda: self._queue.delete(message.receipt), message.message_id)

    async def keep_invisible(self, messages: Sequence[Received], seconds: int = VISIBILITY_S) -> None:
        def extend() -> None:
            for message in messages:
                self._queue.keep_invisible(message.receipt, seconds)

        await self._call("keep invisible", extend, str(len(messages)))

    async def set_aside(self, message: Received, reason: str, tries: int) -> None:
        def copy() -> None:
            if message.body not in self._queue.aside:
                self._queue.aside.append(message.body)

        await self._call("set aside", copy, f"{message.message_id} {reason}")
        await self.delete(message)

    async def _call(self, port: str, effect: Callable[[], None], detail: str) -> None:
        await self._process.call(port, effect, detail, QueueUnavailable, sidecar=False)
