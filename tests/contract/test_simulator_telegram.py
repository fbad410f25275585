"""Telegram's stand-in: real requests over HTTP, and the adapter against it in both directions."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI, Request, Response

from m2n.adapters.channel import (
    Accepted,
    CallOutcome,
    MediaCall,
    Parsed,
    Refused,
    Retry,
    SendContext,
    Uncertain,
    WebhookRequest,
)
from m2n.adapters.degradation import rendered
from m2n.message import (
    Address,
    AudioContent,
    Author,
    Button,
    ButtonsContent,
    ConsentWord,
    Contact,
    ContactCardContent,
    Content,
    DeleteContent,
    EditContent,
    FileContent,
    ImageContent,
    Inbound,
    ListContent,
    ListItem,
    LocationContent,
    Media,
    OptedOut,
    Outbound,
    ReactionContent,
    StickerContent,
    TextContent,
    TypingContent,
    VideoContent,
)
from m2n.tenant import Connection, ConnectionKind
from services.channels.telegram.adapter import channel
from services.channels.telegram.settings import BOT_TOKEN, SECRET_TOKEN
from services.simulator import control, line_control
from services.simulator.app import create_app
from services.simulator.setup_file import SetupFile
from services.simulator.state import State
from services.simulator.telegram.stand_in import Telegram
from tests.served_app import served
from tests.waiting import eventually

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TOKEN, SECRET = "6000001:AAExample-example_example", "a-secret_of-ours"
CUSTOMER, CHAT = "7000042", 7000042
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@dataclass
class Receiver:
    """Where Telegram posts: keeps what came; answers what it is told to, in the end as the adapter does."""

    base: str = ""
    requests: list[WebhookRequest] = field(default_factory=list)
    answers: deque[Response] = field(default_factory=deque)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.base}/hook"

    async def take(self, request: Request) -> Response:
        webhook = WebhookRequest("POST", self.url, dict(request.headers), await request.body())
        async with self.news:
            self.requests.append(webhook)
            self.news.notify_all()
        if self.answers:
            return self.answers.popleft()
        answer = read(webhook).answer
        return Response(answer.body, answer.status, media_type=answer.media_type) if answer else Response()

    async def file(self, name: str) -> Response:
        content, mime = self.files.get(name, (b"", ""))
        return Response(content, 200 if mime else 404, media_type=mime or "text/plain")

    async def posted(self, count: int) -> list[dict[str, Any]]:
        """The updates, once so many have come."""
        async with asyncio.timeout(20), self.news:
            await self.news.wait_for(lambda: len(self.requests) >= count)
        return [orjson.loads(request.body) for request in self.requests]


def connection(base_url: str = "") -> Connection:
    settings = {"base_url": f"{base_url}/telegram"} if base_url else {}
    return Connection(id="acme-telegram", kind=ConnectionKind.CHANNEL, adapter="telegram", settings=settings)


SECRETS = {BOT_TOKEN: TOKEN, SECRET_TOKEN: SECRET}


def read(webhook: WebhookRequest) -> Parsed:
    """What the adapter makes of a webhook that it finds genuine."""
    assert channel.verify(webhook, connection(), SECRETS)
    parsed = channel.parse(webhook, "acme", connection(), NOON)
    assert parsed.unreadable == ()
    return parsed


@pytest.fixture(scope="module")
async def hook() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), FastAPI()
    app.add_api_route("/hook", receiver.take, methods=["POST"])
    app.add_api_route("/files/{name}", receiver.file, methods=["GET"])
    async with served(app) as base:
        receiver.base = base
        yield receiver


@pytest.fixture
def receiver(hook: Receiver) -> Receiver:
    for kept in (hook.requests, hook.answers, hook.files):
        kept.clear()
    return hook


@pytest.fixture(scope="module")
async def base_url() -> AsyncIterator[str]:
    async with served(create_app()) as base:
        yield base


@dataclass
class World:
    """A bot at the stand-in, and both sides of it."""

    http: httpx.AsyncClient
    receiver: Receiver

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.http.request(method, f"/control{path}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def enter(self, connection_id: str = "acme-telegram", **changes: Any) -> httpx.Response:
        line = {
            "channel": "telegram",
            "connection": connection_id,
            "title": "Acme",
            "webhook_url": self.receiver.url,
            "secrets": SECRETS,
        }
        return await self.http.put("/control/lines", json=line | changes)

    async def try_to_say(self, customer: str = CUSTOMER, **said: Any) -> httpx.Response:
        path = f"/control/lines/telegram/acme-telegram/customers/{customer}/messages"
        return await self.http.post(path, json=said)

    async def say(self, **said: Any) -> dict[str, Any]:
        answer = await self.try_to_say(**said)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def said(self, **said: Any) -> Inbound:
        """What the adapter makes of what the customer does; one message."""
        before = len(self.receiver.requests)
        answer = await self.say(**said)
        assert answer["status"] == 200
        (request,) = self.receiver.requests[before:]
        (message,) = read(request).messages
        assert message.vendor_message_id == answer["message_id"]
        return message

    async def call(self, method: str, token: str = TOKEN, **arguments: Any) -> httpx.Response:
        return await self.http.post(f"/telegram/bot{token}/{method}", json=arguments)

    async def refusal(self, method: str, **arguments: Any) -> tuple[int, str]:
        answer = await self.http.post(f"/telegram/bot{TOKEN}/{method}", json={"chat_id": CHAT} | arguments)
        body = answer.json()
        assert (body["ok"], body["error_code"]) == (False, answer.status_code)
        return answer.status_code, body["description"]

    async def send(self, content: Content, reply_to: str | None = None) -> list[CallOutcome]:
        """What the adapter renders, and what it makes of the stand-in's answers."""
        message = Outbound(
            id="p1.1.7", tenant="acme", profile_id="p1", session_id="p1.1", seq=7, content=content, author=Author.BOT,
            address=Address(connection="acme-telegram", channel="telegram", to=CUSTOMER), decided_at=NOON,
            reply_to=reply_to,
        )  # fmt: skip
        base = str(self.http.base_url).rstrip("/")
        calls = rendered(channel, message, SendContext(connection(base), SECRETS, "", NOON))
        answers = [await self.http.request(c.method, c.url, content=c.json, headers=JSON) for c in calls]
        return [channel.outcome(answer.status_code, answer.headers, answer.content) for answer in answers]

    async def taken(self, content: Content, reply_to: str | None = None) -> str:
        """The vendor's name of the message that was sent."""
        (outcome,) = await self.send(content, reply_to)
        assert isinstance(outcome, Accepted)
        assert outcome.vendor_message_id
        return outcome.vendor_message_id

    async def heard(self, customer: str = CUSTOMER) -> list[dict[str, Any]]:
        path = f"/lines/telegram/acme-telegram/customers/{customer}/messages"
        return (await self.control("GET", path))["messages"]

    async def ledger(self, kind: str) -> list[dict[str, Any]]:
        lines = (await self.http.get("/control/ledger")).content.splitlines()
        return [entry for entry in map(orjson.loads, lines) if entry["kind"] == kind]


JSON = {"content-type": "application/json"}


@asynccontextmanager
async def world_at(base: str, receiver: Receiver) -> AsyncIterator[World]:
    async with httpx.AsyncClient(base_url=base, timeout=30, trust_env=False) as http:
        world = World(http, receiver)
        await world.control("DELETE", "/conversations")
        assert (await world.enter()).status_code == 204
        yield world


@pytest.fixture
async def world(base_url: str, receiver: Receiver) -> AsyncIterator[World]:
    async with world_at(base_url, receiver) as world:
        yield world


# What the customer does reaches us


async def test_words_arrive_signed_and_complete(world: World) -> None:
    found = await world.said(text="Where is it? 📦", name="Ada Example", extra={"language": "de"})
    assert found.content == TextContent(text="Where is it? 📦")
    assert (found.address.to, found.display_name, found.language) == (CUSTOMER, "Ada Example", "de")
    assert found.vendor_time is not None
    (update,) = await world.receiver.posted(1)
    assert update["message"]["chat"]["type"] == "private"


async def test_a_customer_is_the_same_person_each_time_and_another_is_another(world: World) -> None:
    for customer in ("Ada", "Ada", "Ben", "+15550100002"):
        assert (await world.try_to_say(customer, text="hi")).status_code == 200
    people = [update["message"]["chat"]["id"] for update in await world.receiver.posted(4)]
    assert people[0] == people[1]
    assert len(set(people)) == 3
    assert people[3] == 15550100002


async def test_places_and_venues(world: World) -> None:
    at: dict[str, Any] = {"latitude": 52.0907, "longitude": 5.1214}
    assert (await world.said(location=at)).content == LocationContent(**at)
    found = await world.said(location=at | {"label": "Dom Tower", "address": "Domplein 29"})
    assert found.content == LocationContent(**at, name="Dom Tower", address="Domplein 29")


@pytest.mark.parametrize(
    ("media", "kind"),
    [
        ({"content_type": "image/png"}, "image"),
        ({"content_type": "image/webp"}, "sticker"),
        ({"content_type": "audio/ogg", "voice": True}, "audio"),
        ({"content_type": "audio/mpeg", "filename": "song.mp3"}, "audio"),
        ({"content_type": "video/mp4"}, "video"),
        ({"content_type": "application/pdf", "filename": "bill.pdf"}, "file"),
    ],
)
async def test_media_are_fetched_as_the_adapter_says(world: World, media: dict[str, Any], kind: str) -> None:
    world.receiver.files["a"] = (PNG, media["content_type"])
    content: Any = (await world.said(text="look", media=[media | {"url": f"{world.receiver.base}/files/a"}])).content
    assert content.type == kind
    assert content.media.filename == media.get("filename")
    assert content.media.voice == media.get("voice", False)
    assert getattr(content, "caption", "look") == "look"
    assert await fetched(world, content.media) == PNG


async def fetched(world: World, media: Media) -> bytes:
    base = str(world.http.base_url).rstrip("/")
    call: MediaCall | None = channel.media_call(media, connection(base), SECRETS)
    while call:
        answer = await world.http.get(call.url)
        answer.raise_for_status()
        if call.then is None:
            return answer.content
        call = call.then(answer.content)
    raise AssertionError


async def test_an_album_is_one_message_each_in_order(world: World) -> None:
    pieces = [{"url": f"{world.receiver.base}/files/{n}", "content_type": "image/jpeg"} for n in range(3)]
    await world.say(media=pieces, text="all of them")
    found = [read(request).messages[0] for request in world.receiver.requests]
    assert [getattr(message.content, "caption", "") for message in found] == ["all of them", None, None]
    assert len({message.vendor_message_id for message in found}) == 3


async def test_files_are_offered_for_an_hour_to_the_bot_alone(world: World) -> None:
    world.receiver.files["a"] = (PNG, "image/png")
    content: Any = (
        await world.said(media=[{"url": f"{world.receiver.base}/files/a", "content_type": "image/png"}])
    ).content
    found = (await world.call("getFile", file_id=content.media.vendor_id)).json()["result"]
    assert found["file_size"] == len(PNG)
    path = f"/telegram/file/bot{TOKEN}/{found['file_path']}"
    assert (await world.http.get(path)).content == PNG
    assert (await world.http.get(path.replace(TOKEN, "6000009:x"))).status_code == 401
    await world.control("PUT", "/clock", {"ahead_s": 3700})
    assert (await world.http.get(path)).status_code == 404
    assert (await world.refusal("getFile", file_id="nothing"))[1] == "Bad Request: invalid file_id"


async def test_files_that_are_too_big_are_not_offered(world: World) -> None:
    world.receiver.files["big"] = (b"\0" * (20 * 1024 * 1024 + 1), "video/mp4")
    media = [{"url": f"{world.receiver.base}/files/big", "content_type": "video/mp4"}]
    content: Any = (await world.said(media=media)).content
    assert (await world.refusal("getFile", file_id=content.media.vendor_id))[1] == "Bad Request: file is too big"


async def test_a_press_is_a_choice_and_is_answered(world: World) -> None:
    await world.say(text="/start")
    buttons = (Button(id="confirm_1", title="Yes, please"), Button(id="cancel_1", title="No"))
    offered = await world.taken(ButtonsContent(text="Sure?", buttons=buttons))
    shown = (await world.heard())[-1]
    assert [choice["title"] for choice in shown["choices"]] == ["Yes, please", "No"]
    found = await world.said(**shown["choices"][0]["says"])
    assert found.content.model_dump() == {"type": "choice", "id": "confirm_1", "title": "Yes, please"}
    assert found.reply_to == offered
    query = orjson.loads(world.receiver.requests[-1].body)["callback_query"]["id"]
    assert [entry["answered"] for entry in await world.ledger("callback")] == [query]
    too_late = await world.refusal("answerCallbackQuery", callback_query_id=query)
    assert "query is too old" in too_late[1]


async def test_a_button_that_was_not_offered_cannot_be_pressed(world: World) -> None:
    await world.say(text="hi")
    answer = await world.try_to_say(choice={"id": "confirm_1", "title": "Yes"})
    assert (answer.status_code, "choice.id" in answer.text) == (422, True)


async def test_edits_reactions_and_answers_name_their_message(world: World) -> None:
    first = await world.said(text="Where is it")
    edit = await world.said(edit={"target": first.vendor_message_id, "text": "Where is it?"})
    assert edit.content == EditContent(target=first.vendor_message_id, text="Where is it?")
    ours = await world.taken(TextContent(text="On its way"))
    liked = await world.said(reaction={"target": ours, "emoji": "👍"})
    assert liked.content == ReactionContent(target=ours, emoji="👍")
    back = await world.said(reaction={"target": ours, "emoji": None})
    assert back.content == ReactionContent(target=ours)
    old = orjson.loads(world.receiver.requests[-1].body)["message_reaction"]["old_reaction"]
    assert old == [{"type": "emoji", "emoji": "👍"}]
    assert (await world.said(text="Thanks", reply_to=ours)).reply_to == ours


async def test_blocking_is_an_opt_out_until_it_is_taken_back(world: World) -> None:
    await world.say(text="hi")
    assert (await world.said(extra={"block": True})).consent is ConsentWord.STOP
    (refused,) = await world.send(TextContent(text="are you there?"))
    assert isinstance(refused, Refused)
    assert refused.opted_out is OptedOut.ALL
    assert (await world.try_to_say(text="hm")).status_code == 422
    assert (await world.said(extra={"block": False})).consent is ConsentWord.START
    assert await world.taken(TextContent(text="welcome back"))


async def test_kinds_that_are_new_come_through(world: World) -> None:
    found = await world.said(extra={"message": {"dice": {"emoji": "🎲", "value": 3}}})
    assert found.content.model_dump()["vendor_type"] == "dice"


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({}, "expected one of"),
        ({"digits": "1"}, "digits"),
        ({"hang_up": True}, "hang_up"),
        ({"delete": "7000042:1"}, "delete"),
        ({"extra": {"colour": 1}}, "extra.colour"),
        ({"edit": {"target": "7000042:1", "text": "x"}}, "edit.target"),
        ({"reaction": {"target": "x", "emoji": "👍"}}, "reaction.target"),
        ({"text": "x", "reply_to": "7000042:1"}, "reply_to"),
    ],
)
async def test_what_telegram_does_not_have_is_refused_by_name(world: World, said: dict[str, Any], names: str) -> None:
    answer = await world.try_to_say(**said)
    assert (answer.status_code, names in answer.text) == (422, True)
    assert world.receiver.requests == []


async def test_same_thing_can_be_done_twice(world: World) -> None:
    await asyncio.gather(*(world.say(text="x", message_id="once") for _ in range(2)))
    one, other = await world.receiver.posted(2)
    assert one == other
    again = await world.say(text="x", message_id=f"{CHAT}:{one['message']['message_id']}")
    assert (await world.receiver.posted(3))[2] == one
    assert again["message_id"] == f"{CHAT}:{one['message']['message_id']}"


# How updates are posted


async def test_an_update_is_posted_again_until_it_is_taken(base_url: str, receiver: Receiver, world: World) -> None:
    receiver.answers.extend([Response(status_code=503), Response(status_code=500)])
    answer = await world.say(text="x")
    assert (answer["status"], answer["tries"]) == (503, 1)
    updates = await receiver.posted(3)
    assert updates[0] == updates[1] == updates[2]

    async def noted() -> bool:
        return len(await world.ledger("webhook")) == 3

    await eventually(noted, 10)
    assert [(entry["status"], entry["tries"]) for entry in await world.ledger("webhook")] == [
        (503, 1),
        (500, 2),
        (200, 3),
    ]


async def test_later_updates_of_a_chat_wait_and_other_chats_do_not(world: World) -> None:
    world.receiver.answers.append(Response(status_code=503, headers={"retry-after": "1"}))
    await world.say(text="first")
    second = asyncio.create_task(world.say(text="second"))
    await world.try_to_say("Ben", text="elsewhere")
    assert not second.done()
    assert (await second)["status"] == 200
    texts = [update["message"]["text"] for update in await world.receiver.posted(4)]
    assert texts == ["first", "elsewhere", "first", "second"]


async def test_retry_after_is_honoured(world: World) -> None:
    world.receiver.answers.append(Response(status_code=429, headers={"retry-after": "1"}))
    began = asyncio.get_running_loop().time()
    await world.say(text="x")
    await world.receiver.posted(2)
    assert asyncio.get_running_loop().time() - began >= 1


async def test_a_forgotten_conversation_is_not_posted_any_more(world: World) -> None:
    world.receiver.answers.append(Response(status_code=503, headers={"retry-after": "1"}))
    await world.say(text="first")
    second = asyncio.create_task(world.say(text="second"))

    async def both_wait() -> bool:
        return (await world.call("getWebhookInfo")).json()["result"]["pending_update_count"] == 2

    await eventually(both_wait, 10)
    await world.control("DELETE", "/conversations")
    assert (await second)["error"] == "the conversation was forgotten"
    assert len(world.receiver.requests) == 1


async def test_updates_that_are_a_day_old_are_dropped(world: World) -> None:
    world.receiver.answers.append(Response(status_code=503, headers={"retry-after": "1"}))
    await world.say(text="first")
    await world.control("PUT", "/clock", {"ahead_s": 24 * 3600})
    world.receiver.answers.append(Response(status_code=503))
    assert (await world.say(text="second"))["status"] == 200
    texts = [update["message"]["text"] for update in await world.receiver.posted(3)]
    assert texts == ["first", "first", "second"]


async def test_a_method_in_the_webhooks_answer_is_carried_out(world: World) -> None:
    method = {"method": "sendMessage", "chat_id": CHAT, "text": "in the answer"}
    world.receiver.answers.append(Response(orjson.dumps(method), media_type="application/json"))
    await world.say(text="x")
    assert [message["text"] for message in await world.heard()] == ["in the answer"]
    for asked in ({"method": "setWebhook", "url": ""}, {"method": "getMe"}, {"method": "nothing"}, [], "x"):
        world.receiver.answers.append(Response(orjson.dumps(asked), media_type="application/json"))
        assert (await world.say(text="x"))["status"] == 200
    assert (await world.call("getWebhookInfo")).json()["result"]["url"] == world.receiver.url


async def test_the_webhook_is_told_what_went_wrong(world: World) -> None:
    info = (await world.call("getWebhookInfo")).json()["result"]
    assert info["url"] == world.receiver.url
    assert "message_reaction" in info["allowed_updates"]
    world.receiver.answers.append(Response(status_code=503))
    await world.say(text="x")
    await world.receiver.posted(2)
    info = (await world.call("getWebhookInfo")).json()["result"]
    assert info["last_error_message"] == "Wrong response from the webhook: 503"


async def test_set_webhook_decides_where_to_with_which_secret_and_for_what(world: World) -> None:
    ask = {"url": world.receiver.url, "secret_token": "other", "allowed_updates": ["message"]}
    assert (await world.call("setWebhook", **ask)).json() == {"ok": True, "result": True}
    world.receiver.answers.append(Response())
    await world.say(text="x")
    assert world.receiver.requests[0].headers["x-telegram-bot-api-secret-token"] == "other"
    ours = (await world.call("sendMessage", chat_id=CHAT, text="x")).json()["result"]["message_id"]
    answer = await world.say(reaction={"target": str(ours), "emoji": "👍"})
    assert (answer["status"], "allowed_updates" in answer["error"]) == (None, True)
    for wrong, words in (
        ({"secret_token": "a b"}, "secret token contains unallowed characters"),
        ({"secret_token": "x" * 257}, "secret token is too long"),
        ({"url": "ftp://x"}, "bad webhook"),
    ):
        status, said = await world.refusal("setWebhook", **(ask | wrong))
        assert (status, words in said) == (400, True)
    conflict = await world.call("getUpdates")
    assert (conflict.status_code, conflict.json()["error_code"]) == (409, 409)


# What we send reaches the customer


async def test_a_bot_cannot_write_first(world: World) -> None:
    (refused,) = await world.send(TextContent(text="hello stranger"))
    assert isinstance(refused, Refused)
    assert refused.opted_out is None
    assert [entry["reason"] for entry in await world.ledger("refused")] == ["Bad Request: chat not found"]
    await world.say(text="/start summer_sale")
    assert world.receiver.requests
    assert await world.taken(TextContent(text="hello"))


async def test_strangers_may_count_as_having_written(world: World) -> None:
    await world.control("PUT", "/strangers", {"wrote": True})
    try:
        assert await world.taken(TextContent(text="hello"))
    finally:
        await world.control("PUT", "/strangers", {"wrote": False})
    assert [message["text"] for message in await world.heard()] == ["hello"]


AT: dict[str, Any] = {"latitude": 52.0907, "longitude": 5.1214}
PICTURE = Media(url="https://cdn.example/a.jpg")
ITEMS = tuple(ListItem(id=f"i{n}", title=f"T{n}{'😀' * 60}", description="😀" * 72) for n in range(20))
SHOWN: list[tuple[Content, dict[str, Any]]] = [
    (TextContent(text="😀" * 2048), {"text": "😀" * 2048}),
    (ImageContent(media=PICTURE, caption="x" * 1024), {"pictures": [PICTURE.url], "text": "x" * 1024}),
    (StickerContent(media=PICTURE), {"pictures": [PICTURE.url]}),
    (AudioContent(media=Media(url=PICTURE.url, voice=True)), {"files": [PICTURE.url]}),
    (AudioContent(media=PICTURE), {"files": [PICTURE.url]}),
    (VideoContent(media=PICTURE), {"files": [PICTURE.url]}),
    (FileContent(media=PICTURE), {"files": [PICTURE.url]}),
    (LocationContent(**AT), {"place": AT | {"label": "", "address": ""}}),
    (LocationContent(**AT, name="Dom", address="29"), {"place": AT | {"label": "Dom", "address": "29"}}),
    (
        ContactCardContent(contacts=(Contact(name="Ann", phones=("+15550100003", "+15550100004")),)),
        {"text": "Ann +15550100003"},
    ),
]


@pytest.mark.parametrize(
    ("content", "shown"), SHOWN, ids=[f"{n}-{content.type}" for n, (content, _) in enumerate(SHOWN)]
)
async def test_what_the_adapter_renders_is_taken_and_seen(
    world: World, content: Content, shown: dict[str, Any]
) -> None:
    await world.say(text="/start")
    name = await world.taken(content)
    seen = (await world.heard())[-1]
    assert seen["id"] == name
    assert {field: seen[field] for field in shown} == shown


async def test_long_texts_and_lists_are_taken_in_parts(world: World) -> None:
    await world.say(text="/start")
    texts = await world.send(TextContent(text="word " * 2000))
    listed = await world.send(ListContent(text="How?", button="Choose", items=ITEMS))
    assert {type(outcome) for outcome in texts + listed} == {Accepted}
    assert (len(texts), len(listed)) == (3, 3)
    assert len((await world.heard())[-1]["choices"]) == 20


async def test_an_answer_quotes(world: World) -> None:
    question = await world.say(text="Where?")
    await world.taken(TextContent(text="There"), reply_to=question["message_id"])
    await world.taken(TextContent(text="Anyway"), reply_to=f"{CHAT}:1")
    assert [message["reply_to"] for message in await world.heard()] == [question["message_id"], None]
    lost = await world.refusal("sendMessage", text="x", reply_parameters={"message_id": 1})
    assert lost == (400, "Bad Request: message to be replied not found")


async def test_reactions_edits_deletions_and_typing(world: World) -> None:
    theirs = (await world.say(text="Thanks"))["message_id"]
    ours = await world.taken(TextContent(text="Your are welcome"))
    for content in (
        ReactionContent(target=theirs, emoji="❤️"),
        EditContent(target=ours, text="You are welcome"),
        TypingContent(),
        DeleteContent(target=ours),
    ):
        (outcome,) = await world.send(content)
        assert isinstance(outcome, Accepted)
    entries = await world.ledger("outbound")
    assert entries[1]["reaction"] == {"target": theirs, "emoji": "❤"}
    assert (entries[2]["id"], entries[2]["text"]) == (ours, "You are welcome")
    assert (entries[3]["typing"], entries[3]["seen"]) == (True, False)
    assert entries[4]["delete"] == ours
    (gone,) = await world.send(DeleteContent(target=ours))
    assert isinstance(gone, Refused)


async def test_the_same_edit_twice_is_one(world: World) -> None:
    await world.say(text="hi")
    ours = await world.taken(TextContent(text="old"))
    for _ in range(2):
        (outcome,) = await world.send(EditContent(target=ours, text="new"))
        assert isinstance(outcome, Accepted)
    assert [message["text"] for message in await world.heard()] == ["old", "new"]


KEY = {"text": "Yes", "callback_data": "y"}


def keyboard(**changes: Any) -> dict[str, Any]:
    return {"text": "x", "reply_markup": {"inline_keyboard": [[KEY | changes]]}}


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("sendMessage", {"chat_id": "", "text": "x"}, "chat_id is empty"),
    ("sendMessage", {"chat_id": 1, "text": "x"}, "chat not found"),
    ("sendMessage", {"chat_id": "@nobody", "text": "x"}, "chat not found"),
    ("sendMessage", {}, "message text is empty"),
    ("sendMessage", {"text": " \n"}, "message text is empty"),
    ("sendMessage", {"text": "😀" * 2048 + "x"}, "message is too long"),
    ("sendMessage", {"text": ["x"]}, "can't parse text"),
    ("sendMessage", keyboard(callback_data="ä" * 33), "BUTTON_DATA_INVALID"),
    ("sendMessage", keyboard(callback_data=None), "can't parse inline keyboard button"),
    ("sendMessage", {"text": "x", "reply_markup": {"inline_keyboard": [[KEY]] * 101}}, "reply markup is too long"),
    ("sendMessage", {"text": "x", "reply_markup": "nothing"}, "can't parse reply_markup"),
    ("sendPhoto", {}, "there is no photo in the request"),
    ("sendPhoto", {"photo": "nowhere"}, "wrong file identifier/HTTP URL specified"),
    ("sendPhoto", {"photo": "https://cdn.example/a.jpg", "caption": "x" * 1025}, "message caption is too long"),
    ("sendLocation", {"latitude": 91, "longitude": 0}, "can't parse latitude"),
    ("sendVenue", {"latitude": 1, "longitude": 0, "title": "Dom"}, "must be non-empty"),
    ("sendContact", {"phone_number": "+15550100003"}, "must be non-empty"),
    ("sendContact", {"phone_number": "1", "first_name": "A", "vcard": "x" * 2049}, "vCard is too long"),
    ("editMessageText", {"message_id": 1, "text": "x"}, "message to edit not found"),
    ("deleteMessage", {"message_id": 1}, "message to delete not found"),
    ("setMessageReaction", {"message_id": 1, "reaction": []}, "message to react not found"),
    ("sendChatAction", {"action": "thinking"}, "wrong parameter action"),
    ("answerCallbackQuery", {"callback_query_id": "1"}, "query is too old"),
]


@pytest.mark.parametrize(
    ("method", "arguments", "words"), WRONG, ids=[f"{n}-{words}" for n, (_, _, words) in enumerate(WRONG)]
)
async def test_wrong_calls_get_telegrams_words(
    world: World, method: str, arguments: dict[str, Any], words: str
) -> None:
    await world.say(text="/start")
    status, said = await world.refusal(method, **arguments)
    assert status == 400
    assert said.startswith(f"Bad Request: {words}") or words in said
    assert await world.ledger("outbound") == []


async def test_what_is_done_to_messages_has_its_limits(world: World) -> None:
    theirs = int((await world.say(text="hi"))["message_id"].split(":")[1])
    photo = (await world.call("sendPhoto", chat_id=CHAT, photo=PICTURE.url)).json()["result"]["message_id"]
    for method, arguments, words in (
        ("editMessageText", {"message_id": theirs, "text": "x"}, "message can't be edited"),
        ("editMessageText", {"message_id": photo, "text": "x"}, "there is no text in the message to edit"),
        (
            "setMessageReaction",
            {"message_id": theirs, "reaction": [{"type": "emoji", "emoji": "🦷"}]},
            "REACTION_INVALID",
        ),
        ("setMessageReaction", {"message_id": theirs, "reaction": [{"type": "emoji", "emoji": "👍"}] * 2}, "TOO_MANY"),
    ):
        assert words in (await world.refusal(method, **arguments))[1]
    await world.control("PUT", "/clock", {"ahead_s": 48 * 3600 + 60})
    assert "can't be deleted" in (await world.refusal("deleteMessage", message_id=photo))[1]


async def test_links_of_this_machine_are_fetched(world: World) -> None:
    await world.say(text="/start")
    world.receiver.files |= {
        "a.png": (PNG, "image/png"),
        "big.png": (b"\0" * 5_000_001, "image/png"),
        "a.csv": (b"a", "text/csv"),
    }
    base = f"{world.receiver.base}/files"
    assert (await world.call("sendPhoto", chat_id=CHAT, photo=f"{base}/a.png")).json()["ok"]
    for method, kind, name, words in (
        ("sendPhoto", "photo", "gone.png", "failed to get HTTP URL content"),
        ("sendPhoto", "photo", "big.png", "wrong file identifier/HTTP URL specified"),
        ("sendDocument", "document", "a.csv", "wrong type of the web page content"),
    ):
        assert words in (await world.refusal(method, **{kind: f"{base}/{name}"}))[1]


async def test_only_the_bots_own_token_opens_it(world: World) -> None:
    for token, status in (("6000001:wrong", 401), ("nonsense", 404)):
        answer = await world.call("getMe", token=token)
        outcome = channel.outcome(answer.status_code, answer.headers, answer.content)
        assert answer.status_code == status
        assert isinstance(outcome, Refused)
    assert (await world.call("getMe")).json()["result"] == {
        "id": 6000001, "is_bot": True, "first_name": "Acme", "username": "acme_telegram_bot"
    }  # fmt: skip
    assert (await world.refusal("sendPigeon")) == (404, "Not Found: method not found")


async def test_methods_take_forms_addresses_and_any_case(world: World) -> None:
    await world.say(text="/start")
    path = f"/telegram/bot{TOKEN}"
    markup = orjson.dumps(keyboard()["reply_markup"]).decode()
    form = await world.http.post(f"{path}/SENDMESSAGE", data={"chat_id": CHAT, "text": "a", "reply_markup": markup})
    assert form.json()["result"]["reply_markup"]["inline_keyboard"][0][0]["text"] == "Yes"
    assert (await world.http.get(f"{path}/sendmessage", params={"chat_id": CHAT, "text": "b"})).json()["ok"]
    broken = await world.http.post(f"{path}/sendMessage", content=b"[", headers=JSON)
    assert broken.json()["description"] == "Bad Request: can't parse JSON object"
    assert [message["text"] for message in await world.heard()] == ["a", "b"]


async def test_a_flood_is_held_back(world: World) -> None:
    await world.say(text="/start")
    outcomes = [(await world.send(TextContent(text=str(number))))[0] for number in range(45)]
    floods = [outcome for outcome in outcomes if isinstance(outcome, Retry)]
    assert [isinstance(outcome, Accepted) for outcome in outcomes[:30]] == [True] * 30
    assert floods
    assert {outcome.after_s for outcome in floods} == {1}
    await world.control("PUT", "/clock", {"ahead_s": 60})
    assert await world.taken(TextContent(text="later"))


# Faults


@pytest.mark.parametrize(
    ("fault", "means", "seen"),
    [
        ({"status": 502}, Uncertain, 0),
        ({"status": 500, "code": 500}, Uncertain, 0),
        ({"status": 429, "code": 429, "retry_after_s": 3}, Retry, 0),
        ({"status": 403, "code": 403}, Refused, 0),
        ({"status": 502, "accepted": True}, Uncertain, 1),
    ],
)
async def test_faults(world: World, fault: dict[str, Any], means: type[CallOutcome], seen: int) -> None:
    await world.say(text="/start")
    await world.control("POST", "/faults", fault | {"channel": "telegram"})
    (outcome,) = await world.send(TextContent(text="x"))
    assert type(outcome) is means
    if isinstance(outcome, Retry):
        assert outcome.after_s == 3
    assert len(await world.heard()) == seen
    assert await world.taken(TextContent(text="again"))


async def test_an_answer_can_get_lost(world: World) -> None:
    await world.say(text="/start")
    await world.control("POST", "/faults", {"channel": "telegram", "drop": True})
    with pytest.raises(httpx.RemoteProtocolError):
        await world.call("sendMessage", chat_id=CHAT, text="x")
    assert [message["text"] for message in await world.heard()] == ["x"]


async def test_faults_of_other_vendors_are_theirs(world: World) -> None:
    await world.say(text="/start")
    await world.control("POST", "/faults", {"status": 500})
    assert await world.taken(TextContent(text="x"))


# Lines


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"secrets": {SECRET_TOKEN: "x"}}, "bot-token"),
        ({"secrets": {BOT_TOKEN: "a/b", SECRET_TOKEN: "x"}}, "bot-token"),
        ({"secrets": {BOT_TOKEN: "6000002:x"}}, "secret-token"),
        ({"secrets": {BOT_TOKEN: "6000002:x", SECRET_TOKEN: "a b"}}, "secret-token"),
    ],
)
async def test_lines_that_do_not_fit_are_refused_by_name(world: World, changes: dict[str, Any], names: str) -> None:
    answer = await world.enter("other-telegram", **changes)
    assert (answer.status_code, names in answer.text) == (422, True)


async def test_a_bot_has_one_line(world: World) -> None:
    answer = await world.enter("other-telegram")
    assert (answer.status_code, "bot-token" in answer.text) == (422, True)


async def test_a_line_may_get_another_token_and_keeps_its_chats(world: World) -> None:
    await world.say(text="hi")
    new = {BOT_TOKEN: "6000003:x", SECRET_TOKEN: SECRET}
    assert (await world.enter(secrets=new)).status_code == 204
    assert (await world.call("getMe")).status_code == 401
    assert (await world.call("sendMessage", token="6000003:x", chat_id=CHAT, text="x")).json()["ok"]
    assert (await world.enter()).status_code == 204


async def test_gaps_double(receiver: Receiver) -> None:
    """At a hundredth of their length: 0, 2, 4 and 8 of them."""
    state = State(httpx.AsyncClient(trust_env=False))
    stand_in = Telegram(state, unit_s=0.01)
    state.stand_ins[stand_in.channel] = stand_in
    app = FastAPI()
    for routes in (control.router(state, SetupFile()), line_control.router(state, SetupFile()), *stand_in.routers()):
        app.include_router(routes)
    async with served(app) as base, world_at(base, receiver) as world:
        receiver.answers.extend(Response(status_code=503) for _ in range(4))
        began = asyncio.get_running_loop().time()
        await world.say(text="x")
        assert len(await receiver.posted(5)) == 5
        assert asyncio.get_running_loop().time() - began >= 0.14
    await state.close()
