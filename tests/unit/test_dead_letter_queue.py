"""From the dead-letter queue into the database: kept first, then deleted; nothing is dropped on the way."""

import asyncio
from collections.abc import Callable

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from m2n.deadletters import Failure
from m2n.queue import DeadMessage, QueueUnavailable, ReceiptGone
from services.identification import dead_letter_queue
from services.identification.dead_letter_queue import DeadLetterQueue


class FakeQueue:
    """Gives every message again until it is deleted, as SQS does after the visibility time-out."""

    name = "q.fifo"

    def __init__(self, *messages: DeadMessage) -> None:
        self.left = list(messages)
        self.failing_deletes: list[Exception] = []
        self.failing_receives = 0

    async def receive_dead(self) -> list[DeadMessage]:
        await asyncio.sleep(0)
        if self.failing_receives:
            self.failing_receives -= 1
            raise QueueUnavailable("no answer")
        return list(self.left)

    async def delete_dead(self, message: DeadMessage) -> None:
        if self.failing_deletes:
            raise self.failing_deletes.pop()
        self.left.remove(message)


def message(number: int) -> DeadMessage:
    return DeadMessage(f'{{"tenant": "acme", "n": {number}}}', "g", f"r{number}", f"m{number}", "failed", 3)


async def run_until(queue: FakeQueue, keep: Callable[[Failure], None], done: Callable[[], bool]) -> None:
    async def kept(failure: Failure) -> None:
        keep(failure)

    task = asyncio.create_task(DeadLetterQueue(queue, kept).run())  # pyright: ignore[reportArgumentType]
    try:
        async with asyncio.timeout(5):
            while not done():  # noqa: ASYNC110 - the queue is a double; nothing announces its state
                await asyncio.sleep(0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letter_queue, "AGAIN_S", 0.0)


async def test_reason_tries_and_group_come_along() -> None:
    queue, kept = FakeQueue(message(1)), list[Failure]()
    await run_until(queue, kept.append, lambda: not queue.left)
    (failure,) = kept
    assert (failure.reason, failure.tries, failure.group) == ("failed", 3, "g")
    assert (failure.tenant, failure.topic, failure.failure_id) == ("acme", "q.fifo", "m1")


async def test_what_the_database_does_not_take_stays_in_the_queue() -> None:
    queue, kept, away = FakeQueue(message(1), message(2)), list[str](), 3
    seen_left: list[int] = []

    def keep(failure: Failure) -> None:
        nonlocal away
        seen_left.append(len(queue.left))
        if away:
            away -= 1
            raise ServerSelectionTimeoutError("no primary")
        kept.append(failure.failure_id)

    await run_until(queue, keep, lambda: not queue.left)
    assert kept == ["m1", "m2"]
    assert seen_left == [2, 2, 2, 2, 1]


@pytest.mark.parametrize("failed", [QueueUnavailable("no answer"), ReceiptGone()])
async def test_kept_and_not_deleted_is_told_again_as_the_same_failure(failed: Exception) -> None:
    queue, kept = FakeQueue(message(1)), list[Failure]()
    queue.failing_deletes, queue.failing_receives = [failed], 2
    await run_until(queue, kept.append, lambda: not queue.left)
    assert [failure.failure_id for failure in kept] == ["m1", "m1"]
    assert kept[0].letter_id == kept[1].letter_id
