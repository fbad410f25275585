"""For tests of calls: a collection in memory with as much of MongoDB as calls use, and the webhooks service around."""

import asyncio
import copy
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

import httpx
from fastapi import FastAPI, HTTPException
from pymongo import ReturnDocument
from pymongo.errors import AutoReconnect
from redis.asyncio import Redis

from m2n.adapters.channel import Parsed
from m2n.adapters.edge_host import EdgeHost, Resolved
from m2n.database import Database
from m2n.lanes import LaneAnswer
from m2n.message import Inbound, Receipt
from m2n.serialization import to_json
from m2n.tenant import Connection, ConnectionKind, Tenant
from m2n.wake_ups import WakeUps
from services.channels.twilio_core.signature import signature
from services.channels.voice.adapter import channel
from services.channels.voice.calls import Calls, NewLine
from services.channels.voice.edge import StatusCallbacks
from services.channels.voice.relay import add_socket
from services.channels.voice.routes import router
from services.channels.voice.telling import Telling
from tests.unit.builders import NOON, tenant

SITE = "https://m2n.example"
ACCOUNT, TOKEN, NUMBER = "AC" + "0" * 31 + "1", "12345", "+15550100001"
CALLER, CALL = "+15550100002", "CA" + "0" * 31 + "7"
CONNECTION = "acme-voice"


class NoRedis:
    """Nobody else listens."""

    async def publish(self, *_: object) -> None:
        return None


class Documents:
    """One collection in memory. ``away`` makes each call fail as when no database answers."""

    def __init__(self) -> None:
        self.all: dict[str, dict[str, Any]] = {}
        self.away = False
        self.written = asyncio.Event()
        self.reads = 0

    async def create_index(self, *_: object, **__: object) -> None:
        return None

    async def find_one(self, query: Mapping[str, Any], *_: object) -> dict[str, Any] | None:
        self._answers()
        self.reads += 1
        return copy.deepcopy(next((one for one in self.all.values() if _fits(one, query)), None))

    async def update_one(self, query: Mapping[str, Any], change: Mapping[str, Any], **options: Any) -> Any:
        _, after = self._update(query, change, **options)
        return SimpleNamespace(matched_count=int(after is not None))

    async def find_one_and_update(self, query: Mapping[str, Any], change: Mapping[str, Any], **options: Any) -> Any:
        wanted = options.pop("return_document", ReturnDocument.BEFORE)
        before, after = self._update(query, change, **options)
        return after if wanted is ReturnDocument.AFTER else before

    def _update(
        self, query: Mapping[str, Any], change: Mapping[str, Any], upsert: bool = False, array_filters: Any = ()
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        self._answers()
        found = next((one for one in self.all.values() if _fits(one, query)), None)
        before = copy.deepcopy(found)
        self.written.set()
        if found is None:
            if not upsert:
                return None, None
            found = self.all[query["_id"]] = {"_id": query["_id"]}
            _change(found, {"$set": change.get("$setOnInsert", {})}, array_filters)
        _change(found, {name: what for name, what in change.items() if name != "$setOnInsert"}, array_filters)
        return before, copy.deepcopy(found)

    def _answers(self) -> None:
        if self.away:
            raise AutoReconnect("away")


def _fits(document: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    return all(_condition(_values(document, path.split(".")), wanted) for path, wanted in query.items())


def _values(at: Any, path: list[str]) -> list[Any]:
    """All values at a path; elements of a list are looked into."""
    if not path:
        return [at]
    if isinstance(at, list):
        return [value for one in at for value in _values(one, path)]
    return _values(at[path[0]], path[1:]) if isinstance(at, Mapping) and path[0] in at else []


_TESTS = {
    "$exists": lambda values, wanted: bool(values) == wanted,
    "$ne": lambda values, wanted: wanted not in values,
    "$in": lambda values, wanted: any(value in wanted for value in values),
    "$lt": lambda values, wanted: any(value < wanted for value in values),
    "$lte": lambda values, wanted: any(value <= wanted for value in values),
}


def _condition(values: list[Any], wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return all(_TESTS[test](values, operand) for test, operand in wanted.items())
    return wanted in values


def _change(document: dict[str, Any], change: Mapping[str, Any], array_filters: Any) -> None:
    """Array filters see the document as it was before any of it."""
    changes = [
        (operator, place, name, operand)
        for operator, fields in change.items()
        for path, operand in fields.items()
        for place, name in _places(document, path.split("."), array_filters)
    ]
    for operator, place, name, operand in changes:
        _OPERATORS[operator](place, name, operand)


def _places(at: dict[str, Any], path: list[str], array_filters: Any) -> list[tuple[dict[str, Any], str]]:
    if len(path) == 1:
        return [(at, path[0])]
    if path[1].startswith("$["):
        key = path[1][2:-1]
        (wanted,) = [one for one in array_filters if next(iter(one)).partition(".")[0] == key]
        bare = {name.partition(".")[2]: test for name, test in wanted.items()}
        chosen = [element for element in at.get(path[0], []) if _fits(element, bare)]
        return [place for element in chosen for place in _places(element, path[2:], array_filters)]
    return _places(at.setdefault(path[0], {}), path[1:], array_filters)


def _push(place: dict[str, Any], name: str, operand: Mapping[str, Any]) -> None:
    place[name] = [*place.get(name, []), *operand["$each"]][operand["$slice"] :]


def _max(place: dict[str, Any], name: str, operand: datetime) -> None:
    place[name] = max(place.get(name, operand), operand)


_OPERATORS: dict[str, Any] = {
    "$set": lambda place, name, operand: place.__setitem__(name, copy.deepcopy(operand)),
    "$unset": lambda place, name, _: place.pop(name, None),
    "$push": _push,
    "$max": _max,
}


class Lane:
    """What the lane is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    async def invoke_actor(self, _: str, __: str, ___: str, argument: Any) -> bytes:
        self.told.append(argument)
        return to_json(LaneAnswer(result="applied"))


@dataclass
class VoiceWorld:
    """The webhooks service with calls, without a network: its app, what it keeps, and a caller's requests."""

    app: FastAPI = field(default_factory=FastAPI)
    tenant: Tenant = field(default_factory=tenant)
    line: dict[str, Any] = field(default_factory=dict)
    """Settings of the connection, over the usual ones."""
    kept: list[Inbound] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    documents: Documents = field(default_factory=Documents)
    lane: Lane = field(default_factory=Lane)
    queue_away: bool = False
    tenants_away: bool = False
    site: str = SITE
    now: datetime = NOON

    def __post_init__(self) -> None:
        database = cast(Database, SimpleNamespace(get_collection=lambda *_, **__: self.documents))
        wakeups = WakeUps(cast(Redis, NoRedis()), "voice")
        self.calls = Calls(database, wakeups, lambda: self.now)
        host = cast(EdgeHost, self)
        self.telling = Telling(host, self.calls)
        self.app.include_router(router(host, self.calls, self.telling))
        add_socket(host, self.calls, self.telling)
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=StatusCallbacks(self.app)), base_url=self.site, timeout=30
        )

    # -- as an EdgeHost ----------------------------------------------------------------------------------------

    @property
    def settings(self) -> Any:
        return SimpleNamespace(public_url=self.site)

    @property
    def dapr(self) -> Lane:
        return self.lane

    async def find(self, channel_name: str, connection_id: str) -> Resolved:
        if self.tenants_away:
            raise HTTPException(503, "away")
        if (channel_name, connection_id) != ("voice", CONNECTION):
            raise LookupError(connection_id)
        return Resolved(self.tenant, self.connection, channel, {"auth-token": TOKEN})

    async def keep(self, parsed: Parsed, resolved: Resolved) -> None:
        if self.queue_away:
            raise HTTPException(503, "away")
        self.kept += parsed.messages
        self.receipts += parsed.receipts

    @property
    def connection(self) -> Connection:
        settings = {"account_sid": ACCOUNT, "number": NUMBER, "public_url": self.site, "answer_within_s": 0.4}
        return Connection(id=CONNECTION, kind=ConnectionKind.CHANNEL, adapter="voice", settings=settings | self.line)

    # -- as Twilio ---------------------------------------------------------------------------------------------

    async def asks(self, path: str, token: str = TOKEN, headers: Any = None, **fields: str) -> httpx.Response:
        """One of Twilio's requests; ``path`` with its query."""
        body = urlencode(call_fields() | fields)
        pairs = [(name.encode(), value.encode()) for name, value in (call_fields() | fields).items()]
        signed = {"x-twilio-signature": signature(token, self.site + path, pairs)} if token else {}
        content_type = {"content-type": "application/x-www-form-urlencoded"}
        return await self.http.post(path, content=body, headers=content_type | signed | (headers or {}))

    async def brings(self, text: str, number: int = 1, call: str = CALL, **more: Any) -> httpx.Response:
        """A message for the caller, as the delivery service brings it."""
        line = NewLine(
            **{"key": f"s.{number}", "message": f"s.{number}", "text": text, "author": "bot", "at": NOON} | more
        )
        path = f"/internal/voice/{CONNECTION}/calls/{call}/messages"
        return await self.http.post(path, content=to_json(line), headers={"content-type": "application/json"})

    def document(self) -> dict[str, Any]:
        (found,) = [one for one in self.documents.all.values() if "call" in one]
        return found


def call_fields(**changes: str) -> dict[str, str]:
    return {
        "CallSid": CALL,
        "AccountSid": ACCOUNT,
        "From": CALLER,
        "To": NUMBER,
        "CallStatus": "in-progress",
        "Direction": "inbound",
        "ApiVersion": "2010-04-01",
    } | changes


@asynccontextmanager
async def brought_later(world: VoiceWorld, text: str, after_s: float = 0.05, **more: Any) -> AsyncIterator[None]:
    """The message comes while Twilio's request waits."""

    async def bring() -> None:
        await asyncio.sleep(after_s)
        assert (await world.brings(text, **more)).status_code == 200

    task = asyncio.create_task(bring())
    try:
        yield
    finally:
        await task
