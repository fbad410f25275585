"""Dead letters as their administrators see and redrive them: claimed before they are sent, so that one sends."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from ulid import ULID

from m2n.clock import Clock, now
from m2n.database import Database, Document
from m2n.deadletters import COLLECTION, DeadLetter, Source, State, history_line, letter_of

LEASE = timedelta(seconds=30)
"""Longer than a sending takes; after it, whoever held it has died and another sends with the same redrive id."""
_RETURNABLE: Mapping[str, Any] = {"$or": [{"source": Source.QUEUE}, {"topic": {"$ne": ""}}]}


class DeadLetterStore:
    """``tenant`` is '' for letters that name none. Methods raise pymongo.errors.PyMongoError."""

    def __init__(self, database: Database, clock: Clock = now) -> None:
        self._letters, self._clock = database[COLLECTION], clock

    async def prepare(self) -> None:
        await self._letters.create_index([("tenant", ASCENDING), ("first_at", DESCENDING), ("_id", DESCENDING)])
        # Letters are large: what is due comes sorted, and what is kept is counted, from the indexes alone.
        await self._letters.create_index([("state", ASCENDING), ("first_at", ASCENDING), ("_id", ASCENDING)])
        await self._letters.create_index([("state", ASCENDING), ("tenant", ASCENDING)])

    async def get(self, tenant: str, letter_id: str) -> DeadLetter | None:
        """With its body."""
        found = await self._letters.find_one({"_id": letter_id, "tenant": tenant})
        return letter_of(found) if found else None

    async def page(self, tenant: str, state: State | None, after: DeadLetter | None, limit: int) -> list[DeadLetter]:
        """Without bodies and history; the newest first, from the one behind ``after``."""
        where: Document = {"tenant": tenant} | ({"state": state} if state else {})
        if after:
            same_time = {"first_at": after.first_at, "_id": {"$lt": after.id}}
            where["$or"] = [{"first_at": {"$lt": after.first_at}}, same_time]
        found = self._letters.find(where, {"body": 0, "history": 0})
        order = [("first_at", DESCENDING), ("_id", DESCENDING)]
        return [letter_of(document) async for document in found.sort(order).limit(limit)]

    async def kept(self) -> dict[str, int]:
        """How many letters are kept, by tenant."""
        stages = [{"$match": {"state": State.KEPT}}, {"$group": {"_id": "$tenant", "count": {"$sum": 1}}}]
        return {row["_id"]: row["count"] async for row in await self._letters.aggregate(stages)}

    async def note(self, letter: DeadLetter, by: str, what: str) -> None:
        await self._letters.update_one({"_id": letter.id}, {"$push": history_line(self._clock(), by, what)})

    async def claim(self, tenant: str, letter_id: str, by: str) -> DeadLetter | None:
        """Begin to redrive a kept letter; None when it is not kept, or somebody else was faster."""
        claimed = self._claimed(by, str(ULID()), self._clock() + LEASE)
        found = await self._letters.find_one_and_update(
            {"_id": letter_id, "tenant": tenant, "state": State.KEPT, **_RETURNABLE},
            claimed,
            return_document=ReturnDocument.AFTER,
        )
        return letter_of(found) if found else None

    async def claim_all(self, tenant: str, by: str) -> int:
        """Begin to redrive all that are kept now; they are due at once for ``take_due``.

        They share the redrive's id; only together with a letter's it names one sending.
        """
        claimed = self._claimed(by, str(ULID()), self._clock())
        done = await self._letters.update_many({"tenant": tenant, "state": State.KEPT, **_RETURNABLE}, claimed)
        return done.modified_count

    def _claimed(self, by: str, redrive_id: str, until: datetime) -> Document:
        at = self._clock()
        redrive = {"id": redrive_id, "by": by, "at": at, "until": until}
        return {
            "$set": {"state": State.REDRIVING, "redrive": redrive},
            "$push": history_line(at, by, "redrive asked for"),
        }

    async def take_due(self) -> DeadLetter | None:
        """A letter that nobody sends at the moment, the oldest first, with a new lease under the old redrive id."""
        at = self._clock()
        found = await self._letters.find_one_and_update(
            {"state": State.REDRIVING, "redrive.until": {"$lte": at}},
            {"$set": {"redrive.until": at + LEASE}},
            sort=[("first_at", ASCENDING), ("_id", ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )
        return letter_of(found) if found else None

    async def redriven(self, letter: DeadLetter) -> None:
        """Unless it has failed again meanwhile."""
        await self._end(letter, State.REDRIVEN, "put back")

    async def keep_again(self, letter: DeadLetter, why: str) -> None:
        """It could not be put back."""
        await self._end(letter, State.KEPT, f"not put back: {why}")

    async def postpone(self, letter: DeadLetter, wait: timedelta) -> None:
        """It could not be sent now; whoever takes it when the time is up tries again."""
        await self._letters.update_one(_under_way(letter), {"$set": {"redrive.until": self._clock() + wait}})

    async def _end(self, letter: DeadLetter, state: State, said: str) -> None:
        assert letter.redrive is not None
        at = self._clock()
        change = {"$set": {"state": state, "redrive.at": at}, "$push": history_line(at, letter.redrive.by, said)}
        await self._letters.update_one(_under_way(letter), change)


def _under_way(letter: DeadLetter) -> Document:
    assert letter.redrive is not None
    return {"_id": letter.id, "state": State.REDRIVING, "redrive.id": letter.redrive.id}
