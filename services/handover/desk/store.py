"""Conversations in MongoDB. Every change is one atomic update that names the state it starts from.

Lines are kept as JSON text, so that no customer's word can mean anything to the database.
"""

from datetime import datetime
from typing import Any

from pymongo import ASCENDING, ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from m2n.database import Database, Document
from m2n.events import DeskNotice
from m2n.serialization import from_json, to_json
from services.handover.desk.conversation import (
    OPEN,
    Agent,
    Closing,
    Conversation,
    DeskLine,
    Note,
    Status,
    conversation_id,
)

MAX_LINES = 500
"""Lines that a conversation keeps, the newest; older ones are in the session's transcript."""
MAX_NOTES = 200

NEVER_OPENED = "never_opened"
"""Stored status of an epoch that the lane took back before its first turn came: that turn opens nothing."""

_OPEN = {"$in": [status.value for status in OPEN]}
_SHOWN = {"$ne": NEVER_OPENED}


class Conversations:
    def __init__(self, database: Database) -> None:
        self._all = database["desk_conversations"]

    async def prepare(self) -> None:
        order = [("tenant", ASCENDING), ("status", ASCENDING), ("created_at", ASCENDING), ("_id", ASCENDING)]
        await self._all.create_index(order)

    async def open(self, conversation: Conversation) -> bool:
        """Store it unless its epoch is known already; False when it is."""
        document = _document(conversation)
        key = {"_id": document.pop("_id"), "tenant": document.pop("tenant")}
        return await self._insert(key, document)

    async def _insert(self, key: Document, document: Document) -> bool:
        """Whether it was not there. Of upserts at once MongoDB fails the losers: the winner's is there, then.

        Raises DuplicateKeyError when the id is another tenant's.
        """
        try:
            done = await self._all.update_one(key, {"$setOnInsert": document}, upsert=True)
        except DuplicateKeyError:
            if await self._all.find_one(key, projection={"_id": True}) is None:
                raise
            return False
        return done.upserted_id is not None

    async def append(self, tenant: str, conversation: str, lines: tuple[DeskLine, ...], at: datetime) -> bool:
        """Add each line once, whatever comes twice; False when the conversation is closed."""
        key = {"_id": conversation, "tenant": tenant, "status": _OPEN}
        await self._all.bulk_write([UpdateOne(_without(key, line), _pushed(line, at)) for line in lines])
        return await self._all.find_one(key, projection={"_id": True}) is not None

    async def close_by_lane(self, notice: DeskNotice) -> None:
        """Close it, and keep a turn of that epoch that is still on its way from opening it."""
        key = {"_id": conversation_id(notice.session_id, notice.epoch), "tenant": notice.tenant}
        unopened = {"status": NEVER_OPENED, "created_at": notice.at}
        await self._insert(key, unopened)
        closed = _closed(Closing(notice.what), notice.at)
        await self._all.update_one({**key, "status": _OPEN}, {"$set": closed})

    async def get(self, tenant: str, conversation: str) -> Conversation | None:
        return _conversation(await self._all.find_one({"_id": conversation, "tenant": tenant, "status": _SHOWN}))

    async def page(
        self, tenant: str, status: Status, behind: Conversation | None, limit: int
    ) -> tuple[Conversation, ...]:
        """Conversations with their last line; open ones oldest first, closed ones newest first."""
        direction = -1 if status is Status.CLOSED else 1
        wanted: Document = {"tenant": tenant, "status": status.value}
        if behind:
            wanted |= _behind(behind, "$lt" if status is Status.CLOSED else "$gt")
        found = self._all.find(wanted, projection={"lines": {"$slice": -1}})
        documents = await found.sort([("created_at", direction), ("_id", direction)]).limit(limit).to_list()
        return tuple(_present(document) for document in documents)

    async def accept(self, agent: Agent, conversation: str, at: datetime) -> Conversation | None:
        """Waiting to active; None when it is not waiting."""
        change = {"status": Status.ACTIVE.value, "agent": agent.name, "agent_key": agent.key, "accepted_at": at}
        return await self._change(agent, conversation, {"status": Status.WAITING.value}, {"$set": change}, at)

    async def say(self, agent: Agent, conversation: str, line: DeskLine, at: datetime) -> Conversation | None:
        """Add the agent's line; None when it is there, or the conversation is not the agent's or not active."""
        return await self._change(agent, conversation, _without(_own(agent), line), _pushed(line, at), at)

    async def note(self, agent: Agent, conversation: str, note: Note) -> Conversation | None:
        room = {"status": _SHOWN, f"notes.{MAX_NOTES - 1}": {"$exists": False}}
        push = {"$push": {"notes": note.model_dump()}}
        return await self._change(agent, conversation, room, push, note.at)

    async def close(self, agent: Agent, conversation: str, why: Closing, at: datetime) -> Conversation | None:
        """Active to closed; None when it is not active, or neither the agent's nor a supervisor calls."""
        start = {"status": Status.ACTIVE.value} if agent.supervisor else _own(agent)
        return await self._change(agent, conversation, start, {"$set": _closed(why, at)}, at)

    async def _change(
        self, agent: Agent, conversation: str, start: Document, change: Document, at: datetime
    ) -> Conversation | None:
        update = {**change, "$set": {"updated_at": at, **change.get("$set", {})}}
        changed = await self._all.find_one_and_update(
            {"_id": conversation, "tenant": agent.tenant, **start}, update, return_document=ReturnDocument.AFTER
        )
        return _conversation(changed)


def _own(agent: Agent) -> Document:
    named = {"agent": agent.name} if agent.name else {}
    return {"status": Status.ACTIVE.value, "agent_key": agent.key, **named}


def _without(key: Document, line: DeskLine) -> Document:
    return {**key, "lines.key": {"$ne": line.key}}


def _pushed(line: DeskLine, at: datetime) -> Document:
    return {"$push": {"lines": {"$each": [_stored(line)], "$slice": -MAX_LINES}}, "$set": {"updated_at": at}}


def _closed(why: Closing, at: datetime) -> Document:
    return {"status": Status.CLOSED.value, "closed_because": why.value, "closed_at": at, "updated_at": at}


def _behind(last: Conversation, comparison: str) -> Document:
    same_moment = {"created_at": last.created_at, "_id": {comparison: last.id}}
    return {"$or": [{"created_at": {comparison: last.created_at}}, same_moment]}


def _stored(line: DeskLine) -> Document:
    return {"key": line.key, "json": to_json(line).decode()}


def _document(conversation: Conversation) -> Document:
    fields = conversation.model_dump(exclude={"id", "lines"}, exclude_none=True)
    lines = [_stored(line) for line in conversation.lines[-MAX_LINES:]]
    return fields | {"_id": conversation.id, "status": conversation.status.value, "lines": lines, "notes": []}


def _conversation(document: Document | None) -> Conversation | None:
    return _present(document) if document else None


def _present(document: dict[str, Any]) -> Conversation:
    lines = tuple(from_json(DeskLine, line["json"]) for line in document["lines"])
    return Conversation.model_validate({**document, "id": document["_id"], "lines": lines})
