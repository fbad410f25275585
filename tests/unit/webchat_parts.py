"""What the chat's routes need, in memory: an inbox, users, a media library, the way to the queue."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
from fastapi import FastAPI
from pymongo.errors import AutoReconnect
from redis.asyncio import Redis

from m2n.adapters.capabilities import Rate
from m2n.adapters.channel import Parsed
from m2n.adapters.edge_host import Resolved as HostResolved
from m2n.clock import now
from m2n.media import MediaRecord
from m2n.media_store import MediaStoreUnavailable
from m2n.message import MediaState
from m2n.tenant import Connection, ConnectionKind
from m2n.wake_ups import WakeUps
from services.channels.webchat.adapter import WebChat
from services.channels.webchat.browser import BrowserMessage
from services.channels.webchat.cors import OwnWebhook, WebChatCors
from services.channels.webchat.doors import Doors
from services.channels.webchat.inbox import News, VisitorInbox, VisitorKey
from services.channels.webchat.limits import TooMany
from services.channels.webchat.lookup import Resolved
from services.channels.webchat.posting import Posting
from services.channels.webchat.routes import Reading, router
from services.channels.webchat.tokens import Visitor, issue
from services.channels.webchat.uploads import Uploads
from services.channels.webchat.users import UserVisitors
from services.channels.webchat.visitors import Entrance
from tests.unit.builders import tenant

NOW = datetime(2026, 3, 1, 12, 0, 0, 500, tzinfo=UTC)
KEY, IDENTITY_KEY = "a long random text", "another long random text"
SHOP = "https://shop.example"
HOST = "https://hooks.example"


class _NoRedis:
    async def publish(self, _: str, __: str) -> None:
        return None


class MemoryInbox:
    """As ``VisitorInbox``; ``away`` stands for a database that does not answer."""

    def __init__(self) -> None:
        self.wakeups = WakeUps(cast(Redis, _NoRedis()), "webchat")
        self.lines: defaultdict[str, list[BrowserMessage]] = defaultdict(list)
        self.read_to: dict[str, str] = {}
        self.away = False

    async def append(self, key: VisitorKey, message: BrowserMessage) -> bool:
        if self.away:
            raise AutoReconnect("away")
        if any(known.id == message.id for known in self.lines[key.id]):
            return False
        self.lines[key.id].append(message)
        await self.wakeups.wake(key.id)
        return True

    async def confirm(self, key: VisitorKey, message_id: str) -> None:
        lines = self.lines[key.id]
        self.lines[key.id] = [
            one.model_copy(update={"status": "sent"}) if one.id == message_id else one for one in lines
        ]

    async def read(self, key: VisitorKey, vendor_message_id: str) -> None:
        self.read_to[key.id] = "own:" + vendor_message_id.partition(":")[2]
        await self.wakeups.wake(key.id)

    async def known(self, key: VisitorKey, ids: Collection[str]) -> frozenset[str]:
        return frozenset(line.id for line in self.lines[key.id]) & frozenset(ids)

    async def news(self, key: VisitorKey, last_event_id: str | None, read_to: str | None) -> News:
        lines = self.lines[key.id]
        seen = next((at for at, line in enumerate(lines, start=1) if line.id == last_event_id), 0)
        return News(tuple(lines[seen:]), self.read_to.get(key.id))


class MemoryUsers:
    def __init__(self) -> None:
        self.visitors: dict[str, str] = {}

    async def visitor_of(self, user: str, offered: VisitorKey) -> str:
        return self.visitors.setdefault(user, offered.visitor)


class MemoryLibrary:
    def __init__(self) -> None:
        self.saved: dict[tuple[str, str], tuple[bytes, str, str | None]] = {}
        self.away = False

    async def save(
        self, tenant: str, id_: str, content: bytes, *, mime: str, filename: str | None = None
    ) -> MediaRecord:
        if self.away:
            raise MediaStoreUnavailable("away")
        self.saved[tenant, id_] = content, mime, filename
        return MediaRecord(id=id_, tenant=tenant, state=MediaState.STORED, created_at=NOW)

    def link(self, tenant: str, id_: str, valid_for: timedelta) -> str:
        return f"https://hooks.example/media/{tenant}/{id_}?for={valid_for.total_seconds():.0f}"


class CountedLimiter:
    """Lets ``burst`` of each through, as one that nobody waits for."""

    def __init__(self) -> None:
        self.counts: defaultdict[tuple[str, ...], int] = defaultdict(int)

    async def take(self, rate: Rate, *what: str) -> None:
        self.counts[what] += 1
        if self.counts[what] > rate.burst:
            raise TooMany(2.1)


@dataclass
class Queue:
    """Stands for the webhooks service."""

    known: dict[str, Resolved]
    adapter: WebChat
    kept: list[Parsed] = field(default_factory=list)
    fails: Exception | None = None

    async def find(self, channel: str, connection_id: str) -> HostResolved:
        found = self.known[connection_id]
        return HostResolved(tenant(id=found.tenant), found.connection, self.adapter, found.secrets)

    async def keep(self, parsed: Parsed, resolved: HostResolved) -> None:
        if self.fails:
            raise self.fails
        self.kept.append(parsed)


def resolved(
    connection_id: str, adapter: str = "webchat", key: str = KEY, tenant: str = "acme", **settings: Any
) -> Resolved:
    given: dict[str, Any] = {"allowed_origins": [SHOP], "token_ttl_s": 600, **settings} if adapter == "webchat" else {}
    connection = Connection(id=connection_id, kind=ConnectionKind.CHANNEL, adapter=adapter, settings=given)
    return Resolved(tenant, connection, {"signing-key": key, "identity-key": IDENTITY_KEY})


def token(visitor: str = "v1", connection: str = "acme-web", ttl_s: float = 60, user: str | None = None) -> str:
    return issue(Visitor(visitor, NOW + timedelta(seconds=ttl_s), user), connection, KEY)


def bearer(visitor: str = "v1", **more: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {token(visitor, **more)}"}


class Installation:
    """The chat's routes with everything behind them."""

    def __init__(self, *, real_inbox: VisitorInbox | None = None, real_clock: bool = False, **settings: Any) -> None:
        self.known = {
            "acme-web": resolved("acme-web", **settings),
            "globex-web": resolved("globex-web", tenant="globex"),
            "acme-whatsapp": resolved("acme-whatsapp", adapter="whatsapp_twilio"),
            "without-key": resolved("without-key", key=""),
            "without-identities": Resolved("acme", resolved("without-identities").connection, {"signing-key": KEY}),
        }
        self.inbox, self.users, self.library = MemoryInbox(), MemoryUsers(), MemoryLibrary()
        self.limiter = CountedLimiter()
        self.queue = Queue(self.known, WebChat(clock=lambda: NOW))
        doors = Doors(self.lookup, self.limiter, now if real_clock else lambda: NOW)
        inbox = real_inbox or cast(VisitorInbox, self.inbox)
        self.reading = Reading(doors, inbox, lambda tenant, id_: self.library.link(tenant, id_, timedelta(hours=1)))
        entrance = Entrance(doors, cast(UserVisitors, self.users))
        posting = Posting(doors, inbox, self.queue, HOST)
        self.app = FastAPI()
        self.app.include_router(router(self.reading, entrance, posting, Uploads(doors, self.library)))
        self.app.add_middleware(OwnWebhook)
        self.app.add_middleware(WebChatCors, lookup=self.lookup)

    async def lookup(self, connection_id: str) -> Resolved:
        return self.known[connection_id]

    @asynccontextmanager
    async def pages(self) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=HOST) as client:
            yield client

    def box(self, visitor: str = "v1", tenant: str = "acme", connection: str = "acme-web") -> list[BrowserMessage]:
        return self.inbox.lines[VisitorKey(tenant, connection, visitor).id]
