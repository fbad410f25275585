"""Customers as the services would have left them, written straight into MongoDB: more than a run could ever play."""

import asyncio
import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Self

from pydantic import BaseModel
from pymongo import AsyncMongoClient
from ulid import ULID

from bench.grown_lane import GrownLane
from deploy.local.stack import Stack
from m2n.keys import identity_key, lane_id
from m2n.message import Address, Identity
from m2n.serialization import to_json, to_state
from services.identification.profiles import CustomerProfile, ProfileRef
from services.sessions.lane import APPLIED_FOR, Lane
from services.sessions.lane_store import LaneStore
from services.sessions.transcript import Transcript
from tests.faults.customers import Customer, Line

Document = dict[str, Any]
STATE, LANES = "dapr_state", "lanes"
IDENTIFICATION = "identification"
"""The app whose keys profiles are."""
CHUNK = 5000
CALM_S = 1.0
"""After the checkpoint that follows many writes, before anything is measured."""


@dataclass(frozen=True)
class Person:
    """A customer of a line."""

    line: Line
    profile_id: str
    phone: str

    @classmethod
    def of(cls, customer: Customer) -> "Person":
        return cls(customer.line, str(ULID()), customer.phone)

    @property
    def to(self) -> str:
        return f"whatsapp:{self.phone}"


def crowd(lines: Sequence[Line], count: int) -> Iterator[Person]:
    """So many customers of these lines in turn, whom no plan has."""
    for number in range(count):
        yield Person(lines[number % len(lines)], str(ULID()), f"+1557{number:010d}")


def address_of(line: Line, to: str) -> Address:
    return Address(connection=line.connection, channel=line.channel, to=to)


def profile_documents(person: Person, at: datetime) -> tuple[Document, Document]:
    """What identification keeps of a customer: whose the identity is, and the profile."""
    tenant, phone = person.line.tenant, Identity(scheme="phone", value=person.phone)
    profile = CustomerProfile(
        tenant=tenant, profile_id=person.profile_id, identities=(phone,), display_name="somebody", first_contact=at
    )
    return (
        state_document(IDENTIFICATION, identity_key(tenant, phone), ProfileRef(profile_id=person.profile_id)),
        state_document(IDENTIFICATION, f"profile:{tenant}:{person.profile_id}", profile),
    )


def state_document(app_id: str, key: str, value: BaseModel) -> Document:
    """A value as Dapr's MongoDB store keeps it: the key behind the app's id, and a text in quotes."""
    return {"_id": f"{app_id}||{key}", "value": json.dumps(to_state(value)), "_etag": str(uuid.uuid4()), "_ttl": None}


def lane_document(lane: Lane, due: datetime | None = None) -> Document:
    """A lane as its first save leaves it; ``due`` is when it is to be woken."""
    text = to_json(lane).decode()
    return {"_id": lane_id(lane.tenant, lane.profile_id), "version": 1, "lane": text, "due": due}


class Seeds:
    """Writes into a running stack's database. What was put there for a while goes when it is left."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._passing: defaultdict[str, list[str]] = defaultdict(list)
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        mongo = AsyncMongoClient[Document](self._stack.mongo_url, tz_aware=True)
        self._mongo = await self._opened.enter_async_context(mongo)
        self._database = mongo[self._stack.mongo_database]
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._remove_passing()
        finally:
            await self._opened.aclose()

    async def know(self, people: Iterable[Person], at: datetime, *, passing: bool = False) -> None:
        """Customers with a profile, who first wrote at that time."""
        documents = (document for person in people for document in profile_documents(person, at))
        await self._put(STATE, documents, passing)

    async def sleep(self, lanes: Iterable[Lane], due: datetime, *, passing: bool = False) -> None:
        """Lanes in which nothing is to be done before ``due``."""
        await self._put(LANES, (lane_document(lane, due) for lane in lanes), passing)

    async def converse(self, grown: GrownLane, until: datetime) -> None:
        """A lane, its sets of applied ids and its transcript; the last two by the services' own code."""
        lane = grown.lane
        store, transcript = LaneStore(self._database), Transcript(self._database)
        await self._put(LANES, [lane_document(lane)], passing=False)
        for name, ids in grown.buckets.items():
            await store.keep_applied(lane_id(lane.tenant, lane.profile_id), name, ids, until + APPLIED_FOR)
        await transcript.write(lane.tenant, lane.profile_id, grown.lines)

    async def calm_down(self) -> None:
        """Have MongoDB write down what it was given, so that it does not do it during what is measured."""
        await self._mongo.admin.command("fsync", 1)
        await asyncio.sleep(CALM_S)

    async def _put(self, collection: str, documents: Iterable[Document], passing: bool) -> None:
        left = iter(documents)
        while chunk := list(islice(left, CHUNK)):
            if passing:
                self._passing[collection] += [document["_id"] for document in chunk]
            await self._database[collection].insert_many(chunk, ordered=False)

    async def _remove_passing(self) -> None:
        for collection, ids in self._passing.items():
            for start in range(0, len(ids), CHUNK):
                await self._database[collection].delete_many({"_id": {"$in": ids[start : start + CHUNK]}})
        if self._passing:
            await self.calm_down()
