"""Takes messages from the queue to their lanes: groups side by side, in order within a group.

A message is deleted only after the lane took it. If the process dies before, SQS gives the message again after its
visibility time-out; the lane knows what it has applied.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from m2n import clock
from m2n.crash_points import crash_point
from m2n.lanes import LaneAnswer
from m2n.message import Hop, Inbound
from m2n.queue import BATCH, VISIBILITY_S, InboundQueue, QueueUnavailable, ReceiptGone, Received
from m2n.serialization import from_json
from m2n.telemetry import log, where

GROUPS_AT_ONCE = 64
RECEIVERS = 2
"""Long polls side by side: while one answer is being read, another waits at the queue."""
BUSY_WITHIN_S = 0.05
"""A long poll that gives something so soon shows that messages come thick: the next waits, to take more at once."""
GATHERS_S = 0.03
TRIES = 3
"""So many failures that are the message's own, then it is set aside and its lane goes on."""
RECEIVE_AGAIN_S = 1.0
PAUSES_S = (0.2, 0.5, 1.0, 2.0)

Deliver = Callable[[Inbound], Awaitable[LaneAnswer]]


class Passing(Exception):
    """The surroundings failed, not the message: wait and try again, without counting."""


class Intake:
    """``deliver`` brings one message to its lane; it raises Passing when the surroundings fail."""

    def __init__(self, queue: InboundQueue, deliver: Deliver) -> None:
        self._queue, self._deliver = queue, deliver
        self._room = asyncio.Semaphore(GROUPS_AT_ONCE)
        self._busy: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Receive for ever. Cancelling stops receiving and gives back what is not done."""
        try:
            async with asyncio.TaskGroup() as receivers:
                for _ in range(RECEIVERS):
                    receivers.create_task(self._receive())
        finally:
            for task in self._busy:
                task.cancel()
            await asyncio.gather(*self._busy, return_exceptions=True)

    async def _receive(self) -> None:
        while True:
            began = clock.monotonic()
            try:
                async with self._room:
                    received = await self._queue.receive()
            except QueueUnavailable as failed:
                log().warning("queue does not answer", why=str(failed))
                await asyncio.sleep(RECEIVE_AGAIN_S)
                continue
            self._start(received)
            if 0 < len(received) < BATCH and clock.monotonic() - began < BUSY_WITHIN_S:
                await asyncio.sleep(GATHERS_S)

    def _start(self, received: list[Received]) -> None:
        groups: dict[str, list[Received]] = defaultdict(list)
        for message in received:
            groups[message.group].append(message)
        for group in groups.values():
            task = asyncio.create_task(self._work(group))
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)

    async def _work(self, group: list[Received]) -> None:
        left = list(group)
        heartbeat = asyncio.create_task(self._extend(left))
        try:
            while left:
                await self._finish(left[0])
                left.pop(0)
        except ReceiptGone:
            log().warning("receipt has run out, the queue gives the rest again", message=left[0].message_id)
        except asyncio.CancelledError:
            await self._give_back(left)
            raise
        finally:
            heartbeat.cancel()

    async def _finish(self, message: Received) -> None:
        """Until the lane took the message, or it is set aside."""
        tries = attempt = 0
        while True:
            try:
                async with self._room:
                    reason = await self._try(message)
                if reason is None:
                    crash_point("identification.before-delete")
                    return await self._queue.delete(message)
                tries += 1
                if tries >= TRIES or reason.startswith("rejected"):
                    return await self._set_aside(message, reason, tries)
            except (Passing, QueueUnavailable) as failed:
                log().warning("message waits", why=str(failed), message=message.message_id)
            await asyncio.sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
            attempt += 1

    async def _try(self, message: Received) -> str | None:
        """None when the lane has the message, else why not."""
        try:
            inbound = from_json(Inbound, message.body)
        except ValidationError:
            return "rejected: not a message in the common format"
        hop = Hop(service="identification", did="taken from the queue", at=clock.now())
        try:
            answer = await self._deliver(inbound.model_copy(update={"trail": (*inbound.trail, hop)}))
        except Passing:
            raise
        except Exception as failed:
            log().error("message could not be brought to its lane", error=type(failed).__name__, where=where(failed))
            return f"failed: {type(failed).__name__}"
        return f"{answer.result} by the lane: {answer.why}" if answer.at_fault else None

    async def _set_aside(self, message: Received, reason: str, tries: int) -> None:
        await self._queue.set_aside(message, reason, tries)
        log().error("message set aside", why=reason, tries=tries, message=message.message_id)

    async def _extend(self, left: list[Received]) -> None:
        while True:
            await asyncio.sleep(VISIBILITY_S / 3)
            try:
                await self._queue.keep_invisible(left)
            except QueueUnavailable as failed:
                log().warning("visibility not extended", why=str(failed))

    async def _give_back(self, left: list[Received]) -> None:
        try:
            await self._queue.keep_invisible(left, 0)
        except QueueUnavailable as failed:
            log().warning("messages come back by themselves", why=str(failed))
