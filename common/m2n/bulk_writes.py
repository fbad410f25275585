"""Writes of many callers to one MongoDB collection in few requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pymongo import InsertOne, ReplaceOne, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from m2n.gathering import Gathered

AT_MOST = 200
"""Writes in one request."""
DUPLICATE_KEY = 11000
"""MongoDB's code of the error."""


@dataclass(frozen=True)
class Write:
    """One document's write. ``change`` is an update (or a pipeline), else the whole document; it is made where it is
    not there, and to ``insert`` one that is there fails with DuplicateKeyError."""

    key: str
    change: Any
    kind: Literal["update", "replace", "insert"] = "update"


class BulkWriter:
    """Writes by ``_id``, in no order. A write that fails is the failure of the caller that wanted it, of no other."""

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
            return {error["index"]: _failure(error, partly) for error in partly.details["writeErrors"]}
        return {}

    async def _send_one(self, write: Write) -> None:
        match write.kind:
            case "update":
                await self._collection.update_one({"_id": write.key}, write.change, upsert=True)
            case "replace":
                await self._collection.replace_one({"_id": write.key}, write.change, upsert=True)
            case "insert":
                await self._collection.insert_one({"_id": write.key, **write.change})


def _failure(error: Mapping[str, Any], partly: BulkWriteError) -> PyMongoError:
    is_there = error.get("code") == DUPLICATE_KEY
    return DuplicateKeyError(error.get("errmsg", ""), DUPLICATE_KEY) if is_there else partly


def _operation(write: Write) -> UpdateOne | ReplaceOne | InsertOne:
    match write.kind:
        case "update":
            return UpdateOne({"_id": write.key}, write.change, upsert=True)
        case "replace":
            return ReplaceOne({"_id": write.key}, write.change, upsert=True)
        case "insert":
            return InsertOne({"_id": write.key, **write.change})
