"""The transcript in MongoDB: one document a line, written once by (tenant, session, sequence)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING

from m2n.bulk_writes import BulkWriter, Write
from m2n.database import Database
from m2n.events import SendResult, SessionEvent
from m2n.message import Author
from m2n.message_statuses import MessageStatuses, settling
from services.sessions.lane import TranscriptLine


class Transcript(MessageStatuses):
    """Lines in ``messages``, events in ``session_events``. Every call may come twice and then has one effect."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._events = database["session_events"]
        self._event_writer = BulkWriter(self._events)

    async def prepare(self) -> None:
        by_session = [("tenant", ASCENDING), ("session_id", ASCENDING), ("seq", ASCENDING)]
        # Partial: a receipt may come before its line, and its document then has no sequence number yet.
        known = {"seq": {"$exists": True}}
        await self._messages.create_index(by_session, unique=True, partialFilterExpression=known, name="lines")
        await self._messages.create_index([("tenant", ASCENDING), ("profile_id", ASCENDING), ("at", ASCENDING)])
        await self._events.create_index([("tenant", ASCENDING), ("session_id", ASCENDING), ("at", ASCENDING)])

    async def write(
        self, tenant: str, profile_id: str, lines: Sequence[TranscriptLine], results: Sequence[SendResult] = ()
    ) -> None:
        """Lines, and what became of messages to the customer; either may be there first. Raises PyMongoError."""
        writes: dict[str, Write] = {}
        for entry in lines:
            write = _line(tenant, profile_id, entry)
            writes[write.key] = write
        for result in results:
            write = settling(tenant, result)
            known = writes.get(write.key)
            writes[write.key] = Write(write.key, [*known.change, *write.change]) if known else write
        await self._writer.write(list(writes.values()))

    async def record(self, tenant: str, events: Sequence[SessionEvent]) -> None:
        """Keep a session's events, each once."""
        await self._event_writer.write([_event(tenant, event) for event in events])

    async def of_session(self, tenant: str, session_id: str, after: int = 0, limit: int = 200) -> list[dict[str, Any]]:
        where = {"tenant": tenant, "session_id": session_id, "seq": {"$gt": after}}
        return await self._messages.find(where, {"_id": 0}).sort("seq", ASCENDING).limit(limit).to_list()

    async def recent(self, tenant: str, profile_id: str, since: datetime, limit: int) -> list[dict[str, Any]]:
        where = {"tenant": tenant, "profile_id": profile_id, "at": {"$gte": since}}
        return await self._messages.find(where, {"_id": 0}).sort("at", ASCENDING).limit(limit).to_list()


def _line(tenant: str, profile_id: str, entry: TranscriptLine) -> Write:
    line = entry.line
    document = {
        "tenant": tenant,
        "profile_id": profile_id,
        "session_id": entry.session_id,
        "seq": line.seq,
        "author": line.author.value,
        "author_name": line.author_name,
        "content": line.content.model_dump(mode="json", exclude_none=True),
        "at": line.at,
        "channel": entry.channel,
        "connection": entry.connection,
        "epoch": entry.epoch,
        "intent": entry.intent,
        "confidence": entry.confidence,
        "because": entry.because,
        "trail": [hop.model_dump() for hop in entry.trail],
    }
    if line.author is Author.CUSTOMER:
        document["vendor_message_id"] = entry.vendor_message_id
    if entry.reply_id:
        document["reply_id"] = entry.reply_id
    literally = {name: {"$literal": value} for name, value in document.items()}
    return Write(f"{tenant}:{entry.session_id}.{line.seq}", [{"$set": literally}])


def _event(tenant: str, event: SessionEvent) -> Write:
    return Write(f"{tenant}:{event.id}", {"$setOnInsert": event.model_dump(exclude={"id"})})
