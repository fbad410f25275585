"""Visitors' inboxes on a real MongoDB and Redis, and the event stream of a real server."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
import uvicorn
from fastapi import FastAPI
from redis.asyncio import Redis
from ulid import ULID

from m2n.message import Author, TextContent
from m2n.tenant import Connection, ConnectionKind
from services.channels.webchat import routes
from services.channels.webchat.browser import BrowserMessage
from services.channels.webchat.inbox import COLLECTION, KEPT, VisitorInbox, VisitorKey
from services.channels.webchat.routes import Resolved, router
from services.channels.webchat.tokens import Visitor, issue
from services.channels.webchat.wakeups import WakeUps

pytestmark = pytest.mark.stack
SIGNING_KEY = "a long random text"


def key(tenant: str = "acme", visitor: str | None = None) -> VisitorKey:
    return VisitorKey(tenant, "acme-web", visitor or str(ULID()))


def message(number: int, text: str = "hello") -> BrowserMessage:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return BrowserMessage(id=f"s1.{number}", author=Author.BOT, content=TextContent(text=text), at=at)


@pytest.fixture
def inbox(database: Any, redis: Redis) -> VisitorInbox:
    return VisitorInbox(database, WakeUps(redis))


@asynccontextmanager
async def listening(wakeups: WakeUps) -> AsyncIterator[None]:
    """Listens for wake-ups, and has begun to."""
    with wakeups.waiter("nobody's") as first:
        task = asyncio.create_task(wakeups.listen())
        await asyncio.wait_for(first.wait(30), 10)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ids(inbox: VisitorInbox, of: VisitorKey, after: str | None = None) -> list[str]:
    return [found.id for found in await inbox.after(of, after)]


async def test_messages_come_in_order_and_once(inbox: VisitorInbox) -> None:
    whose = key()
    assert [await inbox.append(whose, message(n)) for n in (1, 2, 1, 3, 2)] == [True, True, False, True, False]
    assert await ids(inbox, whose) == ["s1.1", "s1.2", "s1.3"]
    assert await inbox.after(whose, "s1.2") == (message(3),)
    assert await ids(inbox, whose, "s1.3") == []
    assert await ids(inbox, whose, "gone") == ["s1.1", "s1.2", "s1.3"]


async def test_at_once_each_takes_effect_once(inbox: VisitorInbox) -> None:
    whose = key()
    added = await asyncio.gather(*(inbox.append(whose, message(n % 10)) for n in range(60)))
    assert sum(added) == 10
    assert sorted(await ids(inbox, whose)) == sorted(f"s1.{n}" for n in range(10))


async def test_inboxes_of_tenants_and_visitors_are_apart(inbox: VisitorInbox) -> None:
    visitor = str(ULID())
    await inbox.append(key("acme", visitor), message(1))
    assert await ids(inbox, key("globex", visitor)) == []
    assert await ids(inbox, key("acme")) == []


async def test_only_the_last_are_kept(inbox: VisitorInbox) -> None:
    whose = key()
    for number in range(KEPT + 5):
        await inbox.append(whose, message(number))
    assert await ids(inbox, whose) == [f"s1.{n}" for n in range(5, KEPT + 5)]


async def test_huge_messages_push_older_ones_out_instead_of_failing(inbox: VisitorInbox) -> None:
    whose = key()
    for number in range(80):
        assert await inbox.append(whose, message(number, "👋" * 60_000))
    kept = await ids(inbox, whose)
    assert kept[-1] == "s1.79"
    assert len(kept) >= 20


async def test_old_inboxes_are_removed_by_the_database(inbox: VisitorInbox, database: Any) -> None:
    await inbox.prepare()
    await inbox.append(key(), message(1))
    indexes = await database[COLLECTION].index_information()
    assert indexes["written_at_1"]["expireAfterSeconds"] == 31 * 86_400


async def test_wake_ups_reach_other_processes(inbox: VisitorInbox, database: Any, redis: Redis) -> None:
    elsewhere, whose = WakeUps(redis), key()
    async with listening(elsewhere):
        with elsewhere.waiter(whose.id) as waiter:
            waiting = asyncio.create_task(waiter.wait(30))
            await inbox.append(whose, message(1))
            await asyncio.wait_for(waiting, 10)


async def test_append_does_without_redis(database: Any) -> None:
    async with Redis(host="127.0.0.1", port=1) as away:
        inbox, whose = VisitorInbox(database, WakeUps(away)), key()
        async with asyncio.timeout(2):
            assert await inbox.append(whose, message(1))
        assert await ids(inbox, whose) == ["s1.1"]


class Chat:
    """A server with the chat's routes, as the webhooks app has them."""

    def __init__(self, inbox: VisitorInbox) -> None:
        connection = Connection(id="acme-web", kind=ConnectionKind.CHANNEL, adapter="webchat")
        self._resolved = Resolved("acme", connection, {"signing-key": SIGNING_KEY})
        app = FastAPI()
        app.include_router(router(self._lookup, inbox))
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))

    async def _lookup(self, _: str) -> Resolved:
        return self._resolved

    @asynccontextmanager
    async def running(self) -> AsyncIterator[httpx.AsyncClient]:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        serving = asyncio.create_task(self._server.serve([listener]))
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as client:
                yield client
        finally:
            self._server.should_exit = True
            await serving


async def events(answer: httpx.Response, count: int) -> list[tuple[str, str]]:
    """The next events of a stream: id and text."""
    found: list[tuple[str, str]] = []
    event_id = ""
    async with asyncio.timeout(20):
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                event_id = line[4:]
            elif line.startswith("data: "):
                found.append((event_id, orjson.loads(line[6:])["content"]["text"]))
                if len(found) == count:
                    break
    return found


def token(visitor: str, ttl_s: float = 600) -> str:
    return issue(Visitor(visitor, datetime.now(UTC) + timedelta(seconds=ttl_s)), "acme-web", SIGNING_KEY)


async def say(client: httpx.AsyncClient, visitor: str, number: int) -> dict[str, Any]:
    path = f"/internal/webchat/acme-web/visitors/{visitor}/messages"
    sent = message(number, f"text {number}").model_dump_json()
    answer = await client.post(path, content=sent, headers={"content-type": "application/json"})
    return answer.json()


async def test_stream_shows_what_comes_and_resumes_with_nothing_missed(inbox: VisitorInbox) -> None:
    visitor = str(ULID())
    async with Chat(inbox).running() as client:
        assert await say(client, visitor, 1) == {"new": True}
        assert await say(client, visitor, 1) == {"new": False}
        good = {"authorization": f"Bearer {token(visitor)}"}
        async with client.stream("GET", "/webchat/acme-web/events", headers=good) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert await events(stream, 1) == [("s1.1", "text 1")]
        for number in (2, 3):
            await say(client, visitor, number)
        resumed = good | {"last-event-id": "s1.1"}
        async with client.stream("GET", "/webchat/acme-web/events?after=s1.0", headers=resumed) as stream:
            assert await events(stream, 2) == [("s1.2", "text 2"), ("s1.3", "text 3")]


async def test_stream_by_query_is_woken_at_once(inbox: VisitorInbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "LOOK_AGAIN_S", 60)
    visitor = str(ULID())
    async with Chat(inbox).running() as client:
        await say(client, visitor, 1)
        asked = {"token": token(visitor), "after": "s1.1"}
        async with client.stream("GET", "/webchat/acme-web/events", params=asked) as stream:
            coming = asyncio.create_task(events(stream, 1))
            await say(client, visitor, 2)
            assert await coming == [("s1.2", "text 2")]


async def test_stream_sees_what_another_process_appended_without_a_wake_up(
    inbox: VisitorInbox, database: Any, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "LOOK_AGAIN_S", 0.2)
    elsewhere, whose = VisitorInbox(database, WakeUps(redis)), key()
    async with Chat(inbox).running() as client:
        asked = {"token": token(whose.visitor)}
        async with client.stream("GET", "/webchat/acme-web/events", params=asked) as stream:
            coming = asyncio.create_task(events(stream, 1))
            await elsewhere.append(whose, message(1, "from afar"))
            assert await coming == [("s1.1", "from afar")]


async def test_stream_ends_with_the_token(inbox: VisitorInbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "LOOK_AGAIN_S", 0.2)
    async with Chat(inbox).running() as client:
        asked = {"token": token(str(ULID()), ttl_s=2)}
        async with client.stream("GET", "/webchat/acme-web/events", params=asked) as stream:
            assert stream.status_code == 200
            assert await events(stream, 1) == []
