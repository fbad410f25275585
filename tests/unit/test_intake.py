"""Intake: order within a group, groups side by side, nothing deleted before its lane took it, poison set aside."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from m2n.lanes import LaneAnswer
from m2n.message import Inbound, plain_text
from m2n.queue import QueueUnavailable, ReceiptGone, Received, encode
from services.identification import intake
from services.identification.intake import Intake, Passing
from tests.unit.builders import inbound


class FakeQueue:
    """Holds what is to be received; remembers what was deleted, set aside and given back."""

    def __init__(self, *batches: list[Received]) -> None:
        self.batches = list(batches)
        self.deleted: list[str] = []
        self.aside: list[tuple[str, str, int]] = []
        self.given_back: list[str] = []
        self.broken_deletes = 0
        self.broken_receives = 0

    async def receive(self) -> list[Received]:
        if self.broken_receives:
            self.broken_receives -= 1
            raise QueueUnavailable("no answer")
        if self.batches:
            return self.batches.pop(0)
        await asyncio.Event().wait()
        return []

    async def delete(self, message: Received) -> None:
        if self.broken_deletes:
            self.broken_deletes -= 1
            raise QueueUnavailable("no answer")
        self.deleted.append(message.message_id)

    async def keep_invisible(self, messages: list[Received], seconds: int = 30) -> None:
        if seconds == 0:
            self.given_back += [message.message_id for message in messages]

    async def set_aside(self, message: Received, reason: str, tries: int) -> None:
        self.aside.append((message.message_id, reason, tries))


def received(number: int, group: str = "g", body: str | None = None) -> Received:
    text = body if body is not None else encode(inbound(str(number), number=number))
    return Received(body=text, group=group, receipt=f"r{number}", message_id=str(number), receives=1)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "PAUSES_S", (0.0,))
    monkeypatch.setattr(intake, "RECEIVE_AGAIN_S", 0.0)


async def run_until(
    queue: FakeQueue, deliver: Callable[[Inbound], Awaitable[LaneAnswer]], done: Callable[[], bool]
) -> None:
    task = asyncio.create_task(Intake(queue, deliver).run())  # pyright: ignore[reportArgumentType]
    try:
        async with asyncio.timeout(5):
            while not done():  # noqa: ASYNC110 - the queue is a double; nothing announces its state
                await asyncio.sleep(0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_group_is_delivered_in_order_and_deleted_after() -> None:
    queue = FakeQueue([received(1), received(2), received(3)])
    seen: list[str] = []

    async def deliver(message: Inbound) -> LaneAnswer:
        assert str(len(seen) + 1) not in queue.deleted
        seen.append(plain_text(message.content))
        return LaneAnswer(result="applied")

    await run_until(queue, deliver, lambda: len(queue.deleted) == 3)
    assert seen == ["1", "2", "3"]
    assert queue.deleted == ["1", "2", "3"]


async def test_a_slow_group_does_not_hold_up_another() -> None:
    queue = FakeQueue([received(1, "slow"), received(2, "fast")])
    gate = asyncio.Event()

    async def deliver(message: Inbound) -> LaneAnswer:
        if plain_text(message.content) == "1":
            await gate.wait()
        return LaneAnswer(result="applied")

    await run_until(queue, deliver, lambda: queue.deleted == ["2"])


async def test_passing_failures_are_waited_out_without_counting() -> None:
    queue = FakeQueue([received(1)])
    failures = 20

    async def deliver(_: Inbound) -> LaneAnswer:
        nonlocal failures
        if failures:
            failures -= 1
            raise Passing("sessions are down")
        return LaneAnswer(result="applied")

    await run_until(queue, deliver, lambda: bool(queue.deleted))
    assert queue.aside == []


async def test_poison_is_set_aside_after_three_tries_and_the_next_goes_on() -> None:
    queue = FakeQueue([received(1), received(2)])

    async def deliver(message: Inbound) -> LaneAnswer:
        return LaneAnswer(result="failed" if plain_text(message.content) == "1" else "applied")

    await run_until(queue, deliver, lambda: queue.deleted == ["2"])
    assert queue.aside == [("1", "failed by the lane: ", 3)]


async def test_unreadable_message_is_set_aside_at_once() -> None:
    queue = FakeQueue([received(1, body="{}"), received(2)])

    async def deliver(_: Inbound) -> LaneAnswer:
        return LaneAnswer(result="applied")

    await run_until(queue, deliver, lambda: queue.deleted == ["2"])
    assert [(m, tries) for m, _, tries in queue.aside] == [("1", 1)]


async def test_failed_delete_delivers_again_and_the_lane_says_duplicate() -> None:
    queue = FakeQueue([received(1)])
    queue.broken_deletes = 1
    answers: list[str] = ["duplicate", "applied"]

    async def deliver(_: Inbound) -> LaneAnswer:
        return LaneAnswer(result=answers.pop())

    await run_until(queue, deliver, lambda: queue.deleted == ["1"])
    assert answers == []


async def test_what_is_not_done_at_the_end_is_given_back() -> None:
    queue = FakeQueue([received(1), received(2)])
    started = asyncio.Event()

    async def deliver(_: Inbound) -> LaneAnswer:
        started.set()
        await asyncio.Event().wait()
        return LaneAnswer(result="applied")

    await run_until(queue, deliver, started.is_set)
    assert queue.given_back == ["1", "2"]
    assert queue.deleted == []


async def test_a_queue_that_does_not_answer_is_asked_again_and_work_in_hand_goes_on() -> None:
    queue = FakeQueue([received(1)])
    gate, cancelled = asyncio.Event(), False

    async def deliver(_: Inbound) -> LaneAnswer:
        nonlocal cancelled
        queue.broken_receives = 3
        try:
            await gate.wait()
        except asyncio.CancelledError:
            cancelled = True
            raise
        return LaneAnswer(result="applied")

    def done() -> bool:
        if queue.broken_receives == 0:
            gate.set()
        return queue.deleted == ["1"]

    await run_until(queue, deliver, done)
    assert not cancelled


async def test_groups_whose_receipts_have_run_out_hold_nobody_up() -> None:
    class Forgetful(FakeQueue):
        async def delete(self, message: Received) -> None:
            if message.group.startswith("old"):
                raise ReceiptGone
            await super().delete(message)

    queue = Forgetful(*[[received(number, f"old{number}")] for number in range(70)], [received(100, "fresh")])

    async def deliver(_: Inbound) -> LaneAnswer:
        return LaneAnswer(result="duplicate")

    await run_until(queue, deliver, lambda: queue.deleted == ["100"])


async def test_lanes_that_cannot_be_reached_hold_up_no_other() -> None:
    queue = FakeQueue(*[[received(number, f"stuck{number}")] for number in range(70)], [received(100, "fresh")])

    async def deliver(message: Inbound) -> LaneAnswer:
        if plain_text(message.content) != "100":
            raise Passing("its host is away")
        return LaneAnswer(result="applied")

    await run_until(queue, deliver, lambda: queue.deleted == ["100"])


async def test_an_unforeseen_error_counts_as_a_try_and_the_next_goes_on() -> None:
    queue = FakeQueue([received(1), received(2)])

    async def deliver(message: Inbound) -> LaneAnswer:
        if plain_text(message.content) == "1":
            raise ValueError("an empty answer")
        return LaneAnswer(result="applied")

    await run_until(queue, deliver, lambda: queue.deleted == ["2"])
    assert queue.aside == [("1", "failed: ValueError", 3)]
