"""Visitors' inboxes: what a visitor's page has to show, kept in MongoDB until the visitor's token has long run out."""

from dataclasses import dataclass
from typing import Any

from pymongo import WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, OperationFailure

from m2n.clock import Clock, now
from m2n.keys import digest
from services.channels.webchat.browser import BrowserMessage
from services.channels.webchat.settings import MAX_TOKEN_TTL_S
from services.channels.webchat.wakeups import WakeUps

COLLECTION = "webchat_inbox"
KEPT = 200
"""So many of the last messages stay in an inbox."""
_TOO_LARGE = frozenset({10334, 17419, 17280})
"""MongoDB's codes for a document above 16 MiB."""


class MessageTooLarge(ValueError):
    """The message alone is more than an inbox can hold."""


@dataclass(frozen=True)
class VisitorKey:
    tenant: str
    connection: str
    visitor: str

    @property
    def id(self) -> str:
        return digest(self.tenant, self.connection, self.visitor)


class VisitorInbox:
    """One document per visitor. ``append`` wakes the readers who wait at ``wakeups``."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]], wakeups: WakeUps, clock: Clock = now) -> None:
        self.wakeups, self._clock = wakeups, clock
        self._inboxes = database.get_collection(COLLECTION, write_concern=WriteConcern("majority"))

    async def prepare(self) -> None:
        """Let MongoDB remove inboxes that nobody wrote to for as long as a token can live, and a day."""
        await self._inboxes.create_index("written_at", expireAfterSeconds=MAX_TOKEN_TTL_S + 86_400)

    async def append(self, key: VisitorKey, message: BrowserMessage) -> bool:
        """Add the message unless its id is there, in one step; False when it was there.

        Raises MessageTooLarge, and pymongo's errors when the database cannot be reached.
        """
        for kept in (KEPT, KEPT // 10, 1):
            try:
                added = await self._append(key, message, kept)
            except OperationFailure as failed:
                if failed.code not in _TOO_LARGE:
                    raise
            else:
                if added:
                    await self.wakeups.wake(key.id)
                return added
        raise MessageTooLarge("expected a message below 16 MiB")

    async def _append(self, key: VisitorKey, message: BrowserMessage, kept: int) -> bool:
        """The insert of a first message fails when the document is there: it has the message, or has just been made."""
        try:
            return await self._push(key, message, kept, upsert=True)
        except DuplicateKeyError:
            return await self._push(key, message, kept, upsert=False)

    async def _push(self, key: VisitorKey, message: BrowserMessage, kept: int, *, upsert: bool) -> bool:
        line = message.model_dump(mode="json", exclude_none=True)
        change = {
            "$push": {"messages": {"$each": [line], "$slice": -kept}},
            "$set": {"last": message.id, "written_at": self._clock()},
            "$setOnInsert": {"tenant": key.tenant, "connection": key.connection, "visitor": key.visitor},
        }
        unseen = {"_id": key.id, "messages.id": {"$ne": message.id}}
        done = await self._inboxes.update_one(unseen, change, upsert=upsert)
        return done.matched_count == 1 or done.upserted_id is not None

    async def after(self, key: VisitorKey, last_event_id: str | None) -> tuple[BrowserMessage, ...]:
        """The messages after that one, in order; all that are kept for None or an id that is not there any more."""
        found = await self._inboxes.find_one({"_id": key.id, "last": {"$ne": last_event_id}}, {"messages": 1})
        lines = found["messages"] if found else []
        seen = next((at for at, line in enumerate(lines, start=1) if line["id"] == last_event_id), 0)
        return tuple(BrowserMessage.model_validate(line) for line in lines[seen:])
