"""Writes that nobody waits for: together, again after a failure, none forgotten."""

import asyncio

import pytest

from m2n.dapr import DaprUnavailable
from services.sessions.write_behind import WriteBehind


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.sessions.write_behind.EVERY_S", 0.0)
    monkeypatch.setattr("services.sessions.write_behind.AGAIN_S", 0.0)


class Lane:
    def __init__(self, *failures: Exception) -> None:
        self.failures, self.writes = list(failures), 0
        self.began = asyncio.Event()

    async def write(self) -> None:
        self.writes += 1
        self.began.set()
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)


async def until_idle(behind: WriteBehind) -> None:
    """As time goes by, not hurried."""
    async with asyncio.timeout(5):
        assert behind._running
        await behind._running


async def test_said_often_it_is_written_once() -> None:
    behind, lane = WriteBehind(), Lane()
    for _ in range(5):
        behind.soon("acme:P1", lane.write)
    await until_idle(behind)
    assert lane.writes == 1


async def test_what_is_due_during_a_write_is_written_after_it() -> None:
    behind, other = WriteBehind(), Lane()

    async def write() -> None:
        behind.soon("acme:P2", other.write)

    behind.soon("acme:P1", write)
    await until_idle(behind)
    assert other.writes == 1


async def test_a_failure_is_tried_again_and_holds_no_other_up() -> None:
    behind, poor, good = WriteBehind(), Lane(DaprUnavailable("away"), TimeoutError()), Lane()
    behind.soon("acme:P1", poor.write)
    behind.soon("acme:P2", good.write)
    await until_idle(behind)
    assert (poor.writes, good.writes) == (3, 1)


async def test_a_fault_of_the_code_ends_no_others_writes() -> None:
    behind, broken, good = WriteBehind(), Lane(KeyError("a bug")), Lane()
    behind.soon("acme:P1", broken.write)
    behind.soon("acme:P2", good.write)
    await until_idle(behind)
    assert (broken.writes, good.writes) == (1, 1)


async def test_what_is_to_wait_waits_and_the_last_word_counts() -> None:
    behind, late, soon = WriteBehind(), Lane(), Lane()
    behind.soon("late", late.write, 3600)
    behind.soon("soon", soon.write, 3600)
    behind.soon("soon", soon.write)
    async with asyncio.timeout(5):
        await soon.began.wait()
    assert late.writes == 0
    await behind.finish()
    assert (late.writes, soon.writes) == (1, 1)
    await until_idle(behind)
