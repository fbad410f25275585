"""Writes of many callers to one MongoDB collection in few requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import ReplaceOne, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from m2n.gathering import Gathered

AT_MOST = 200
"""Writes in one request."""


@dataclass(frozen=True)
class Write:
    """One document's upsert: ``change`` is an update (or a pipeline), or the whole document if it ``replaces``."""

    key: str
    change: Any
    replaces: bool = False


class BulkWriter:
    """Upserts by ``_id``, in no order. A write that fails is the failure of the caller that wanted it, of no other."""

    def __init__(self, collection: AsyncCollection[Any]) -> None:
        self._collection = collection
        self._gathered = Gathered(self._send, AT_MOST)

    async def write(self, writes: Sequence[Write]) -> None:
        """Returns when all are written. Raises PyMongoError: then some may be, and all may be written again."""
        await self._gathered.send(writes)

    async def _send(self, writes: Sequence[Write]) -> Mapping[int, Exception]:
        """One alone is sent as such, which costs half of a bulk write of one."""
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
