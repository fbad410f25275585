"""Live calls: what is still to be said in each, what was, and where its caller is. One document a call, in MongoDB.

Each message is there once and is handed to Twilio once: a look takes what it will say in one atomic step and leaves
its own name on it. If the same look comes again, for Twilio repeats a request that it got no answer to, it finds the
same messages. What was handed over in an answer that Twilio says it never got is put back (``put_back``). All other
ways lead to at most once: what a process or a socket was about to say when it died counts as said.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pymongo import ReturnDocument, WriteConcern
from pymongo.errors import DuplicateKeyError

from m2n.clock import Clock, now
from m2n.database import Database, Document
from m2n.events import DeskNotice
from m2n.keys import digest
from m2n.message import Author, Model, Moment, Text
from m2n.splitting import split_text
from m2n.wake_ups import WakeUps
from services.channels.voice.twiml import MAX_SAY
from services.handover.phone.transfer import Transfer

COLLECTION = "voice_calls"
KEPT_S = 7 * 86_400
MOST_LINES = 500
AT_ONCE = 12_000
"""Characters that one answer says at most; Twilio takes 64 KiB of TwiML, and callers have patience for less."""
QUIET = timedelta(minutes=20)
"""A call of which Twilio told nothing for so long is believed to be over, unless the caller is with a human."""


class LineState(StrEnum):
    QUEUED = "queued"
    SAID = "said"
    """Handed to Twilio."""
    CUT = "cut"
    """The caller broke in on it; ``heard`` is what was heard."""
    DROPPED = "dropped"
    """Not said: the caller broke in before it, was with a human, or had hung up."""


class NewLine(Model):
    """A message for the caller as the delivery service brings it."""

    key: str
    """Of the message's one effect."""
    message: str
    text: Text
    author: Author
    language: str | None = None
    at: Moment
    """When it was decided."""


class CallLine(NewLine):
    state: LineState = LineState.QUEUED
    by: str | None = None
    """The look that took it."""
    heard: str | None = None


class Over(Model):
    reason: str
    at: Moment


class Call(Model):
    """A call as it is kept. ``cut_until``: the caller broke in on what was decided then and before."""

    lines: tuple[CallLine, ...] = ()
    over: Over | None = None
    transfer: Transfer | None = None
    cut_until: Moment | None = None
    relay_failed: bool = False
    """The socket of the call broke once; Twilio asks for each sentence since."""
    language: str | None = None
    """Of the caller's last words, where Twilio tells it."""
    touched_at: Moment

    def taken_by(self, look: str) -> tuple[CallLine, ...]:
        return tuple(line for line in self.lines if line.by == look)

    def waiting(self) -> tuple[CallLine, ...]:
        """What is to be said, oldest first, as much as one answer says."""
        chosen: list[CallLine] = []
        room = AT_ONCE
        for line in self.lines:
            if line.state is LineState.QUEUED and not self._is_cut(line):
                room -= len(line.text)
                if chosen and room < 0:
                    break
                chosen.append(line)
        return tuple(chosen)

    def _is_cut(self, line: CallLine) -> bool:
        return self.cut_until is not None and line.at <= self.cut_until

    def last_said(self) -> CallLine | None:
        return next((line for line in reversed(self.lines) if line.state in (LineState.SAID, LineState.CUT)), None)

    def is_over(self, at: datetime) -> bool:
        away = self.transfer is not None and self.transfer.goes_on
        return self.over is not None or (not away and at - self.touched_at > QUIET)


@dataclass(frozen=True)
class CallKey:
    tenant: str
    connection: str
    sid: str

    @property
    def id(self) -> str:
        return digest(self.tenant, self.connection, self.sid)


class CallOver(Exception):
    """The caller has hung up."""


class Calls:
    """Every method raises pymongo's errors when the database cannot be reached."""

    def __init__(self, database: Database, wakeups: WakeUps, clock: Clock = now) -> None:
        self.wakeups, self._clock = wakeups, clock
        self._calls = database.get_collection(COLLECTION, write_concern=WriteConcern("majority"))

    async def prepare(self) -> None:
        await self._calls.create_index("touched_at", expireAfterSeconds=KEPT_S)
        await self._calls.create_index("transfer.id", sparse=True)

    async def open(self, key: CallKey, **facts: Any) -> Call:
        """The call, entered if it was not known, with news of it: Twilio has just told something of it."""
        change = {"$set": {"touched_at": self._clock(), **facts}, "$setOnInsert": _named(key)}
        for attempt in (1, 2):
            try:
                found = await self._calls.find_one_and_update(
                    {"_id": key.id}, change, upsert=True, return_document=ReturnDocument.AFTER
                )
                return _call(found or {})
            except DuplicateKeyError:  # of two at once MongoDB fails one, which then finds the other's
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    async def get(self, key: CallKey) -> Call | None:
        found = await self._calls.find_one({"_id": key.id})
        return _call(found) if found else None

    # -- messages ----------------------------------------------------------------------------------------------

    async def append(self, key: CallKey, line: NewLine) -> bool:
        """Add a message unless its key is there; False when it was. Raises CallOver."""
        call, entries = await self.get(key) or await self.open(key), _entries(line)
        if any(known.key == entries[0]["key"] for known in call.lines):
            return False
        if call.is_over(self._clock()):
            raise CallOver
        done = await self._calls.update_one(
            {"_id": key.id, "lines.key": {"$ne": entries[0]["key"]}, "over": {"$exists": False}},
            {"$push": {"lines": {"$each": entries, "$slice": -MOST_LINES}}},
        )
        if done.matched_count:
            await self.wakeups.wake(key.id)
            return True
        found = await self.get(key)
        if found is None or found.over:
            raise CallOver
        return False

    async def take(self, key: CallKey, look: str) -> tuple[CallLine, ...]:
        """What this look is to say: what waits, and what it took before."""
        call = await self.get(key)
        if call is None:
            return ()
        wanted = [line.key for line in call.waiting()]
        if not wanted:
            return call.taken_by(look)
        found = await self._calls.find_one_and_update(
            {"_id": key.id},
            {
                "$set": {
                    "lines.$[one].state": LineState.SAID.value,
                    "lines.$[one].by": look,
                    "touched_at": self._clock(),
                }
            },
            array_filters=[{"one.key": {"$in": wanted}, "one.state": LineState.QUEUED.value}],
            return_document=ReturnDocument.AFTER,
        )
        return _call(found).taken_by(look) if found else ()

    async def put_back(self, key: CallKey, look: str) -> None:
        """Nothing of that look's answer was heard: its messages, and a transfer that it began, wait again."""
        change = {"$set": {"lines.$[one].state": LineState.QUEUED.value}, "$unset": {"lines.$[one].by": ""}}
        said = {"one.by": look, "one.state": LineState.SAID.value}
        await self._calls.update_one({"_id": key.id}, change, array_filters=[said])
        begun = {"_id": key.id, "transfer.by": look, "transfer.ended_at": {"$exists": False}}
        await self._calls.update_one(begun, {"$unset": {"transfer.by": ""}})

    async def cut(self, key: CallKey, heard: dict[str, str], until: datetime) -> None:
        """The caller broke in. ``heard`` is what was heard of messages, by key; nothing decided until then follows."""
        for line, text in heard.items():
            change = {"lines.$[one].state": LineState.CUT.value, "lines.$[one].heard": text}
            await self._calls.update_one({"_id": key.id}, {"$set": change}, array_filters=[{"one.key": line}])
        await self._calls.update_one({"_id": key.id}, {"$max": {"cut_until": until}})
        await self._drop(key, {"one.at": {"$lte": until}})

    async def drop_decided_before(self, key: CallKey, moment: datetime) -> None:
        """What came while the caller was with a human is not said any more."""
        await self._drop(key, {"one.at": {"$lt": moment}})

    async def _drop(self, key: CallKey, which: Document) -> None:
        filters = [{"one.state": LineState.QUEUED.value, **which}]
        change = {"$set": {"lines.$[one].state": LineState.DROPPED.value}}
        await self._calls.update_one({"_id": key.id}, change, array_filters=filters)

    async def end(self, key: CallKey, reason: str) -> tuple[str, ...]:
        """The caller has hung up. The messages that nobody will hear any more, each once, whatever comes twice."""
        over = Over(reason=reason, at=self._clock()).model_dump()
        await self.open(key)
        await self._calls.update_one({"_id": key.id, "over": {"$exists": False}}, {"$set": {"over": over}})
        before = await self._calls.find_one_and_update(
            {"_id": key.id},
            {"$set": {"lines.$[one].state": LineState.DROPPED.value}},
            array_filters=[{"one.state": LineState.QUEUED.value}],
            return_document=ReturnDocument.BEFORE,
        )
        await self.wakeups.wake(key.id)
        lines = _call(before).lines if before else ()
        return tuple(dict.fromkeys(line.message for line in lines if line.state is LineState.QUEUED))

    # -- transfers ---------------------------------------------------------------------------------------------

    async def ask_transfer(self, key: CallKey, transfer: Transfer) -> Transfer | None:
        """Enter a transfer unless it is known; as it is kept. None when the call is over."""
        call = await self.get(key) or await self.open(key)
        known = call.transfer
        if known is not None and known.id == transfer.id:
            return known
        if call.is_over(self._clock()):
            return None
        fits: Document = {"transfer.id": known.id} if known else {"transfer": {"$exists": False}}
        change = {"$set": {"transfer": _document(transfer)}}
        await self._calls.update_one({"_id": key.id, "over": {"$exists": False}, **fits}, change)
        if await self._calls.find_one({"_id": _never(transfer.id)}):
            await self._recall(transfer.id, self._clock())
        await self.wakeups.wake(key.id)
        found = await self.get(key)
        return found.transfer if found and found.transfer and found.transfer.id == transfer.id else None

    async def take_transfer(self, key: CallKey, look: str) -> Transfer | None:
        """The transfer that this look begins, or has begun before."""
        open_: Document = {"transfer.ended_at": {"$exists": False}, "transfer.recalled_at": {"$exists": False}}
        unclaimed = {"transfer.id": {"$exists": True}, "transfer.by": {"$exists": False}, **open_}
        await self._calls.update_one({"_id": key.id, **unclaimed}, {"$set": {"transfer.by": look}})
        found = await self._calls.find_one({"_id": key.id, "transfer.by": look, **open_})
        return _call(found).transfer if found else None

    async def joined(self, key: CallKey) -> Transfer | None:
        """A human talks with the caller; the transfer, also when that was known. None where there is none."""
        going = {"_id": key.id, "transfer.id": {"$exists": True}, "transfer.joined_at": {"$exists": False}}
        await self._calls.update_one(going, {"$set": {"transfer.joined_at": self._clock()}})
        call = await self.get(key)
        return call.transfer if call else None

    async def end_transfer(self, key: CallKey, answered: bool) -> Transfer | None:
        """The caller is back; the transfer as it ended, also when that was known. None where there is none."""
        going = {"_id": key.id, "transfer.id": {"$exists": True}, "transfer.ended_at": {"$exists": False}}
        change = {"transfer.ended_at": self._clock(), "transfer.answered": answered}
        await self._calls.update_one(going, {"$set": {**change, "touched_at": self._clock()}})
        call = await self.get(key)
        return call.transfer if call else None

    async def told_end(self, key: CallKey, transfer: str) -> None:
        await self._calls.update_one({"_id": key.id, "transfer.id": transfer}, {"$set": {"transfer.told": True}})

    async def recall(self, transfer: str, notice: DeskNotice) -> None:
        """The lane has the conversation back; also for a transfer whose turn is still on its way."""
        mark = {"$set": {"touched_at": self._clock()}, "$setOnInsert": {"tenant": notice.tenant}}
        await self._calls.update_one({"_id": _never(transfer)}, mark, upsert=True)
        await self._recall(transfer, notice.at)

    async def _recall(self, transfer: str, at: datetime) -> None:
        known = {"transfer.id": transfer, "transfer.recalled_at": {"$exists": False}}
        found = await self._calls.find_one_and_update(known, {"$set": {"transfer.recalled_at": at}})
        if found:
            await self.wakeups.wake(str(found["_id"]))


def _entries(line: NewLine) -> list[Document]:
    """The message in parts of which each can be said at once; mostly one."""
    parts = split_text(line.text, MAX_SAY) or (line.text,)
    keys = [line.key if number == 0 else f"{line.key}#{number}" for number in range(len(parts))]
    whole = CallLine(**line.model_dump())
    made = [whole.model_copy(update={"key": key, "text": part}) for key, part in zip(keys, parts, strict=True)]
    return [one.model_dump(mode="json", exclude_none=True) | {"at": line.at} for one in made]


def _named(key: CallKey) -> Document:
    return {"tenant": key.tenant, "connection": key.connection, "call": key.sid, "lines": []}


def _never(transfer: str) -> str:
    """Id of the mark that a transfer is not wanted any more."""
    return f"recalled:{transfer}"


def _document(transfer: Transfer) -> Document:
    """As JSON for the words in it, with its times as times."""
    times = {name: value for name, value in transfer if isinstance(value, datetime)}
    return transfer.model_dump(mode="json", exclude_none=True) | times


def _call(document: Document) -> Call:
    return Call.model_validate(document)
