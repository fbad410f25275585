"""Waking the lanes that are due: all of them, and the poor ones later and later."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from m2n.dapr import DaprUnavailable
from m2n.lanes import LaneAnswer
from services.sessions.lane_store import LaneStore
from services.sessions.wake_ups import AGAIN_LAST, WakeUps
from tests.unit.builders import NOON, later
from tests.unit.memory_lanes import Documents, lane_store


class Lanes:
    """Lanes with their due times; a woken one is due no more, unless it ends otherwise."""

    def __init__(self, **due: datetime | None) -> None:
        self.documents: Documents = {}
        for name, at in due.items():
            key = f"acme:{name}"
            self.documents[key] = {"_id": key, "version": 1, "lane": "{}"} | ({"due": at} if at else {})
        self.ends: dict[str, str | Exception] = {}
        self.woken: list[str] = []

    def store(self) -> LaneStore:
        async def through(_: str, effect: Any, __: str) -> Any:
            return effect()

        return lane_store(self.documents, {}, through)

    async def wake(self, lane: str) -> LaneAnswer:
        self.woken.append(lane)
        end = self.ends.get(lane, "woken")
        if isinstance(end, Exception):
            raise end
        if end == "woken":
            self.documents[lane].pop("due")
        return LaneAnswer(result=end)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The time, as its only item."""
    time = [NOON]
    monkeypatch.setattr("m2n.clock.now", lambda: time[0])
    return time


async def test_who_is_due_is_woken_and_nobody_else(clock: list[datetime]) -> None:
    lanes = Lanes(a=NOON, b=later(1), c=None, d=later(-60))
    wake_ups = WakeUps(lanes.store(), lanes.wake)
    await wake_ups.look()
    assert lanes.woken == ["acme:d", "acme:a"]
    clock[0] = later(1)
    await wake_ups.look()
    assert lanes.woken[2:] == ["acme:b"]


async def test_one_that_cannot_be_reached_holds_no_other_up_and_is_woken_at_the_next_look(
    clock: list[datetime],
) -> None:
    lanes = Lanes(a=NOON, b=NOON)
    lanes.ends = {"acme:a": DaprUnavailable("no placement")}
    wake_ups = WakeUps(lanes.store(), lanes.wake)
    await wake_ups.look()
    await wake_ups.look()
    assert lanes.woken == ["acme:a", "acme:b", "acme:a"]


async def test_one_that_fails_by_itself_is_woken_later_and_later(clock: list[datetime]) -> None:
    lanes = Lanes(a=NOON)
    lanes.ends = {"acme:a": "failed"}
    wake_ups, seconds = WakeUps(lanes.store(), lanes.wake), []
    for second in range(200):
        clock[0] = later(second)
        before = len(lanes.woken)
        await wake_ups.look()
        seconds += [second] * (len(lanes.woken) - before)
    assert seconds == [0, 4, 12, 28, 60, 124]


async def test_it_is_never_given_up(clock: list[datetime]) -> None:
    lanes = Lanes(a=NOON)
    lanes.ends = {"acme:a": "failed"}
    wake_ups = WakeUps(lanes.store(), lanes.wake)
    for _ in range(30):
        await wake_ups.look()
        clock[0] += AGAIN_LAST + timedelta(seconds=1)
    assert len(lanes.woken) == 30
    lanes.ends = {}
    await wake_ups.look()
    await wake_ups.look()
    assert len(lanes.woken) == 31
