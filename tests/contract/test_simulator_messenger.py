"""Messenger's stand-in and the adapter against each other: what one sends the other takes, if it is right."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI, Request, Response

from m2n.adapters.channel import (
    Accepted,
    CallOutcome,
    Parsed,
    Refused,
    Retry,
    SendContext,
    Signal,
    Uncertain,
    VendorCall,
    WebhookRequest,
)
from m2n.adapters.degradation import rendered
from m2n.message import (
    Address,
    AudioContent,
    Author,
    Button,
    ButtonsContent,
    Content,
    FileContent,
    ImageContent,
    Inbound,
    LocationContent,
    Media,
    Outbound,
    ReactionContent,
    Receipt,
    StickerContent,
    TemplateContent,
    TextContent,
    TypingContent,
    VideoContent,
)
from m2n.tenant import Connection, ConnectionKind
from services.channels.messenger.adapter import channel
from services.simulator.app import create_app
from tests.served_app import served

PAGE, OTHER_PAGE = "100200300400500", "100200300400599"
SECRETS = {"app-secret": "invented-app-secret", "verify-token": "invented-verify", "page-token": "EAAinvented"}
OTHER_SECRETS = SECRETS | {"page-token": "EAAother"}
LINE, OTHER_LINE = "acme-messenger", "acme-messenger-2"
CUSTOMER = "ann"
QUICK = {"sent_s": 0.01, "delivered_s": 0.01, "read_s": 0.01}
WITHIN_S = 10.0
DAY_S = 24 * 3600


@dataclass
class Receiver:
    """Where Messenger posts: our adapter reads what comes. ``refusals``: statuses of the next answers."""

    url: str = ""
    refusals: list[int] = field(default_factory=list)
    verify_token: str = SECRETS["verify-token"]
    handshakes: int = 0
    posts: list[bytes] = field(default_factory=list)
    genuine: list[bool] = field(default_factory=list)
    legacy: list[str] = field(default_factory=list)
    messages: list[Inbound] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def forget(self) -> None:
        self.verify_token, self.handshakes = SECRETS["verify-token"], 0
        for kept in (self.refusals, self.posts, self.genuine, self.legacy, self.messages, self.receipts):
            kept.clear()

    async def take(self, request: Request) -> Response:
        webhook = WebhookRequest(request.method, str(request.url), dict(request.headers), await request.body())
        secrets = SECRETS | {"verify-token": self.verify_token}
        genuine = channel.verify(webhook, connection(), secrets)
        if request.method == "GET":
            self.handshakes += 1
            answer = channel.parse(webhook, "acme", connection(), datetime.now(UTC)).answer
            return Response(answer.body if answer else "") if genuine else Response(status_code=403)
        return await self._take_event(webhook, genuine)

    async def _take_event(self, webhook: WebhookRequest, genuine: bool) -> Response:
        status = self.refusals.pop(0) if self.refusals else 200
        async with self.news:
            self.posts.append(webhook.body)
            self.genuine.append(genuine)
            self.legacy.append(webhook.headers["x-hub-signature"])
            if status == 200:
                self._read(channel.parse(webhook, "acme", connection(), datetime.now(UTC)))
            self.news.notify_all()
        return Response("EVENT_RECEIVED", status)

    def _read(self, parsed: Parsed) -> None:
        assert parsed.unreadable == ()
        self.messages += parsed.messages
        self.receipts += parsed.receipts

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(WITHIN_S), self.news:
            await self.news.wait_for(condition)

    async def told(self, count: int) -> list[Receipt]:
        """The receipts, once there are so many."""
        await self.until(lambda: len(self.receipts) >= count)
        return self.receipts


@pytest.fixture(scope="module")
async def hook() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), FastAPI()
    app.add_api_route("/hook", receiver.take, methods=["GET", "POST"])

    async def picture() -> Response:
        return Response(b"the bytes of a picture", media_type="application/octet-stream")

    app.add_api_route("/files/{name}", picture, methods=["GET"])
    async with served(app) as base:
        receiver.url = f"{base}/hook"
        yield receiver


@pytest.fixture
def receiver(hook: Receiver) -> Receiver:
    return hook


@pytest.fixture(scope="module")
async def base_url() -> AsyncIterator[str]:
    async with served(create_app()) as base:
        yield base


def line(receiver: Receiver, **changes: Any) -> dict[str, Any]:
    values = {
        "channel": "messenger",
        "connection": LINE,
        "title": "Acme",
        "webhook_url": receiver.url,
        "settings": {"page_id": PAGE, "app_id": "1517000000000001", "human_agent": True},
        "secrets": SECRETS,
    }
    return values | changes


@pytest.fixture
async def simulator(base_url: str, receiver: Receiver) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base_url, timeout=20, trust_env=False) as http:
        await ask(http, "DELETE", "/control/conversations")
        receiver.forget()
        await ask(http, "PUT", "/control/lines", **line(receiver))
        await ask(http, "PUT", "/control/statuses", **QUICK)
        yield http


async def ask(http: httpx.AsyncClient, method: str, path: str, **body: Any) -> Any:
    answer = await http.request(method, path, json=body)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def path(customer: str = CUSTOMER, connection_id: str = LINE) -> str:
    return f"/control/lines/messenger/{connection_id}/customers/{customer}/messages"


async def say(simulator: httpx.AsyncClient, customer: str = CUSTOMER, **said: Any) -> Any:
    return await ask(simulator, "POST", path(customer), **said)


async def heard(simulator: httpx.AsyncClient) -> list[dict[str, Any]]:
    return (await simulator.get(path())).json()["messages"]


async def ledger(simulator: httpx.AsyncClient, kind: str) -> list[dict[str, Any]]:
    lines = (await simulator.get("/control/ledger")).content.splitlines()
    return [entry for entry in map(orjson.loads, lines) if entry["kind"] == kind]


def connection(base: str = "http://unused", **settings: Any) -> Connection:
    known = {"page_id": PAGE, "app_id": "1517000000000001", "human_agent": True, "base_url": f"{base}/messenger"}
    return Connection(id=LINE, kind=ConnectionKind.CHANNEL, adapter="messenger", settings=known | settings)


def context(simulator: httpx.AsyncClient, now: datetime | None = None) -> SendContext:
    base = str(simulator.base_url).rstrip("/")
    return SendContext(connection(base), SECRETS, "https://hooks.example/unused", now or datetime.now(UTC))


def outbound(to: str, content: Content, **changes: Any) -> Outbound:
    values: dict[str, Any] = {
        "id": "p1.1.7",
        "tenant": "acme",
        "profile_id": "p1",
        "session_id": "p1.1",
        "seq": 7,
        "address": Address(connection=LINE, channel="messenger", to=to),
        "content": content,
        "author": Author.BOT,
        "decided_at": datetime.now(UTC),
    }
    return Outbound(**(values | changes))


async def made(simulator: httpx.AsyncClient, call: VendorCall) -> CallOutcome:
    answer = await simulator.request(call.method, call.url, headers=dict(call.headers), content=call.json)
    return channel.outcome(answer.status_code, answer.headers, answer.content)


async def send(simulator: httpx.AsyncClient, to: str, content: Content, **changes: Any) -> list[CallOutcome]:
    """What becomes of the calls that the adapter makes of a message."""
    calls = rendered(channel, outbound(to, content, **changes), context(simulator))
    return [await made(simulator, call) for call in calls]


async def greeted(simulator: httpx.AsyncClient, receiver: Receiver) -> str:
    """A customer who has written; where they are reached."""
    await say(simulator, text="hi")
    return receiver.messages[-1].address.to


async def post(simulator: httpx.AsyncClient, body: Any, token: str = SECRETS["page-token"]) -> tuple[int, int, Any]:
    """A bare request; status, and code and subcode of the error."""
    answer = await simulator.post(f"/messenger/v23.0/me/messages?access_token={token}", json=body)
    error = answer.json().get("error", {})
    return answer.status_code, error.get("code"), error.get("error_subcode")


def text_to(psid: str, **more: Any) -> dict[str, Any]:
    return {"recipient": {"id": psid}, "messaging_type": "RESPONSE", "message": {"text": "x"}, **more}


async def test_customers_words_arrive_genuine_and_whole(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    words = "Where is my parcel? 📦 شكرا \0 https://shop.example/a"
    answer = await say(simulator, text=words, reply_to="m_earlier", name="Ann Example")
    (message,) = receiver.messages
    assert message.content == TextContent(text=words)
    assert (message.vendor_message_id, message.reply_to) == (answer["message_id"], "m_earlier")
    assert (answer["status"], answer["tries"], answer["error"]) == (200, 1, None)
    assert receiver.genuine == [True]
    assert receiver.posts[0].isascii()
    assert rb"https:\/\/shop.example\/a" in receiver.posts[0]
    legacy = hmac.new(SECRETS["app-secret"].encode(), receiver.posts[0], hashlib.sha1).hexdigest()
    assert receiver.legacy == [f"sha1={legacy}"]


async def test_people_are_other_people_on_another_page(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    other = line(receiver, connection=OTHER_LINE, settings={"page_id": OTHER_PAGE}, secrets=OTHER_SECRETS)
    await ask(simulator, "PUT", "/control/lines", **other)
    for customer in ("ann", "bob", "ann"):
        await say(simulator, customer, text="hi")
    ann, bob, again = (message.address.to for message in receiver.messages)
    assert ann == again != bob
    receiver.refusals.append(500)
    await ask(simulator, "POST", path("ann", OTHER_LINE), text="hi")
    told = orjson.loads(receiver.posts[-1])["entry"][0]
    assert told["id"] == OTHER_PAGE
    elsewhere = told["messaging"][0]["sender"]["id"]
    assert elsewhere != ann
    assert elsewhere.isdigit()
    assert len(elsewhere) == 17


async def test_every_kind_of_thing_a_customer_does(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    base = receiver.url.removesuffix("/hook")
    files = [
        {"url": f"{base}/files/a.jpg", "content_type": "image/jpeg"},
        {"url": f"{base}/files/a.mp4", "content_type": "video/mp4"},
        {"url": f"{base}/files/a.m4a", "content_type": "audio/mp4", "voice": True},
        {"url": f"{base}/files/a.pdf", "content_type": "application/pdf", "filename": "invoice 1.pdf"},
    ]
    place = {"latitude": 52.0907, "longitude": 5.1214, "label": "Dom Tower"}
    choice = {"id": "track", "title": "Track"}
    await say(simulator, choice=choice)
    await say(simulator, choice=choice, extra={"postback": True})
    await say(simulator, media=files)
    await say(simulator, media=files[:1], extra={"sticker_id": 369239263222822})
    await say(simulator, location=place)
    await say(simulator, reaction={"target": "m_ours", "emoji": "🎉"})
    await say(simulator, reaction={"target": "m_ours"})
    await say(simulator, edit={"target": "m_mine", "text": "better"})
    await say(simulator, edit={"target": "m_mine", "text": "best"})
    found: list[Any] = [message.content for message in receiver.messages]
    assert [one.type for one in found] == [
        "choice", "choice", "image", "video", "audio", "file", "sticker", "location", "reaction", "reaction", "edit",
        "edit",
    ]  # fmt: skip
    assert {(one.id, one.title) for one in found[:2]} == {("track", "Track")}
    assert found[5].media.filename == "invoice 1.pdf"
    assert found[6].media.vendor_id == "369239263222822"
    assert (found[7].latitude, found[7].longitude, found[7].name) == (52.0907, 5.1214, "Dom Tower")
    assert [(one.target, one.emoji) for one in found[8:10]] == [("m_ours", "🎉"), ("m_ours", None)]
    assert [(one.target, one.text) for one in found[10:]] == [("m_mine", "better"), ("m_mine", "best")]
    assert len({message.vendor_message_id for message in receiver.messages}) == len(found)


async def test_same_thing_can_come_twice(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    for said in (
        {"text": "x", "message_id": "m_same"},
        {"reaction": {"target": "m_1", "emoji": "👍"}, "message_id": "r_same"},
        {"edit": {"target": "m_1", "text": "y"}, "message_id": "e_same"},
        {"choice": {"id": "a", "title": "A"}, "extra": {"postback": True}, "message_id": "p_same"},
    ):
        for _ in range(2):
            await say(simulator, **said)
    ids = [message.vendor_message_id for message in receiver.messages]
    assert ids[::2] == ids[1::2]
    assert len(set(ids)) == 4


async def test_events_in_which_nothing_is_said(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await say(simulator, extra={"event": {"referral": {"ref": "spring", "source": "SHORTLINK", "type": "OPEN_THREAD"}}})
    await say(simulator, extra={"event": {"take_thread_control": {"previous_owner_app_id": "1"}}})
    await say(simulator, text="for another app", extra={"standby": True})
    assert len(receiver.posts) == 3
    assert (receiver.messages, receiver.receipts) == ([], [])


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({}, "text, choice"),
        ({"delete": "m_1"}, "delete"),
        ({"digits": "1"}, "digits"),
        ({"hang_up": True}, "hang_up"),
        ({"text": "x", "extra": {"posback": True}}, "extra.posback"),
        ({"extra": {"event": "x"}}, "extra.event"),
    ],
)
async def test_what_a_customer_cannot_do(simulator: httpx.AsyncClient, said: dict[str, Any], names: str) -> None:
    answer = await simulator.post(path(), json=said)
    assert answer.status_code == 422
    assert names in answer.text
    assert await ledger(simulator, "inbound") == []


async def test_endpoint_proves_itself_once_before_the_first_webhook(
    simulator: httpx.AsyncClient, receiver: Receiver
) -> None:
    fresh = line(receiver, webhook_url=f"{receiver.url}?{id(receiver)}-first")
    await ask(simulator, "PUT", "/control/lines", **fresh)
    receiver.verify_token = "another"
    answer = await say(simulator, text="one")
    assert (answer["status"], answer["error"]) == (None, "HandshakeFailed")
    assert (receiver.handshakes, receiver.posts) == (1, [])
    receiver.verify_token = SECRETS["verify-token"]
    await ask(simulator, "DELETE", "/control/conversations")
    for _ in range(2):
        await say(simulator, text="two")
    assert receiver.handshakes == 2
    assert len(receiver.messages) == 2


async def test_webhook_is_posted_until_it_is_taken(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    receiver.refusals += [503, 500]
    answer = await say(simulator, text="hold on")
    assert (answer["status"], answer["tries"]) == (503, 1)
    await receiver.until(lambda: receiver.messages)
    assert len(set(receiver.posts)) == 1
    assert len(receiver.posts) == 3
    tries = [(entry["tries"], entry["status"]) for entry in await ledger(simulator, "webhook")]
    assert tries[:2] == [(1, 503), (2, 500)]


async def test_forgotten_conversations_are_not_told_again(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    receiver.refusals.append(503)
    await say(simulator, text="old")
    await ask(simulator, "DELETE", "/control/conversations")
    receiver.refusals.append(503)
    await say(simulator, text="new")
    await receiver.until(lambda: receiver.messages)
    assert [message.content for message in receiver.messages] == [TextContent(text="new")]
    assert sum(b"old" in body for body in receiver.posts) == 1


ADDRESS = "https://cdn.example/a.bin"
MOST_BUTTONS = tuple(Button(id=f"b{number}", title="t" * 20) for number in range(13))
VARIABLES = (("1", "Ann"), ("url.1", "7"))
TAKEN: list[tuple[str, Content]] = [
    ("the longest text", TextContent(text="é" * 2000)),
    ("a text of several messages", TextContent(text="word " * 1200)),
    ("most quick replies", ButtonsContent(text="?", buttons=MOST_BUTTONS)),
    ("the longest payload", ButtonsContent(text="?", buttons=(Button(id="i" * 512, title="One"),))),
    ("a picture with words", ImageContent(media=Media(url=ADDRESS, mime="image/png"), caption="On the left")),
    ("a sticker", StickerContent(media=Media(url=ADDRESS, mime="image/png"))),
    ("a sound", AudioContent(media=Media(url=ADDRESS, mime="audio/mpeg"))),
    ("a video", VideoContent(media=Media(url=ADDRESS, mime="video/mp4"))),
    ("a file", FileContent(media=Media(url=ADDRESS, mime="application/pdf"))),
    ("a place", LocationContent(latitude=52.09, longitude=5.12, name="Dom Tower")),
    ("a template", TemplateContent(template="order_update", language="de-DE", variables=VARIABLES)),
    ("typing", TypingContent()),
]  # fmt: skip


@pytest.mark.parametrize("content", [content for _, content in TAKEN], ids=[name for name, _ in TAKEN])
async def test_what_the_adapter_renders_is_taken(
    simulator: httpx.AsyncClient, receiver: Receiver, content: Content
) -> None:
    to = await greeted(simulator, receiver)
    outcomes = await send(simulator, to, content)
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert await ledger(simulator, "refused") == []
    seen = [entry["id"] for entry in await heard(simulator)]
    assert seen == [one.vendor_message_id for one in outcomes if isinstance(one, Accepted) and one.vendor_message_id]


async def test_customer_sees_what_was_sent_and_picks_a_choice(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    to = await greeted(simulator, receiver)
    await send(simulator, to, ButtonsContent(text="Which?", buttons=(Button(id="track", title="Track it"),)))
    await send(simulator, to, ImageContent(media=Media(url=ADDRESS, mime="image/png"), caption="On the left"))
    question, picture, caption = await heard(simulator)
    assert (question["text"], question["choices"][0]["title"]) == ("Which?", "Track it")
    assert (picture["pictures"], picture["text"], caption["text"]) == ([ADDRESS], "", "On the left")
    await say(simulator, **question["choices"][0]["says"])
    content: Any = receiver.messages[-1].content
    assert (content.type, content.id, content.title) == ("choice", "track", "Track it")


async def test_signals_and_reactions_are_shown(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    answer = await say(simulator, text="hi")
    to = receiver.messages[-1].address.to
    for kind in ("read", "typing"):
        (call,) = channel.signal(Signal(kind, to, answer["message_id"]), context(simulator))
        assert await made(simulator, call) == Accepted(None)
    assert await send(simulator, to, ReactionContent(target=answer["message_id"], emoji="🎉")) == [Accepted(None)]
    assert await send(simulator, to, ReactionContent(target=answer["message_id"])) == [Accepted(None)]
    noted = await ledger(simulator, "outbound")
    assert [entry["action"] for entry in noted] == ["mark_seen", "typing_on", "react", "unreact"]
    assert noted[2]["reaction"] == {"target": answer["message_id"], "emoji": "🎉"}
    assert await heard(simulator) == []
    (outcome,) = await send(simulator, to, ReactionContent(target="m_of_nobody", emoji="🎉"))
    assert isinstance(outcome, Refused)


def quick(count: int = 1, **changes: Any) -> dict[str, Any]:
    reply = {"content_type": "text", "title": "One", "payload": "1"} | changes
    return {"message": {"text": "?", "quick_replies": [reply] * count}}


PICTURE = {"type": "image", "payload": {"url": ADDRESS}}
NO_ADDRESS = {"type": "image", "payload": {"url": "nowhere"}}
NO_KIND = {"type": "pdf", "payload": {"url": ADDRESS}}
REFUSED: list[tuple[str, dict[str, Any], tuple[int, Any]]] = [
    ("too long", {"message": {"text": "x" * 2001}}, (100, None)),
    ("empty", {"message": {"text": ""}}, (100, None)),
    ("nothing", {"message": {}}, (100, None)),
    ("two contents", {"message": {"text": "x", "attachment": PICTURE}}, (100, None)),
    ("unknown key", {"message": {"text": "x", "texts": "y"}}, (100, None)),
    ("no messaging type", {"messaging_type": None}, (100, None)),
    ("unknown messaging type", {"messaging_type": "ANSWER"}, (100, None)),
    ("dead tag within the window", {"messaging_type": "MESSAGE_TAG", "tag": "ACCOUNT_UPDATE"}, (100, None)),
    ("tag without its type", {"tag": "HUMAN_AGENT"}, (100, None)),
    ("type without a tag", {"messaging_type": "MESSAGE_TAG"}, (100, None)),
    ("14 quick replies", quick(14), (100, None)),
    ("quick reply's title of 21", quick(title="t" * 21), (100, None)),
    ("quick reply's payload of 1001", quick(payload="p" * 1001), (100, None)),
    ("no quick reply", quick(0), (100, None)),
    ("address that is none", {"message": {"attachment": NO_ADDRESS}}, (100, None)),
    ("attachment of no kind", {"message": {"attachment": NO_KIND}}, (100, None)),
    ("metadata of 1001", {"message": {"text": "x", "metadata": "m" * 1001}}, (100, None)),
    ("action beside a message", {"sender_action": "typing_on"}, (100, None)),
    ("unknown action", {"message": None, "sender_action": "dance"}, (100, None)),
    ("reaction without a message", {"message": None, "sender_action": "react"}, (100, None)),
    ("template as free text", {"message": {"template": {"name": "a", "language": {"code": "en"}}}}, (100, None)),
    ("text as utility message", {"messaging_type": "UTILITY"}, (100, None)),
    ("nobody", {"recipient": {"id": "99999999999999999"}}, (100, 2018001)),
    ("no recipient", {"recipient": {}}, (100, None)),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "code"), [(c, e) for _, c, e in REFUSED], ids=[name for name, _, _ in REFUSED])
async def test_wrong_requests_get_metas_code(
    simulator: httpx.AsyncClient, receiver: Receiver, changes: dict[str, Any], code: tuple[int, Any]
) -> None:
    to = await greeted(simulator, receiver)
    assert await post(simulator, text_to(to, **changes)) == (400, *code)
    assert [(entry["code"], entry["subcode"]) for entry in await ledger(simulator, "refused")] == [code]
    assert await heard(simulator) == []


async def test_only_the_pages_own_token_opens_it(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    to = await greeted(simulator, receiver)
    body, bearer = text_to(to), {"authorization": f"Bearer {SECRETS['page-token']}"}

    async def code(url: str, headers: dict[str, str] | None = None) -> Any:
        return (await simulator.post(url, json=body, headers=headers)).json().get("error", {}).get("code")

    assert await code("/messenger/v23.0/me/messages") == 104
    assert await code("/messenger/v23.0/me/messages?access_token=EAAwrong") == 190
    assert await code(f"/messenger/v23.0/{OTHER_PAGE}/messages", bearer) == 100
    assert await code("/messenger/latest/me/messages", bearer) == 2500
    assert await code(f"/messenger/v23.0/{PAGE}/messages?appsecret_proof=00", bearer) == 100
    assert await code(f"/messenger/v23.0/{PAGE}/messages", bearer) is None
    assert await code(f"/messenger/v23.0/me/messages?access_token={SECRETS['page-token']}") is None


async def test_app_that_wants_a_proof_of_its_secret(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    wanting = line(receiver, settings={"page_id": PAGE, "require_app_secret_proof": True})
    await ask(simulator, "PUT", "/control/lines", **wanting)
    to = await greeted(simulator, receiver)
    (refused,) = await send(simulator, to, TextContent(text="x"))
    assert isinstance(refused, Refused)
    base = str(simulator.base_url).rstrip("/")
    proving = SendContext(connection(base, require_app_secret_proof=True), SECRETS, "", datetime.now(UTC))
    (call,) = channel.render(outbound(to, TextContent(text="x")), proving)
    assert isinstance(await made(simulator, call), Accepted)


async def test_free_text_is_taken_for_24_hours(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    to = await greeted(simulator, receiver)
    await ask(simulator, "PUT", "/control/clock", ahead_s=DAY_S - 60)
    assert await post(simulator, text_to(to)) == (200, None, None)
    await ask(simulator, "PUT", "/control/clock", ahead_s=DAY_S + 1)
    assert await post(simulator, text_to(to)) == (400, 10, 2018278)
    (outcome,) = await send(simulator, to, TextContent(text="late"))
    assert isinstance(outcome, Refused)
    assert outcome.window_closed
    (outcome,) = await send(simulator, to, TemplateContent(template="order_update", language="en"))
    assert isinstance(outcome, Accepted)
    await say(simulator, reaction={"target": "m_1", "emoji": "👍"})
    assert await post(simulator, text_to(to)) == (200, None, None)


async def test_people_may_write_for_seven_days(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    to = await greeted(simulator, receiver)
    wrote_at = datetime.now(UTC)

    async def late(days: float) -> CallOutcome:
        await ask(simulator, "PUT", "/control/clock", ahead_s=days * DAY_S)
        agent = outbound(to, TextContent(text="late"), author=Author.AGENT, customer_wrote_at=wrote_at)
        (call,) = channel.render(agent, context(simulator, datetime.now(UTC) + timedelta(days=days)))
        return await made(simulator, call)

    assert isinstance(await late(0.5), Accepted)
    assert isinstance(await late(6.9), Accepted)
    assert [entry["tag"] for entry in await heard(simulator)] == [None, "HUMAN_AGENT"]
    outcome = await late(7.1)
    assert isinstance(outcome, Refused)
    assert outcome.window_closed
    await ask(simulator, "PUT", "/control/lines", **line(receiver, settings={"page_id": PAGE}))
    outcome = await late(2)
    assert isinstance(outcome, Refused)
    assert not outcome.window_closed


async def test_who_blocked_the_page_is_not_available(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    to = await greeted(simulator, receiver)
    answer = await say(simulator, extra={"block": True})
    assert (answer["status"], answer["tries"], len(receiver.posts)) == (None, 0, 1)
    assert await post(simulator, text_to(to)) == (400, 551, 1545041)
    await say(simulator, text="here again")
    assert await post(simulator, text_to(to)) == (200, None, None)


async def test_echo_and_receipts_follow_a_message(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    to = await greeted(simulator, receiver)
    (outcome,) = await send(simulator, to, TextContent(text="It is on its way 📦"))
    assert isinstance(outcome, Accepted)
    mid = outcome.vendor_message_id
    sent, delivered, all_delivered, read = await receiver.told(4)
    assert (sent.status, sent.message_id, sent.vendor_message_id) == ("sent", "p1.1.7", mid)
    assert (delivered.status, delivered.vendor_message_id, delivered.to) == ("delivered", mid, to)
    assert (all_delivered.status, all_delivered.to, all_delivered.until) == ("delivered", to, sent.at)
    assert (read.status, read.to, read.vendor_message_id) == ("read", to, None)
    assert read.until is not None
    assert read.until >= sent.at
    assert len(receiver.messages) == 1
    assert all(receiver.genuine)
    assert [entry["status"] for entry in await ledger(simulator, "status")] == ["sent", "delivered", "read"]


async def test_read_covers_all_that_came_before(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    to = await greeted(simulator, receiver)
    await ask(simulator, "PUT", "/control/statuses", **QUICK, final="sent")
    await send(simulator, to, TextContent(text="one"), id="p1.1.8")
    await receiver.told(1)
    await ask(simulator, "PUT", "/control/statuses", **QUICK)
    await send(simulator, to, TextContent(text="two"), id="p1.1.9")
    receipts = await receiver.told(5)
    assert [one.message_id for one in receipts[:2]] == ["p1.1.8", "p1.1.9"]
    until = receipts[-1].until
    assert until is not None
    assert all(one.at <= until for one in receipts[:2])


async def test_receipts_can_come_out_of_order_and_twice(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    to = await greeted(simulator, receiver)
    await ask(simulator, "PUT", "/control/statuses", **QUICK, shuffled=True, duplicated=True)
    await send(simulator, to, TextContent(text="x"))
    statuses = [receipt.status.value for receipt in await receiver.told(8)]
    assert statuses == ["read", "read", *["delivered"] * 4, "sent", "sent"]


async def test_another_apps_message_is_nobodys_receipt(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    to = await greeted(simulator, receiver)
    await ask(simulator, "PUT", "/control/lines", **line(receiver, settings={"page_id": PAGE, "app_id": "42"}))
    await ask(simulator, "PUT", "/control/statuses", **QUICK, final="sent")
    await send(simulator, to, TextContent(text="from another app of the Page"))
    await receiver.until(lambda: len(receiver.posts) == 2)
    assert orjson.loads(receiver.posts[-1])["entry"][0]["messaging"][0]["message"]["app_id"] == 42
    assert (len(receiver.messages), receiver.receipts) == (1, [])


async def test_files_have_links_for_a_while(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    media = {"url": f"{receiver.url.removesuffix('/hook')}/files/a.jpg", "content_type": "image/jpeg"}
    await say(simulator, media=[media])
    content: Any = receiver.messages[-1].content
    url = channel.media_call(content.media, connection(), SECRETS).url
    found = await simulator.get(url)
    assert (found.status_code, found.content) == (200, b"the bytes of a picture")
    assert found.headers["content-type"] == "image/jpeg"
    ends = httpx.URL(url).params["oe"]
    assert (await simulator.get(url.replace(ends, f"{int(ends, 16) + 9999:x}"))).status_code == 403
    assert (await simulator.get(url.partition("?")[0])).status_code == 403
    await ask(simulator, "PUT", "/control/clock", ahead_s=3700)
    expired = await simulator.get(url)
    assert (expired.status_code, expired.text) == (403, "URL signature expired")


async def test_profile_of_a_customer(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await say(simulator, text="hi", name="Ann Example")
    psid, headers = receiver.messages[-1].address.to, {"authorization": f"Bearer {SECRETS['page-token']}"}
    asked = {"fields": "first_name,last_name,secret_field"}
    answer = await simulator.get(f"/messenger/v23.0/{psid}", params=asked, headers=headers)
    assert answer.json() == {"first_name": "Ann", "last_name": "Example", "id": psid}
    whole = (await simulator.get(f"/messenger/v23.0/{psid}", headers=headers)).json()
    assert (await simulator.get(whole["profile_pic"])).status_code == 200
    assert (await simulator.get(f"/messenger/v23.0/{psid}")).status_code == 401
    nobody = await simulator.get("/messenger/v23.0/123", headers=headers)
    assert (nobody.status_code, nobody.json()["error"]["error_subcode"]) == (400, 33)


async def test_faults_are_met_as_often_as_asked(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    to = await greeted(simulator, receiver)
    fault = {"channel": "messenger", "status": 400, "code": 613, "retry_after_s": 3, "count": 2}
    await ask(simulator, "POST", "/control/faults", **fault)
    await send(simulator, to, TypingContent())
    for _ in range(2):
        (outcome,) = await send(simulator, to, TextContent(text="x"))
        assert isinstance(outcome, Retry)
        assert (outcome.error.code, outcome.after_s, outcome.whole_connection) == ("613", 3.0, True)
    (outcome,) = await send(simulator, to, TextContent(text="x"))
    assert isinstance(outcome, Accepted)


async def test_fault_by_its_subcode(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    to = await greeted(simulator, receiver)
    await ask(simulator, "POST", "/control/faults", channel="messenger", status=400, code=2018278)
    (outcome,) = await send(simulator, to, TextContent(text="x"))
    assert isinstance(outcome, Refused)
    assert (outcome.window_closed, outcome.error.code) == (True, "10/2018278")


@pytest.mark.parametrize(("accepted", "count"), [(True, 1), (False, 0)])
async def test_fault_with_and_without_effect(
    simulator: httpx.AsyncClient, receiver: Receiver, accepted: bool, count: int
) -> None:
    to = await greeted(simulator, receiver)
    await ask(simulator, "POST", "/control/faults", channel="messenger", status=502, accepted=accepted)
    (outcome,) = await send(simulator, to, TextContent(text="x"))
    assert isinstance(outcome, Uncertain)
    assert len(await heard(simulator)) == count


async def test_answer_can_get_lost_or_late(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    to = await greeted(simulator, receiver)
    await ask(simulator, "POST", "/control/faults", channel="messenger", drop=True)
    with pytest.raises(httpx.RemoteProtocolError):
        await send(simulator, to, TextContent(text="lost"))
    await ask(simulator, "POST", "/control/faults", channel="messenger", delay_s=0.2)
    began = asyncio.get_running_loop().time()
    await send(simulator, to, TextContent(text="late"))
    assert asyncio.get_running_loop().time() - began >= 0.2
    assert [entry["text"] for entry in await heard(simulator)] == ["lost", "late"]


async def test_strangers_can_count_as_customers(simulator: httpx.AsyncClient) -> None:
    assert await post(simulator, text_to("24001550100000299")) == (400, 100, 2018001)
    await ask(simulator, "PUT", "/control/strangers", wrote=True)
    try:
        assert await post(simulator, text_to("24001550100000299")) == (200, None, None)
    finally:
        await ask(simulator, "PUT", "/control/strangers", wrote=False)
    (seen,) = (await simulator.get(path("24001550100000299"))).json()["messages"]
    assert seen["text"] == "x"


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"settings": {}}, "settings.page_id"),
        ({"settings": {"page_id": "acme"}}, "settings.page_id"),
        ({"secrets": SECRETS | {"app-secret": ""}}, "secrets.app-secret"),
        ({"secrets": {"app-secret": "x", "page-token": "y"}}, "secrets.verify-token"),
        ({"connection": "acme-messenger-3"}, "settings.page_id"),
        ({"connection": "acme-messenger-3", "settings": {"page_id": "77"}}, "secrets.page-token"),
    ],
)
async def test_lines_that_do_not_fit(
    simulator: httpx.AsyncClient, receiver: Receiver, changes: dict[str, Any], names: str
) -> None:
    answer = await simulator.put("/control/lines", json=line(receiver, **changes))
    assert answer.status_code == 422
    assert names in answer.text
