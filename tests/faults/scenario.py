"""What a scenario is, and what it sees of the load that runs beside it."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import orjson
from pymongo.asynchronous.database import AsyncDatabase

from tests.faults.load import Load
from tests.faults.stage import Stage

POLL_S = 0.02
FAULT_LIMIT_S = 120.0


class ScenarioFailed(AssertionError):
    """A pass criterion of the scenario's own was not met; the text says which."""


@dataclass
class Run:
    """One scenario's load, and the moments of its faults. ``random`` is seeded."""

    stage: Stage
    load: Load
    random: random.Random
    database: AsyncDatabase[dict[str, Any]]
    simulator: httpx.AsyncClient
    planned: int
    running: asyncio.Task[None]
    alone: asyncio.Event
    """All other scenarios have been played."""
    faults_ns: list[int] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    async def at(self, share: float) -> None:
        """Wait until that share of the planned messages was accepted; the seed moves it a little."""
        wanted = self.planned * min(0.98, share + self.random.uniform(-0.03, 0.03))
        await self.until(lambda: self.load.accepted >= wanted or self.finished)

    async def all_sent(self) -> None:
        """Wait until the load is finished."""
        await self.at(1)
        await self.until(lambda: self.finished)

    @property
    def finished(self) -> bool:
        """Every planned message was accepted, given up or refused."""
        return self.running.done()

    async def until(self, holds: Callable[[], bool], limit_s: float = FAULT_LIMIT_S) -> None:
        """Wait for a condition. Raises ScenarioFailed."""
        deadline = time.monotonic() + limit_s
        while not holds():
            if time.monotonic() > deadline:
                raise ScenarioFailed(f"not within {limit_s:.0f} s: {holds.__qualname__}")
            await asyncio.sleep(POLL_S)

    async def until_async(self, holds: Callable[[], Awaitable[bool]], limit_s: float = FAULT_LIMIT_S) -> None:
        deadline = time.monotonic() + limit_s
        while not await holds():
            if time.monotonic() > deadline:
                raise ScenarioFailed(f"not within {limit_s:.0f} s: {holds.__qualname__}")
            await asyncio.sleep(POLL_S * 5)

    async def pause(self, seconds: float) -> None:
        """A fault lasts so long."""
        await asyncio.sleep(seconds)

    def accepted_records(self) -> list[dict[str, Any]]:
        lines = (self.load.folder / "accepted.jsonl").read_bytes().splitlines()
        return [record for line in lines if (record := orjson.loads(line))["what"] == "accepted"]

    def fault(self) -> None:
        """A fault begins now: the time until the first right answer counts from here."""
        self.faults_ns.append(time.time_ns())

    def require(self, holds: bool, criterion: str) -> None:
        """Raises ScenarioFailed."""
        if not holds:
            raise ScenarioFailed(criterion)

    def note(self, text: str) -> None:
        """A figure for the table."""
        self.notes.append(text)


Play = Callable[[Stage, Run], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """``messages`` come at ``rate_per_s``; ``play`` runs beside them, ``after`` when all is quiet again.

    ``kills_one`` scenarios have to give a first right answer within 15 s of each fault.
    """

    name: str
    about: str
    play: Play
    after: Play | None = None
    messages: int = 400
    customers: int = 40
    rate_per_s: float = 18.0
    agent_share: float = 0.1
    kills_one: bool = True
    place: Literal["in turn", "beside", "last"] = "in turn"
    """``beside`` the others from the start on; a ``last`` one, too, but with its fault it waits for ``run.alone``."""
    changes: dict[str, Any] = field(default_factory=dict)
    """More of the load's Plan."""
