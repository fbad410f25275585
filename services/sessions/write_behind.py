"""What lanes do beside the conversation, when nobody waits for it: all lanes together, ten times a second."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable

from pymongo.errors import PyMongoError

from m2n.dapr import DaprUnavailable, NotTaken
from m2n.telemetry import log, where

EVERY_S = 0.1
AGAIN_S = 2.0
PASSING = (DaprUnavailable, NotTaken, PyMongoError, TimeoutError, OSError)
Job = Callable[[], Awaitable[None]]


class WriteBehind:
    """What these jobs do stands in the lanes' saved states, so after a crash the lanes' next hosts do it. While the
    process lives, one that fails is tried again."""

    def __init__(self) -> None:
        self._due: dict[Hashable, tuple[float, Job]] = {}
        self._running: asyncio.Task[None] | None = None

    def soon(self, of: Hashable, job: Job, after_s: float = 0.0) -> None:
        """Call ``job`` once, not before ``after_s`` seconds. Said again of the same thing, the last word counts."""
        at = asyncio.get_running_loop().time() + after_s
        self._due[of] = (at, job)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())

    async def finish(self) -> None:
        """Do all that is due at any time, now."""
        jobs, self._due = self._due, {}
        await asyncio.gather(*(self._do(of, job) for of, (_, job) in jobs.items()))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._due:
            await asyncio.sleep(EVERY_S)
            now = loop.time()
            jobs = {of: job for of, (at, job) in self._due.items() if at <= now}
            for of in jobs:
                del self._due[of]
            await asyncio.gather(*(self._do(of, job) for of, job in jobs.items()))

    async def _do(self, of: Hashable, job: Job) -> None:
        try:
            await job()
        except PASSING as failed:
            log().warning("not done yet, will be", of=str(of), error=type(failed).__name__)
            if of not in self._due:
                self.soon(of, job, AGAIN_S)
        except Exception as failed:
            log().error("not done, tried again when the lane is woken", of=str(of), where=where(failed))
