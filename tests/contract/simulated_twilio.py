"""The simulator in Twilio's place, for Twilio's own client and for our adapters, and a receiver of its webhooks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
from fastapi import FastAPI, Request, Response
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from m2n.adapters.channel import CallOutcome, Channel, Parsed, SendContext, VendorCall, WebhookRequest
from m2n.adapters.degradation import rendered
from m2n.message import Address, Author, Outbound
from m2n.tenant import Connection, ConnectionKind
from services.simulator.app import create_app
from tests.served_app import served

ACCOUNT, TOKEN = "AC" + "0" * 31 + "1", "token-one"
QUICK = {"sent_s": 0.01, "delivered_s": 0.01, "read_s": 0.01}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Receiver:
    """Where Twilio posts: keeps what came and whether Twilio's validator finds it genuine.

    Its address changes when it forgets, so that what is late of an earlier test is not taken for this one's.
    """

    base_url: str = ""
    round: int = 0
    status: int = 200
    answer: str = "<Response/>"
    media_type: str = "text/xml"
    posts: list[dict[str, str]] = field(default_factory=list)
    requests: list[WebhookRequest] = field(default_factory=list)
    genuine: list[bool] = field(default_factory=list)
    idempotency: list[str] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"{self.base_url}/hooks/{self.round}"

    def forget(self) -> None:
        self.round += 1
        self.status, self.answer, self.media_type = 200, "<Response/>", "text/xml"
        for kept in (self.posts, self.requests, self.genuine, self.idempotency):
            kept.clear()

    async def take(self, round: int, request: Request) -> Response:
        if round != self.round:
            return Response("<Response/>", media_type="text/xml")
        body, form = await request.body(), await request.form()
        signature = request.headers["x-twilio-signature"]
        async with self.news:
            self.genuine.append(RequestValidator(TOKEN).validate(str(request.url), form, signature))
            self.idempotency.append(request.headers["i-twilio-idempotency-token"])
            self.posts.append({**request.query_params, **{name: str(value) for name, value in form.items()}})
            self.requests.append(WebhookRequest("POST", str(request.url), dict(request.headers), body))
            self.news.notify_all()
        return Response(self.answer, self.status, media_type=self.media_type)

    async def statuses(self, count: int) -> list[str]:
        """The statuses told, once there are so many callbacks."""

        def told() -> list[str]:
            return [post["MessageStatus"] for post in self.posts if "MessageStatus" in post]

        async with asyncio.timeout(10), self.news:
            await self.news.wait_for(lambda: len(told()) >= count)
        return told()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), FastAPI()
    app.add_api_route("/hooks/{round}", receiver.take, methods=["POST"])
    async with served(app) as base:
        receiver.base_url = base
        yield receiver


PICTURE = b"\x89PNG a picture"


@asynccontextmanager
async def filing() -> AsyncIterator[str]:
    """A site with files: ``/file?type=image/png&size=5`` is of that type, and with a size so long."""
    app = FastAPI()

    async def file(type: str, size: int | None = None) -> Response:
        return Response(PICTURE if size is None else b"x" * size, media_type=type)

    app.add_api_route("/file", file, methods=["GET"])
    async with served(app) as base:
        yield f"{base}/file"


@asynccontextmanager
async def simulating() -> AsyncIterator[str]:
    async with served(create_app()) as base:
        yield base


@asynccontextmanager
async def controlling(base_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The simulator without conversations, with an account, and with statuses that come soon."""
    async with httpx.AsyncClient(base_url=base_url, timeout=20, trust_env=False) as http:
        await ask(http, "DELETE", "/control/conversations")
        await ask(http, "PUT", f"/control/accounts/{ACCOUNT}", token=TOKEN)
        await ask(http, "PUT", "/control/statuses", **QUICK)
        yield http


async def ask(http: httpx.AsyncClient, method: str, path: str, **body: Any) -> Any:
    answer = await http.request(method, path, json=body)
    answer.raise_for_status()
    return answer.json() if answer.content else None


async def ledger(http: httpx.AsyncClient, kind: str) -> list[dict[str, Any]]:
    lines = (await http.get("/control/ledger")).content.splitlines()
    return [entry for entry in map(orjson.loads, lines) if entry["kind"] == kind]


class Redirected(TwilioHttpClient):
    """Twilio's HTTP client with the simulator in Twilio's place."""

    def __init__(self, base_url: str) -> None:
        super().__init__(pool_connections=False, timeout=10)
        self._base_url = base_url

    def request(self, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        host, _, path = url.removeprefix("https://").partition("/")
        assert host in ("api.twilio.com", "messaging.twilio.com")
        return super().request(method, f"{self._base_url}/{path}", *arguments, **options)


def twilio(http: httpx.AsyncClient, sid: str = ACCOUNT, token: str = TOKEN) -> Client:
    return Client(sid, token, http_client=Redirected(str(http.base_url).rstrip("/")))


@dataclass
class Business:
    """A tenant's connection as the platform uses it: our adapter, with the stand-in as its vendor."""

    channel: Channel
    http: httpx.AsyncClient
    receiver: Receiver
    settings: dict[str, Any]

    @property
    def connection(self) -> Connection:
        settings = {"account_sid": ACCOUNT, "base_url": str(self.http.base_url).rstrip("/"), **self.settings}
        name = self.channel.name
        id_ = f"acme-{name.replace('_', '-')}"
        return Connection(id=id_, kind=ConnectionKind.CHANNEL, adapter=name, settings=settings)

    @property
    def secrets(self) -> dict[str, str]:
        return {"auth-token": TOKEN}

    async def enter(self) -> None:
        await ask(
            self.http,
            "PUT",
            "/control/lines",
            channel=self.channel.name,
            connection=self.connection.id,
            title="Acme",
            webhook_url=self.receiver.url,
            settings=self.connection.settings,
            secrets=self.secrets,
        )

    async def customer_says(self, customer: str, **said: Any) -> Any:
        path = f"/control/lines/{self.channel.name}/{self.connection.id}/customers/{customer}/messages"
        return await ask(self.http, "POST", path, **said)

    async def customer_sees(self, customer: str) -> list[dict[str, Any]]:
        path = f"/control/lines/{self.channel.name}/{self.connection.id}/customers/{customer}/messages"
        return (await self.http.get(path)).json()["messages"]

    def parsed(self, number: int = -1) -> Parsed:
        """What our adapter makes of the webhook of a customer's message, after it found it genuine."""
        return self._read([one for one in self.receiver.requests if b"MessageStatus=" not in one.body][number])

    def told(self, number: int = -1) -> Parsed:
        """The same of a status callback."""
        return self._read([one for one in self.receiver.requests if b"MessageStatus=" in one.body][number])

    def _read(self, request: WebhookRequest) -> Parsed:
        assert self.channel.verify(request, self.connection, self.secrets)
        return self.channel.parse(request, "acme", self.connection, NOON)

    @property
    def context(self) -> SendContext:
        return SendContext(self.connection, self.secrets, f"{self.receiver.url}?ref=p1.1.7", NOON)

    async def sends(self, to: str, content: Any, **more: Any) -> list[CallOutcome]:
        """All calls that our adapter makes of a message, and what it makes of the answers."""
        message = Outbound(
            id="p1.1.7",
            tenant="acme",
            profile_id="p1",
            session_id="p1.1",
            seq=7,
            address=Address(connection=self.connection.id, channel=self.channel.name, to=to),
            content=content,
            author=Author.BOT,
            decided_at=NOON,
            **more,
        )
        return [await self.call(call) for call in rendered(self.channel, message, self.context)]

    async def call(self, call: VendorCall) -> CallOutcome:
        answer = await self.http.request(
            call.method, call.url, headers=dict(call.headers), data=dict_of(call.form or ()), auth=call.auth
        )
        return self.channel.outcome(answer.status_code, answer.headers, answer.content)


def dict_of(form: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in form:
        found.setdefault(name, []).append(value)
    return found
