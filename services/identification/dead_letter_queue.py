"""Moves what lies in the SQS dead-letter queue into ``dead_letters``, where it can be seen and put back.

Kept first, then deleted: after a crash in between SQS gives the message again, and its letter knows the failure.
"""

import asyncio
from collections.abc import Awaitable, Callable

from pymongo.errors import PyMongoError

from m2n import clock
from m2n.deadletters import Failure, failed_message
from m2n.queue import DeadMessage, InboundQueue, QueueUnavailable, ReceiptGone
from m2n.telemetry import log

AGAIN_S = 2.0
Keep = Callable[[Failure], Awaitable[None]]


class DeadLetterQueue:
    """``keep`` stores a failure once; it raises PyMongoError or TimeoutError when it cannot."""

    def __init__(self, queue: InboundQueue, keep: Keep) -> None:
        self._queue, self._keep = queue, keep

    async def run(self) -> None:
        """For ever. What cannot be kept now stays in the queue, 14 days."""
        while True:
            try:
                for message in await self._queue.receive_dead():
                    await self._move(message)
            except (QueueUnavailable, PyMongoError, TimeoutError) as failed:
                log().warning("dead letters wait in the queue", error=type(failed).__name__)
                await asyncio.sleep(AGAIN_S)

    async def _move(self, message: DeadMessage) -> None:
        failure = failed_message(
            self._queue.name,
            message.group,
            message.body,
            failure_id=message.failed_id,
            tries=message.tries,
            reason=message.reason,
            at=clock.now(),
        )
        await self._keep(failure)
        try:
            await self._queue.delete_dead(message)
        except ReceiptGone:
            log().info("dead letter is given again by the queue", letter=failure.letter_id)
