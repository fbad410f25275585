"""Lanes in MongoDB: a save replaces the version that was read, or nothing, and says when the lane is to be woken.

Not Dapr's actor state, for two reasons. Its MongoDB store answers success when a commit failed, and it takes the save
of a host that Dapr has given up, over what the lane's new host has saved. Here both are refused by one atomic write.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from m2n.database import Database, Document

KEPT_AFTER_USE = timedelta(days=1)


class LaneMoved(Exception):
    """Somebody else has saved the lane since it was read: it has, or had, another host."""


@dataclass(frozen=True)
class StoredLane:
    """``version`` counts the saves; ``text`` is the state in JSON; at ``due`` the lane is woken, None: never."""

    version: int
    text: str
    due: datetime | None


class LaneStore:
    """Collections ``lanes`` and ``lane_applied``. Methods raise PyMongoError."""

    def __init__(self, database: Database) -> None:
        self._lanes, self._applied = database["lanes"], database["lane_applied"]

    async def prepare(self) -> None:
        await self._applied.create_index("expires_at", expireAfterSeconds=0, name="expiry")
        await self._lanes.create_index("due", partialFilterExpression={"due": {"$exists": True}}, name="due")

    async def load(self, lane: str) -> StoredLane | None:
        found = await self._lanes.find_one({"_id": lane})
        return StoredLane(found["version"], found["lane"], found.get("due")) if found else None

    async def is_newest(self, lane: str, version: int) -> bool:
        """Whether nobody has saved since; version 0 is before the first save."""
        found = await self._lanes.find_one({"_id": lane}, {"version": True})
        return (found["version"] if found else 0) == version

    async def save(self, lane: str, version: int, text: str, due: datetime | None) -> None:
        """The version after ``version``; 0 makes the lane. Raises LaneMoved."""
        read = {"_id": lane, "version": version}
        change: Document = {"$set": {"version": version + 1, "lane": text}}
        if due:
            change["$set"]["due"] = due
        else:
            change["$unset"] = {"due": True}
        try:
            done = await self._lanes.update_one(read, change, upsert=version == 0)
        except DuplicateKeyError as made_meanwhile:
            raise LaneMoved(lane) from made_meanwhile
        if done.matched_count == 0 and done.upserted_id is None:
            raise LaneMoved(lane)

    async def sleep(self, lane: str, version: int) -> None:
        """Wake it no more, unless somebody has saved it since."""
        await self._lanes.update_one({"_id": lane, "version": version}, {"$unset": {"due": True}})

    async def due(self, now: datetime, at_most: int, but: Collection[str] = ()) -> list[str]:
        """Lanes that are to be woken, the longest due first."""
        where: Document = {"due": {"$lte": now}}
        if but:
            where["_id"] = {"$nin": list(but)}
        found = self._lanes.find(where, {"_id": True}).sort("due", ASCENDING).limit(at_most)
        return [document["_id"] async for document in found]

    async def keep_applied(self, lane: str, name: str, ids: Iterable[str], until: datetime) -> None:
        """A full set of applied ids. Its name is made of them, so a former host's set never replaces another."""
        document = {"ids": list(ids), "expires_at": until + KEPT_AFTER_USE}
        await self._applied.replace_one({"_id": f"{lane}:{name}"}, document, upsert=True)

    async def applied(self, lane: str, names: Iterable[str]) -> frozenset[str]:
        """All ids of these sets."""
        found = self._applied.find({"_id": {"$in": [f"{lane}:{name}" for name in names]}})
        return frozenset([key async for document in found for key in document["ids"]])
