"""What lanes write beside the conversation, all lanes of the process together, ten times a second."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable

from pymongo.errors import PyMongoError

from m2n.dapr import DaprUnavailable, NotTaken
from m2n.telemetry import log, where

EVERY_S = 0.1
AGAIN_S = 2.0
PASSING = (DaprUnavailable, NotTaken, PyMongoError, TimeoutError, OSError)
Write = Callable[[], Awaitable[None]]


class WriteBehind:
    """Nobody waits for these writes: what they write is in the lanes' saved states, so after a crash the lane's next
    host does them. While the process lives, one that fails is tried again."""

    def __init__(self) -> None:
        self._due: dict[Hashable, Write] = {}
        self._running: asyncio.Task[None] | None = None

    def soon(self, of: Hashable, write: Write) -> None:
        """Call ``write`` once, soon, however often this is said of the same thing until then."""
        self._due[of] = write
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())

    async def finish(self) -> None:
        """Return when nothing is due any more."""
        while self._running and not self._running.done():
            await asyncio.wait({self._running})

    async def _run(self) -> None:
        wait_s = EVERY_S
        while self._due:
            await asyncio.sleep(wait_s)
            due, self._due = self._due, {}
            done = await asyncio.gather(*(self._write(of, write) for of, write in due.items()))
            wait_s = EVERY_S if all(done) else AGAIN_S

    async def _write(self, of: Hashable, write: Write) -> bool:
        try:
            await write()
        except PASSING as failed:
            log().warning("not written yet, will be", of=str(of), error=type(failed).__name__)
            self._due.setdefault(of, write)
            return False
        except Exception as failed:
            log().error("not written, the lane's reminder tries again", of=str(of), where=where(failed))
        return True
