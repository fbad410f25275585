"""Writes of many callers to one collection in few requests: what comes while one is under way goes with the next."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo import ReplaceOne, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, PyMongoError

AT_MOST = 200
"""Writes in one request."""


@dataclass(frozen=True)
class Write:
    """One document's upsert: ``change`` is an update (or a pipeline), or the whole document if it ``replaces``."""

    key: str
    change: Any
    replaces: bool = False


@dataclass(eq=False)
class _Waiting:
    writes: Sequence[Write]
    done: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class BulkWriter:
    """Upserts by ``_id``, in no order. A write that fails is the failure of the caller that wanted it, of no other."""

    def __init__(self, collection: AsyncCollection[Any]) -> None:
        self._collection = collection
        self._waiting: list[_Waiting] = []
        self._sending: asyncio.Task[None] | None = None

    async def write(self, writes: Sequence[Write]) -> None:
        """Returns when all are written. Raises PyMongoError: then some may be, and all may be written again."""
        if not writes:
            return
        waiting = _Waiting(writes)
        self._waiting.append(waiting)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())
        await waiting.done

    async def _send_all(self) -> None:
        while self._waiting:
            taken = self._take()
            try:
                failed = await self._send([write for each in taken for write in each.writes])
            except asyncio.CancelledError:
                for each in (*taken, *self._waiting):
                    each.done.cancel()
                raise
            except Exception as error:  # every caller's, whatever it is: none of them may wait for ever
                for each in taken:
                    _end(each, error)
            else:
                _tell(taken, failed)

    def _take(self) -> list[_Waiting]:
        """At least one caller's, and of so many callers that the writes are AT_MOST."""
        count, callers = 0, 0
        for each in self._waiting:
            count += len(each.writes)
            if callers and count > AT_MOST:
                break
            callers += 1
        taken, self._waiting = self._waiting[:callers], self._waiting[callers:]
        return taken

    async def _send(self, writes: list[Write]) -> dict[int, PyMongoError]:
        """The failures by the write's place. One alone is sent as such, which costs half of a bulk write of one."""
        if len(writes) == 1:
            await self._send_one(writes[0])
            return {}
        try:
            await self._collection.bulk_write([_operation(write) for write in writes], ordered=False)
        except BulkWriteError as partly:
            if partly.details.get("writeConcernErrors"):
                raise
            return {error["index"]: partly for error in partly.details["writeErrors"]}
        return {}

    async def _send_one(self, write: Write) -> None:
        if write.replaces:
            await self._collection.replace_one({"_id": write.key}, write.change, upsert=True)
        else:
            await self._collection.update_one({"_id": write.key}, write.change, upsert=True)


def _operation(write: Write) -> UpdateOne | ReplaceOne:
    if write.replaces:
        return ReplaceOne({"_id": write.key}, write.change, upsert=True)
    return UpdateOne({"_id": write.key}, write.change, upsert=True)


def _tell(taken: list[_Waiting], failed: dict[int, PyMongoError]) -> None:
    place = 0
    for each in taken:
        errors = [failed[number] for number in range(place, place + len(each.writes)) if number in failed]
        place += len(each.writes)
        _end(each, errors[0] if errors else None)


def _end(waiting: _Waiting, error: Exception | None) -> None:
    """The caller may have gone away."""
    if waiting.done.done():
        return
    if error is None:
        waiting.done.set_result(None)
    else:
        waiting.done.set_exception(error)
