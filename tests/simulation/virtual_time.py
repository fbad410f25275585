"""An event loop whose time is a number: it jumps to the next timer when nothing is ready."""

import asyncio
from collections.abc import Callable
from typing import Any


class Numbered(asyncio.Task[Any]):
    """A task whose hash is its number, so that sets of tasks have one order in every process."""

    _numbers = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        Numbered._numbers += 1
        self._number = Numbered._numbers
        super().__init__(*args, **options)

    def __hash__(self) -> int:
        return self._number


class _Timers:
    """Stands where a selector would: 'waiting for I/O' is the passing of time."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        self._loop.pass_time(timeout)
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs until nothing is left to do (``idle``), the time is up (``late``) or it makes no progress (``spinning``)."""

    MOST_ROUNDS = 400_000

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._scheduled: list[asyncio.TimerHandle] = []
        self._rounds = 0
        self._selector = _Timers(self)
        self._clock_resolution = 1e-6
        self.until_s = float("inf")
        self.idle = self.late = self.spinning = False
        self.tasks: list[asyncio.Task[Any]] = []
        """All of them, kept alive: a dropped task must not be collected in the middle of a run."""
        Numbered._numbers = 0
        self.set_task_factory(self._new_task)

    def time(self) -> float:
        return self._now_s

    def pass_time(self, timeout: float | None) -> None:
        self._rounds += 1
        if timeout is None:
            self.idle = True
        elif self._now_s + timeout > self.until_s:
            self.late = True
        elif self._rounds > self.MOST_ROUNDS:
            self.spinning = True
        else:
            return self._jump(timeout)
        self.stop()

    def _jump(self, timeout: float) -> None:
        """Exactly to the timer that was waited for: a sum can fall short of it by a rounding."""
        self._now_s += timeout
        if self._scheduled and 0 < self._scheduled[0].when() - self._now_s < self._clock_resolution:
            self._now_s = self._scheduled[0].when()

    def run_until_still(self) -> None:
        self.idle = self.late = self.spinning = False
        self.run_forever()

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """At once: threads would bring in the machine's own timing."""
        future = self.create_future()
        future.set_result(func(*args))
        return future

    def end(self) -> None:
        """Cancel what is left and close."""
        self.until_s, self._rounds = float("inf"), 0
        while left := [task for task in self.tasks if not task.done()]:
            self._scheduled.clear()
            for task in left:
                task.cancel()
            self.run_until_still()
        self.close()

    def _new_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task = Numbered(coro, loop=loop, **options)
        self.tasks.append(task)
        return task

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
