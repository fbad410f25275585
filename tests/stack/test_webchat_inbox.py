"""Visitors' inboxes on a real MongoDB and Redis, and the event stream of a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from redis.asyncio import Redis
from ulid import ULID

from m2n.adapters.capabilities import Rate
from m2n.message import Author, TextContent
from m2n.wake_ups import WakeUps
from services.channels.webchat import reading
from services.channels.webchat.browser import BrowserMessage
from services.channels.webchat.inbox import COLLECTION, KEPT, VisitorInbox, VisitorKey
from services.channels.webchat.limits import RedisLimiter, TooMany
from services.channels.webchat.tokens import Visitor, issue
from services.channels.webchat.users import COLLECTION as USERS
from services.channels.webchat.users import UserVisitors
from tests.served_app import served
from tests.unit.webchat_parts import KEY as SIGNING_KEY
from tests.unit.webchat_parts import Installation

pytestmark = pytest.mark.stack


def key(tenant: str = "acme", visitor: str | None = None) -> VisitorKey:
    return VisitorKey(tenant, "acme-web", visitor or str(ULID()))


def message(number: int, text: str = "hello") -> BrowserMessage:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return BrowserMessage(id=f"s1.{number}", author=Author.BOT, content=TextContent(text=text), at=at)


@pytest.fixture
def inbox(database: Any, redis: Redis) -> VisitorInbox:
    return VisitorInbox(database, WakeUps(redis, "webchat"))


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
    elsewhere, whose = WakeUps(redis, "webchat"), key()
    async with listening(elsewhere):
        with elsewhere.waiter(whose.id) as waiter:
            waiting = asyncio.create_task(waiter.wait(30))
            await inbox.append(whose, message(1))
            await asyncio.wait_for(waiting, 10)


async def test_append_does_without_redis(database: Any) -> None:
    async with Redis(host="127.0.0.1", port=1) as away:
        inbox, whose = VisitorInbox(database, WakeUps(away, "webchat")), key()
        async with asyncio.timeout(2):
            assert await inbox.append(whose, message(1))
        assert await ids(inbox, whose) == ["s1.1"]


@asynccontextmanager
async def chat(inbox: VisitorInbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server with the chat's routes, as the webhooks app has them, on a real inbox."""
    installation = Installation(real_inbox=inbox, real_clock=True)
    async with (
        served(installation.app) as address,
        httpx.AsyncClient(base_url=address, timeout=20, trust_env=False) as client,
    ):
        yield client


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
    async with chat(inbox) as client:
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
    monkeypatch.setattr(reading, "LOOK_AGAIN_S", 60)
    visitor = str(ULID())
    async with chat(inbox) as client:
        await say(client, visitor, 1)
        asked = {"token": token(visitor), "after": "s1.1"}
        async with client.stream("GET", "/webchat/acme-web/events", params=asked) as stream:
            coming = asyncio.create_task(events(stream, 1))
            await say(client, visitor, 2)
            assert await coming == [("s1.2", "text 2")]


async def test_stream_sees_what_another_process_appended_without_a_wake_up(
    inbox: VisitorInbox, database: Any, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LOOK_AGAIN_S", 0.2)
    elsewhere, whose = VisitorInbox(database, WakeUps(redis, "webchat")), key()
    async with chat(inbox) as client:
        asked = {"token": token(whose.visitor)}
        async with client.stream("GET", "/webchat/acme-web/events", params=asked) as stream:
            coming = asyncio.create_task(events(stream, 1))
            await elsewhere.append(whose, message(1, "from afar"))
            assert await coming == [("s1.1", "from afar")]


async def test_stream_ends_with_the_token(inbox: VisitorInbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LOOK_AGAIN_S", 0.2)
    async with chat(inbox) as client:
        asked = {"token": token(str(ULID()), ttl_s=2)}
        async with client.stream("GET", "/webchat/acme-web/events", params=asked) as stream:
            assert stream.status_code == 200
            assert await events(stream, 1) == []


def own(number: int, status: Any = "sending") -> BrowserMessage:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    content = TextContent(text="mine")
    return BrowserMessage(id=f"own:e{number}", author=Author.CUSTOMER, content=content, at=at, status=status)


async def test_own_message_is_confirmed_once(inbox: VisitorInbox) -> None:
    whose = key()
    for number in (1, 2):
        await inbox.append(whose, own(number))
    with inbox.wakeups.waiter(whose.id) as waiter:
        await inbox.confirm(whose, "own:e2")
        await inbox.confirm(whose, "own:e2")
        await inbox.confirm(whose, "own:e9")
        assert await waiter.wait(5) == ("sent own:e2",)
    assert [line.status for line in await inbox.after(whose, None)] == ["sending", "sent"]


async def test_what_was_read_never_goes_back(inbox: VisitorInbox) -> None:
    whose = key()
    for number in (1, 2, 3):
        await inbox.append(whose, own(number))
    for echo, reached in (("e2", "own:e2"), ("e1", "own:e2"), ("e9", "own:e2"), ("e3", "own:e3")):
        await inbox.read(whose, f"{whose.visitor}:{echo}")
        assert (await inbox.news(whose, "own:e3", None)).read_to == reached
    news = await inbox.news(whose, "own:e3", "own:e3")
    assert (news.messages, news.read_to) == ((), "own:e3")
    assert await inbox.known(whose, ["own:e1", "s1.1"]) == {"own:e1"}


async def test_notes_reach_other_processes_once(database: Any, redis: Redis) -> None:
    here, elsewhere, whose = WakeUps(redis, "webchat"), WakeUps(redis, "webchat"), key()
    async with listening(here), listening(elsewhere):
        with here.waiter(whose.id) as near, elsewhere.waiter(whose.id) as far:
            await here.wake(whose.id, 'typing {"on":true}')
            await here.wake(whose.id, "last")
            heard: dict[str, list[str]] = {"near": [], "far": []}
            async with asyncio.timeout(10):
                for name, waiter in (("near", near), ("far", far)):
                    while "last" not in heard[name]:
                        heard[name] += await waiter.wait(1)
            assert heard == {"near": ['typing {"on":true}', "last"], "far": ['typing {"on":true}', "last"]}
            await redis.publish("m2n:webchat-wake-ups", whose.id)  # after this one there can be none of before
            assert await near.wait(5) == ()


async def test_stream_with_both_sides_and_what_is_only_true_now(inbox: VisitorInbox) -> None:
    whose = key()
    await inbox.append(whose, own(1))
    await inbox.append(whose, message(1))
    async with chat(inbox) as client:
        asked = {"token": token(whose.visitor), "both": "true"}
        async with client.stream("GET", "/webchat/acme-web/events", params=asked) as stream:
            lines = stream.aiter_lines()
            assert await named(lines, 3) == [
                ("message", "own:e1"), ("message", "s1.1"), ("status", {"read_to": None}),
            ]  # fmt: skip
            path = f"/internal/webchat/acme-web/visitors/{whose.visitor}/signals"
            await client.post(path, json={"read": f"{whose.visitor}:e1"})
            assert await named(lines, 1) == [("status", {"read_to": "own:e1"})]
            await client.post(path, json={"typing": {"on": True, "author": "agent", "author_name": "Kim"}})
            typing = {"on": True, "author": "agent", "author_name": "Kim"}
            assert await named(lines, 1) == [("typing", typing)]
            await inbox.confirm(whose, "own:e1")
            assert await named(lines, 1) == [("status", {"sent": "own:e1"})]


async def named(lines: AsyncIterator[str], count: int) -> list[tuple[str, Any]]:
    """The next events of a stream: of messages the id, of others the data."""
    found: list[tuple[str, Any]] = []
    event, event_id = "message", ""
    async with asyncio.timeout(20):
        async for line in lines:
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "id":
                event_id = value
            elif name == "data":
                found.append((event, event_id if event == "message" else orjson.loads(value)))
                event, event_id = "message", ""
                if len(found) == count:
                    break
    return found


async def test_users_keep_their_visitor(database: Any) -> None:
    users, first, other = UserVisitors(database), key(), key()
    await users.prepare()
    assert await users.visitor_of("ada", first) == first.visitor
    assert await users.visitor_of("ada", other) == first.visitor
    assert await users.visitor_of("bob", first) not in (first.visitor, other.visitor)
    indexes = await database[USERS].index_information()
    assert indexes["used_at_1"]["expireAfterSeconds"] == 31 * 86_400


async def test_user_who_comes_from_many_places_at_once_is_one_visitor(database: Any) -> None:
    users = UserVisitors(database)
    await users.prepare()
    found = await asyncio.gather(*(users.visitor_of("ada", key()) for _ in range(20)))
    assert len(set(found)) == 1


async def test_limits_hold_for_all_processes_together(redis: Redis) -> None:
    one, other, who = RedisLimiter(redis), RedisLimiter(redis), str(ULID())
    allowed = Rate(per_s=0.01, burst=3)
    for limiter in (one, other, one):
        await limiter.take(allowed, "acme", who)
    for _ in range(3):
        with pytest.raises(TooMany) as refused:
            await other.take(allowed, "acme", who)
        assert 95 <= refused.value.after_s <= 100
    await other.take(allowed, "acme", f"not {who}")


async def test_limits_let_through_again(redis: Redis) -> None:
    limiter, who = RedisLimiter(redis), str(ULID())
    allowed = Rate(per_s=20, burst=1)
    await limiter.take(allowed, who)
    async with asyncio.timeout(10):
        while True:
            try:
                await limiter.take(allowed, who)
                break
            except TooMany:
                await asyncio.sleep(0.01)  # until it is allowed again


async def test_without_redis_nobody_is_held_up() -> None:
    async with Redis(host="127.0.0.1", port=1) as away:
        async with asyncio.timeout(2):
            await RedisLimiter(away).take(Rate(per_s=0.001, burst=1), "acme")
