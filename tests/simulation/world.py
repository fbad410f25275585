"""What a run has in common: time, chance, the trace, the violations that were found."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.simulation.faults import Faults
from tests.simulation.virtual_time import VirtualLoop

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Violation:
    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


class World:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(self._unhandled)
        self.plan = Random(f"{seed}:plan")
        """What the customers, the desk and the engine do."""
        self.luck = Random(f"{seed}:luck")
        """How long things take, what comes twice."""
        self.faults = Faults(Random(f"{seed}:faults"))
        self.trace: list[str] = []
        self.violations: list[Violation] = []
        self.over = False

    def now(self) -> datetime:
        return START + timedelta(seconds=self.loop.time())

    def say(self, who: str, what: str) -> None:
        self.trace.append(f"{self.loop.time():14.3f} {who:<17} {what}")

    def violate(self, kind: str, what: str) -> None:
        if self.over:
            return
        self.say("VIOLATION", f"{kind}: {what}")
        self.violations.append(Violation(kind, what))
        self.loop.stop()

    def later(self, delay_s: float, do: Callable[..., Any], *args: Any) -> None:
        self.loop.call_later(delay_s, do, *args)

    def task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A part of the simulation itself, whose failure is a failure of the simulation."""
        task = self.loop.create_task(work)
        task.add_done_callback(self._look_at)
        return task

    async def forever(self) -> None:
        """Where the coroutines of the dead stay."""
        if self.over:
            raise asyncio.CancelledError
        await self.loop.create_future()

    def _look_at(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (failed := task.exception()):
            self.violate("fault of the simulation", f"{type(failed).__name__}: {failed}")

    def _unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.violate("unhandled", f"{context.get('message')} {context.get('exception')!r}")
