"""Keeps dead letters, come what may: in MongoDB, else on the service's own disk until MongoDB is back."""

import asyncio
from contextlib import suppress
from typing import Protocol

from pymongo.errors import PyMongoError

from m2n.dead_letter_spool import Spool, SpoolFull, UnreadableFile
from m2n.deadletters import Failure
from m2n.telemetry import DEAD_LETTERS, DEAD_LETTERS_SPOOLED, log

LOOK_AGAIN_S = 60.0
RETRY_S = 2.0
ALERT = "dead letter"
"""Field ``alert`` of the log lines that somebody has to be told of."""


class NotKept(Exception):
    """Neither MongoDB nor the disk took the letter."""


class Store(Protocol):
    async def keep(self, failure: Failure) -> bool: ...


class LetterKeeper:
    def __init__(self, store: Store, spool: Spool) -> None:
        self._store, self._spool = store, spool
        self._spooled = asyncio.Event()

    async def keep(self, failure: Failure) -> None:
        """Returns when the failure is kept, here or there. Raises NotKept."""
        try:
            await self.store(failure)
        except (PyMongoError, TimeoutError) as away:
            await self._put_on_disk(failure, away)

    async def store(self, failure: Failure) -> None:
        """Into MongoDB only. Raises PyMongoError, TimeoutError."""
        if await self._store.keep(failure):
            DEAD_LETTERS.labels(failure.origin).inc()
            log().error("dead letter kept", alert=ALERT, **_described(failure))

    async def bring_back(self) -> None:
        """Move what is on the disk into MongoDB, for ever: also what an earlier process left there."""
        while True:
            self._spooled.clear()
            names = await asyncio.to_thread(self._spool.names)
            DEAD_LETTERS_SPOOLED.set(len(names))
            try:
                for name in names:
                    await self._bring_back(name)
            except (PyMongoError, TimeoutError) as away:
                log().warning("spooled dead letters wait for the database", count=len(names), error=type(away).__name__)
                await asyncio.sleep(RETRY_S)
            else:
                DEAD_LETTERS_SPOOLED.set(0)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._spooled.wait(), LOOK_AGAIN_S)

    async def _put_on_disk(self, failure: Failure, away: Exception) -> None:
        try:
            await asyncio.to_thread(self._spool.put, failure)
        except (OSError, SpoolFull) as failed:
            error = f"{type(away).__name__}, {type(failed).__name__}"
            log().error("dead letter not kept", alert=ALERT, error=error, **_described(failure))
            raise NotKept(failure.letter_id) from failed
        log().error("dead letter spooled", alert=ALERT, error=type(away).__name__, **_described(failure))
        self._spooled.set()

    async def _bring_back(self, name: str) -> None:
        try:
            failure = await asyncio.to_thread(self._spool.read, name)
        except UnreadableFile:
            log().error("spooled dead letter unreadable, left on disk", alert=ALERT, file=name)
        except FileNotFoundError:  # another process that shares the folder was faster
            return
        else:
            await self.store(failure)
            await asyncio.to_thread(self._spool.remove, name)


def _described(failure: Failure) -> dict[str, object]:
    return {
        "letter": failure.letter_id,
        "origin": failure.origin,
        "topic": failure.topic,
        "tenant": failure.tenant,
        "why": failure.reason,
        "tries": failure.tries,
    }
