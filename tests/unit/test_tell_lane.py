"""How services tell a lane: by a call of it, and by its topic when that fails."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from m2n.dapr import DaprUnavailable, NotTaken
from m2n.events import DeliveryReport, DeskNoted
from m2n.lanes import LaneAnswer, tell_lane
from m2n.serialization import to_json
from tests.unit.builders import reply

REPLY = reply("P1.1", "P1.1.t1", 1, "yes")
REPORT = DeliveryReport(tenant="acme", profile_id="P1")


class Sidecar:
    """Calls of lanes end as told; keeps what comes."""

    def __init__(self, ends: str | Exception = "applied", takes_s: float = 0) -> None:
        self.ends, self.takes_s = ends, takes_s
        self.called: list[tuple[str, str]] = []
        self.published: list[tuple[str, BaseModel]] = []

    async def invoke_actor(self, actor_type: str, actor_id: str, method: str, argument: BaseModel) -> bytes:
        self.called.append((actor_id, method))
        await asyncio.sleep(self.takes_s)
        if isinstance(self.ends, Exception):
            raise self.ends
        return to_json(LaneAnswer(result=self.ends))

    async def publish(self, topic: str, event: BaseModel) -> None:
        self.published.append((topic, event))


async def told(sidecar: Sidecar, event: Any) -> list[tuple[str, BaseModel]]:
    await tell_lane(sidecar, event)  # pyright: ignore[reportArgumentType]
    return sidecar.published


@pytest.mark.parametrize(
    ("event", "method"),
    [(REPLY, "reply"), (REPORT, "delivered"), (DeskNoted(tenant="acme", profile_id="P1", notice_id="n"), "noted")],
)
async def test_the_lane_is_called(event: Any, method: str) -> None:
    sidecar = Sidecar()
    assert await told(sidecar, event) == []
    assert sidecar.called == [("acme:P1", method)]


@pytest.mark.parametrize("ends", ["duplicate", "refused", "ignored"])
async def test_what_the_lane_has_decided_is_final(ends: str) -> None:
    assert await told(Sidecar(ends), REPLY) == []


@pytest.mark.parametrize("ends", [DaprUnavailable("away"), NotTaken(403, "no"), "failed", "rejected"])
async def test_what_the_lane_cannot_take_now_goes_to_its_topic(ends: str | Exception) -> None:
    """There it is tried again, and is kept as a dead letter in the end."""
    assert await told(Sidecar(ends), REPLY) == [("replies", REPLY)]
    assert await told(Sidecar(ends), REPORT) == [("receipts", REPORT)]


async def test_a_lane_that_does_not_answer_in_time_is_told_by_its_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("m2n.lanes.DIRECTLY_WITHIN_S", 0.01)
    assert await told(Sidecar(takes_s=60), REPLY) == [("replies", REPLY)]
