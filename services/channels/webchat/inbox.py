"""Visitors' inboxes: what a visitor's page has to show, kept in MongoDB until the visitor's token has long run out.

What the visitor said stands in it as well, put there before the queue has it: so it stands above its answer, and says
``sending`` until it is safe.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pymongo import WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, OperationFailure

from m2n.clock import Clock, now
from m2n.keys import digest
from m2n.wake_ups import WakeUps
from services.channels.webchat.browser import BrowserMessage, own_id
from services.channels.webchat.settings import MAX_TOKEN_TTL_S

COLLECTION = "webchat_inbox"
KEPT = 200
"""So many of the last messages stay in an inbox."""
KEPT_FOR_S = MAX_TOKEN_TTL_S + 86_400
"""An inbox that nobody wrote to for so long is removed: as long as a token can live, and a day."""
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


@dataclass(frozen=True)
class News:
    """What a reader has not seen: messages in order, and up to which of the visitor's own an agent has read."""

    messages: tuple[BrowserMessage, ...] = ()
    read_to: str | None = None


class VisitorInbox:
    """One document per visitor. ``append`` wakes the readers who wait at ``wakeups``."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]], wakeups: WakeUps, clock: Clock = now) -> None:
        self.wakeups, self._clock = wakeups, clock
        self._inboxes = database.get_collection(COLLECTION, write_concern=WriteConcern("majority"))

    async def prepare(self) -> None:
        await self._inboxes.create_index("written_at", expireAfterSeconds=KEPT_FOR_S)

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

    async def confirm(self, key: VisitorKey, message_id: str) -> None:
        """The queue has the visitor's message."""
        named = {"_id": key.id, "messages": {"$elemMatch": {"id": message_id, "status": "sending"}}}
        done = await self._inboxes.update_one(named, {"$set": {"messages.$.status": "sent"}})
        if done.modified_count:
            await self.wakeups.wake(key.id, f"sent {message_id}")

    async def read(self, key: VisitorKey, vendor_message_id: str) -> None:
        """An agent has read the visitor's message and those before it. Never goes back; unknown ones are ignored."""
        found = await self._inboxes.find_one({"_id": key.id}, {"messages.id": 1, "read_to": 1})
        ids = [line["id"] for line in found["messages"]] if found else []
        reached, before = own_id(vendor_message_id), found.get("read_to") if found else None
        if reached not in ids or (before in ids and ids.index(before) >= ids.index(reached)):
            return
        done = await self._inboxes.update_one({"_id": key.id, "read_to": before}, {"$set": {"read_to": reached}})
        if done.modified_count:
            await self.wakeups.wake(key.id)

    async def known(self, key: VisitorKey, ids: Collection[str]) -> frozenset[str]:
        """Those of the messages that are in the inbox."""
        found = await self._inboxes.find_one({"_id": key.id}, {"messages.id": 1})
        return frozenset(line["id"] for line in found["messages"]) & frozenset(ids) if found else frozenset()

    async def news(self, key: VisitorKey, last_event_id: str | None, read_to: str | None) -> News:
        """What came after that message, and after an agent had read so far.

        All that is kept for None and for an id that is not there any more.
        """
        changed = {"_id": key.id, "$or": [{"last": {"$ne": last_event_id}}, {"read_to": {"$ne": read_to}}]}
        found = await self._inboxes.find_one(changed, {"messages": 1, "read_to": 1})
        if found is None:
            return News(read_to=read_to)
        lines = found["messages"]
        seen = next((at for at, line in enumerate(lines, start=1) if line["id"] == last_event_id), 0)
        return News(tuple(BrowserMessage.model_validate(line) for line in lines[seen:]), found.get("read_to"))

    async def after(self, key: VisitorKey, last_event_id: str | None) -> tuple[BrowserMessage, ...]:
        """The messages after that one, in order; all that are kept for None or an id that is not there any more."""
        return (await self.news(key, last_event_id, None)).messages
