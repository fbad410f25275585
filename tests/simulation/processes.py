"""Simulated processes: their calls to the outside, at each of which they can die, and their restarts."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar

from m2n.dapr import DaprUnavailable
from tests.simulation.faults import CRASHES, Fault
from tests.simulation.world import World

T = TypeVar("T")
RUNNING: ContextVar["Process | None"] = ContextVar("simulated process", default=None)


class ProcessDied(Exception):
    """The process that worked on a request is gone."""


class Process:
    """One life of a service's process. Once it is dead, no call of its coroutines ever returns."""

    def __init__(self, world: World, name: str, *, mortal: bool = True) -> None:
        self.world, self.name, self.mortal = world, name, mortal
        self.alive = True
        self.sidecar_up = True
        self.on_death: list[Callable[[], None]] = []
        self._frozen_until_s = 0.0
        self._requests: list[asyncio.Future[Any]] = []

    # -- calls to the outside ----------------------------------------------------------------------------------

    async def call(
        self,
        port: str,
        effect: Callable[[], T],
        detail: str = "",
        error: Callable[[str], Exception] = DaprUnavailable,
        *,
        sidecar: bool = True,
    ) -> T:
        """Do the effect, unless a fault comes in between."""
        await self._able()
        if sidecar and not self.sidecar_up:
            raise error(f"{port}: the sidecar is away")
        fault = self._fault(port)
        await asyncio.sleep(self._takes_s(port, fault is Fault.SLOW_BEFORE))
        if not self.alive or fault is Fault.CRASH_BEFORE:
            await self._die(f"{port} {detail}, crash before", fault)
        if fault is Fault.FAIL_BEFORE:
            self._say(port, detail, fault)
            raise error(port)
        self._say(port, detail, fault)
        result = effect()
        await self._after(port, fault, error)
        return result

    async def _after(self, port: str, fault: Fault | None, error: Callable[[str], Exception]) -> None:
        if fault is Fault.CRASH_AFTER:
            await self._die(f"{port}, crash after", fault)
        if fault is Fault.SLOW_AFTER:
            await asyncio.sleep(self._takes_s(port, slow=True))
        await self._able()
        if fault is Fault.FAIL_AFTER:
            raise error(port)

    def _fault(self, port: str) -> Fault | None:
        fault = self.world.faults.at(port)
        if fault in CRASHES and not self.mortal:
            return Fault.FAIL_BEFORE if fault is Fault.CRASH_BEFORE else Fault.FAIL_AFTER
        return fault

    def _say(self, port: str, detail: str, fault: Fault | None) -> None:
        self.world.say(self.name, f"{port} {detail}" + (f"  [{fault.value}]" if fault else ""))

    def _takes_s(self, port: str, slow: bool) -> float:
        return self.world.faults.delay_s(port) if slow else self.world.luck.random() * 0.01

    async def _able(self) -> None:
        if self.alive and self.stands_still():
            await asyncio.sleep(self._frozen_until_s - self.world.loop.time())
            return await self._able()
        if not self.alive or self.world.over:
            await self.world.forever()

    async def _die(self, why: str, fault: Fault | None) -> None:
        if self.alive and fault is not None:
            self.crash(why)
        await self.world.forever()

    # -- life --------------------------------------------------------------------------------------------------

    def crash(self, why: str) -> None:
        """All that was in memory is gone; whoever waited for an answer hears that the line was cut."""
        if not self.alive:
            return
        self.world.say(self.name, f"DIES: {why}")
        self.alive = False
        for waiting in self._requests:
            _fail(waiting, ProcessDied(self.name))
        for told in self.on_death:
            told()

    def stand_still(self, seconds: float) -> None:
        """As under SIGSTOP: what is under way outside goes on, nothing here does."""
        self.world.say(self.name, f"stands still for {seconds:.1f} s")
        self._frozen_until_s = self.world.loop.time() + seconds

    def stands_still(self) -> bool:
        return self._frozen_until_s > self.world.loop.time()

    def serve(self, work: Coroutine[Any, Any, T]) -> "asyncio.Future[T]":
        """Work on a request in this process; the future fails when the process dies first."""
        answer: asyncio.Future[T] = self.world.loop.create_future()
        self._requests = [waiting for waiting in self._requests if not waiting.done()]
        self._requests.append(answer)
        task = self.spawn(work)
        task.add_done_callback(lambda done: self._answered(done, answer))
        return answer

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        token = RUNNING.set(self)
        try:
            return self.world.loop.create_task(work)
        finally:
            RUNNING.reset(token)

    def _answered(self, task: "asyncio.Task[T]", answer: "asyncio.Future[T]") -> None:
        failed = None if task.cancelled() else task.exception()
        if answer.done() or not self.alive or task.cancelled():
            return
        if failed is not None:
            _fail(answer, failed)
        else:
            answer.set_result(task.result())


class Service:
    """What is started again when its process dies."""

    def __init__(self, world: World, name: str, start: Callable[[Process], None], back: Callable[[], None]) -> None:
        self.world, self.name, self._start, self._back = world, name, start, back
        self._lives = 0
        self.process = self._new_process()

    def start(self) -> None:
        self._start(self.process)
        self._back()

    def _new_process(self) -> Process:
        self._lives += 1
        process = Process(self.world, f"{self.name}#{self._lives}")
        process.on_death.append(self._restart_later)
        return process

    def _restart_later(self) -> None:
        luck = self.world.luck
        pause_s = luck.uniform(0.5, 6) if luck.random() < 0.95 else luck.uniform(60, 1500)
        self.world.later(pause_s, self._restart)

    def _restart(self) -> None:
        self.process = self._new_process()
        self.world.say(self.process.name, "starts")
        self.start()


def _fail(waiting: "asyncio.Future[Any]", why: BaseException) -> None:
    """Without the loop's complaint where nobody waits any more."""
    if not waiting.done():
        waiting.set_exception(why)
        waiting.exception()
