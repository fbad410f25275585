"""Pub/sub as Dapr gives it over Redis: at least once, in no order, tried again 8 times, gone when Redis is emptied."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel

from m2n.serialization import from_json, to_json
from tests.simulation.processes import Process, ProcessDied
from tests.simulation.world import World

TRIES = 8
PAUSES_S = (0.5, 0.75, 1.1, 1.7, 2.5, 3.8, 5.0)
HANDLER_S = 10.0
"""Time-out of a handler; the values are those of components/resiliency.yaml."""

Handler = Callable[[Any], Awaitable[None]]
Delivery = tuple[str, type[BaseModel], bytes, int, int]
Find = Callable[[], tuple[Process, Handler] | None]


class Topics:
    def __init__(self, world: World) -> None:
        self._world = world
        self._subscribers: dict[str, Find] = {}
        self._empties = 0
        self._held: list[Delivery] = []
        """What nobody is there to take."""
        self.dead_letters = 0

    def subscribe(self, topic: str, find: Find) -> None:
        """``find`` gives the process that takes the next event and its handler, None while there is none."""
        self._subscribers[topic] = find

    def publish(self, topic: str, event: BaseModel) -> None:
        """Each copy gets its own way and time; what handlers get was read from JSON, as over the wire."""
        if topic not in self._subscribers:
            return
        body = to_json(event)
        luck = self._world.luck
        for _ in range(2 if luck.random() < 0.08 else 1):
            self._world.later(self._way_s(), self._deliver, topic, type(event), body, 1, self._empties)

    def somebody_is_back(self) -> None:
        held, self._held = self._held, []
        for delivery in held:
            self._world.later(self._world.luck.random(), self._deliver, *delivery)

    def lose_all(self) -> None:
        """Redis comes back empty: what no sidecar has taken yet is gone."""
        self._world.say("redis", "comes back EMPTY")
        self._empties += 1

    def _way_s(self) -> float:
        luck = self._world.luck
        kind = luck.random()
        if kind < 0.85:
            return luck.random() * 0.02
        return luck.random() * 3 if kind < 0.97 else luck.uniform(3, 125)

    def _deliver(self, topic: str, kind: type[BaseModel], body: bytes, attempt: int, empties: int) -> None:
        if empties != self._empties and attempt == 1:
            return
        found = self._subscribers[topic]()
        if found is None:
            self._held.append((topic, kind, body, attempt, empties))
            return
        process, handler = found
        self._world.task(self._try(process, handler, topic, kind, body, attempt))

    async def _try(
        self, process: Process, handler: Handler, topic: str, kind: type[BaseModel], body: bytes, attempt: int
    ) -> None:
        """A handler that takes too long goes on while the event comes again."""
        answer = process.serve(_handled(handler, from_json(kind, body)))
        done, _ = await asyncio.wait([answer], timeout=HANDLER_S)
        failed = answer.exception() if done else TimeoutError()
        if failed is None:
            return
        self._world.say("topics", f"{topic} not handled: {type(failed).__name__}, try {attempt}")
        if attempt == TRIES:
            self.dead_letters += 1
            return
        pause_s = PAUSES_S[attempt - 1]
        if isinstance(failed, ProcessDied):
            pause_s = self._world.luck.choice((pause_s, 120.0))
        self._world.later(pause_s, self._deliver, topic, kind, body, attempt + 1, self._empties)


async def _handled(handler: Handler, event: BaseModel) -> None:
    await handler(event)
