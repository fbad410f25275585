"""Where messages go that could not be handled: kept in MongoDB, whole, until somebody looks and puts them back.

One letter is one message, however often it fails: it counts on when it fails again after it was put back.
"""

import asyncio
import hashlib
import re
from enum import StrEnum
from typing import Any

import orjson
from pydantic import ConfigDict
from pymongo.errors import DuplicateKeyError

from m2n.database import Client, open_database
from m2n.keys import digest
from m2n.message import Model, Moment
from m2n.settings import Settings
from m2n.tenant import SLUG

COLLECTION = "dead_letters"
REASON_LENGTH = 200
UNKNOWN = "unknown"
"""The reason of a letter whose failures nobody remembers: the process that saw them has ended."""
KEEP_WITHIN_S = 4.0
"""Longer than MongoDB takes, shorter than a sidecar waits for a handler (10 s)."""
_FAILURES = 20
_HISTORY = 50


class Source(StrEnum):
    QUEUE = "queue"
    TOPIC = "topic"
    WEBHOOK = "webhook"


class State(StrEnum):
    KEPT = "kept"
    REDRIVING = "redriving"
    """Being put back; whoever holds the lease does it."""
    REDRIVEN = "redriven"


class Failure(Model):
    """A message that was given up. ``failure_id`` names this failure: told again, it counts once.

    ``reason`` never quotes the message. ``tries`` is 0 when it is not known.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")

    letter_id: str
    failure_id: str
    origin: str
    source: Source
    topic: str
    """The topic, the queue, or a webhook's channel and connection; '' for what was no event at all and so has no place
    to go back to."""
    group: str | None = None
    tenant: str = ""
    reason: str
    tries: int
    at: Moment
    body: bytes


class Redrive(Model):
    """One putting back. ``id`` is the key of its one effect; ``until`` ends the lease of whoever does it."""

    id: str
    by: str
    at: Moment
    until: Moment


class Event(Model):
    """A line of a letter's history: what happened to it, when, by whom."""

    at: Moment
    by: str
    what: str


class DeadLetter(Model):
    id: str
    tenant: str
    origin: str
    source: Source
    topic: str
    group: str | None = None
    reason: str
    tries: int
    first_at: Moment
    last_at: Moment
    state: State
    redrive: Redrive | None = None
    history: tuple[Event, ...] = ()
    size: int
    body: bytes = b""

    @property
    def returnable(self) -> bool:
        return self.source is Source.QUEUE or bool(self.topic)

    def is_being_put_back(self, redrive_id: str) -> bool:
        return self.state is State.REDRIVING and self.redrive is not None and self.redrive.id == redrive_id


def failed_event(origin: str, body: bytes, tries: int, reason: str, at: Moment) -> Failure:
    """An event (a CloudEvent as the topic held it) that its handler could not take.

    The letter is named by the event's data: put back, or published again by its owner, it is a new event with the
    same data.
    """
    envelope = _json_object(body)
    topic = str(envelope.get("topic", "")) if "data" in envelope else ""
    data = orjson.dumps(envelope["data"], option=orjson.OPT_SORT_KEYS) if topic else body
    return Failure(
        letter_id=digest("topic", origin, topic, _sha256(data)),
        failure_id=event_id(envelope) or _sha256(body),
        origin=origin,
        source=Source.TOPIC,
        topic=topic,
        tenant=_tenant_of(envelope.get("data", envelope)),
        reason=reason[:REASON_LENGTH],
        tries=tries,
        at=at,
        body=body,
    )


def failed_message(
    queue: str, group: str, body: str, *, failure_id: str, tries: int, reason: str, at: Moment
) -> Failure:
    """A customer's message that its lane could not take."""
    raw = body.encode()
    return Failure(
        letter_id=digest("queue", queue, group, _sha256(raw)),
        failure_id=failure_id,
        origin="identification",
        source=Source.QUEUE,
        topic=queue,
        group=group,
        tenant=_tenant_of(_json_object(raw)),
        reason=reason[:REASON_LENGTH],
        tries=tries,
        at=at,
        body=raw,
    )


def failed_webhook(channel: str, connection: str, tenant: str, body: bytes, reason: str, at: Moment) -> Failure:
    """A part of a webhook that its adapter could not read. The vendor's repeat of it is the same failure."""
    return Failure(
        letter_id=digest("webhook", channel, connection, _sha256(body)),
        failure_id=_sha256(body),
        origin="webhooks",
        source=Source.WEBHOOK,
        topic=f"{channel}/{connection}",
        tenant=tenant,
        reason=reason[:REASON_LENGTH],
        tries=1,
        at=at,
        body=body,
    )


def event_id(envelope: dict[str, Any]) -> str:
    found = envelope.get("id")
    return found if isinstance(found, str) else ""


class DeadLetters:
    """The collection ``dead_letters``; connects when it is used first. Methods raise pymongo.errors.PyMongoError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None

    async def keep(self, failure: Failure) -> bool:
        """Store the failure in its letter; False when it was there already. Raises TimeoutError, too."""
        async with asyncio.timeout(KEEP_WITHIN_S):
            try:
                return await self._keep(failure, upsert=True)
            except DuplicateKeyError:  # the letter is there: with this failure, or made at the same time with another
                return await self._keep(failure, upsert=False)

    async def _keep(self, failure: Failure, *, upsert: bool) -> bool:
        unseen = {"_id": failure.letter_id, "failures": {"$ne": failure.failure_id}}
        done = await self.collection().update_one(unseen, _kept(failure), upsert=upsert)
        return done.matched_count == 1 or done.upserted_id is not None

    async def get(self, letter_id: str) -> DeadLetter | None:
        """With its body."""
        document = await self.collection().find_one({"_id": letter_id})
        return letter_of(document) if document else None

    def collection(self) -> Any:
        if self._client is None:
            self._client, _ = open_database(self._settings)
        return self._client[self._settings.mongo_database][COLLECTION]

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


def letter_of(document: dict[str, Any]) -> DeadLetter:
    return DeadLetter.model_validate({**document, "id": document["_id"]})


def history_line(at: Moment, by: str, what: str) -> dict[str, Any]:
    """The change that adds a line to a letter's history, as the value of ``$push``."""
    return {"history": {"$each": [{"at": at, "by": by, "what": what}], "$slice": -_HISTORY}}


def _kept(failure: Failure) -> dict[str, Any]:
    first = failure.model_dump(include={"tenant", "origin", "source", "topic", "group", "body"})
    first |= {"first_at": failure.at, "size": len(failure.body)}
    said = f"kept: {failure.reason}"
    return {
        "$setOnInsert": first,
        "$set": {"state": State.KEPT, "reason": failure.reason, "redrive": None},
        "$max": {"last_at": failure.at},
        "$inc": {"tries": failure.tries},
        "$push": {
            "failures": {"$each": [failure.failure_id], "$slice": -_FAILURES},
            **history_line(failure.at, failure.origin, said),
        },
    }


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _tenant_of(data: Any) -> str:
    """The tenant that a message names, '' for none."""
    if not isinstance(data, dict):
        return ""
    for place in (data, data.get("session")):
        if isinstance(place, dict) and isinstance(name := place.get("tenant"), str) and re.fullmatch(SLUG, name):
            return name
    return ""
