"""The stand-in of the WhatsApp Cloud API and the adapter against each other, over real HTTP."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
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
    Contact,
    ContactCardContent,
    Content,
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
    Receipt,
    ReceiptStatus,
    StickerContent,
    TemplateContent,
    TextContent,
    VideoContent,
    media_of,
)
from m2n.tenant import Connection, ConnectionKind
from services.channels.meta_core.graph import appsecret_proof
from services.channels.whatsapp_cloud.adapter import channel
from services.simulator.app import create_app
from services.simulator.state import State
from services.simulator.vendors import Line, Said
from services.simulator.whatsapp_cloud.stand_in import WhatsAppCloud
from tests.served_app import served

SECRETS = {"app-secret": "app-one", "verify-token": "verify-one", "access-token": "access-one"}
CUSTOMER, PHONE = "+15550100002", "15550100002"
QUICK = {"sent_s": 0.01, "delivered_s": 0.01, "read_s": 0.01}
PICTURE = b"\x89PNG invented"
FIXTURES = Path(__file__).parents[2] / "services" / "channels" / "whatsapp_cloud" / "fixtures"
DOCUMENTED = (FIXTURES / "text.json").read_text("utf-8")


def connection(base_url: str, **settings: Any) -> Connection:
    return Connection(
        id="acme-whatsapp-cloud",
        kind=ConnectionKind.CHANNEL,
        adapter="whatsapp_cloud",
        settings={"phone_number_id": "2000", "waba_id": "1000", "base_url": f"{base_url}/whatsapp_cloud"} | settings,
    )


@dataclass
class Receiver:
    """Our webhook with the adapter behind it, and where customers keep their files."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    """Answers to the next posts; then 200."""
    bodies: list[bytes] = field(default_factory=list)
    parsed: list[Parsed] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def forget(self) -> None:
        for kept in (self.statuses, self.bodies, self.parsed):
            kept.clear()

    async def take(self, request: Request) -> Response:
        """403 unless it is genuine, as the edge does."""
        known = connection("http://unused.example")
        webhook = WebhookRequest(request.method, str(request.url), dict(request.headers), await request.body())
        if not channel.verify(webhook, known, SECRETS):
            return Response("not genuine", 403)
        found = channel.parse(webhook, "acme", known, datetime.now(UTC))
        if found.answer is not None:
            return Response(found.answer.body, found.answer.status, media_type=found.answer.media_type)
        async with self.news:
            self.bodies.append(webhook.body)
            status = self.statuses.pop(0) if self.statuses else 200
            if status == 200:
                self.parsed.append(found)
            self.news.notify_all()
        return Response(status_code=status)

    async def file(self) -> Response:
        return Response(PICTURE, media_type="image/png")

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self.news:
            await self.news.wait_for(done)

    @property
    def messages(self) -> list[Inbound]:
        return [message for one in self.parsed for message in one.messages]

    @property
    def receipts(self) -> list[Receipt]:
        return [receipt for one in self.parsed for receipt in one.receipts]

    @property
    def file_url(self) -> str:
        return self.url.replace("/hook", "/file")


@pytest.fixture(scope="module")
async def hook() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), FastAPI()
    app.add_api_route("/hook", receiver.take, methods=["GET", "POST"])
    app.add_api_route("/file", receiver.file, methods=["GET"])
    async with served(app) as base:
        receiver.url = f"{base}/hook"
        yield receiver


@pytest.fixture(scope="module")
async def base_url() -> AsyncIterator[str]:
    async with served(create_app()) as base:
        yield base


@dataclass
class Simulator:
    http: httpx.AsyncClient
    base_url: str
    receiver: Receiver

    async def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = await self.http.request(method, path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    async def enter(self, **changes: Any) -> httpx.Response:
        line = {
            "channel": "whatsapp_cloud",
            "connection": "acme-whatsapp-cloud",
            "title": "Acme",
            "webhook_url": self.receiver.url,
            "settings": connection(self.base_url).settings,
            "secrets": SECRETS,
        }
        return await self.http.put("/control/lines", json=line | changes)

    async def say(self, customer: str = CUSTOMER, **said: Any) -> Any:
        path = f"/control/lines/whatsapp_cloud/acme-whatsapp-cloud/customers/{customer}/messages"
        return await self.ask("POST", path, **said)

    async def said(self, customer: str = CUSTOMER, **said: Any) -> Inbound:
        """What the adapter makes of it."""
        answer = await self.say(customer, **said)
        assert answer["status"] == 200
        (found,) = self.receiver.messages[-1:]
        assert found.vendor_message_id == answer["message_id"]
        return found

    async def heard(self, customer: str = CUSTOMER) -> list[dict[str, Any]]:
        path = f"/control/lines/whatsapp_cloud/acme-whatsapp-cloud/customers/{customer}/messages"
        return (await self.http.get(path)).json()["messages"]

    async def ledger(self, *kinds: str) -> list[dict[str, Any]]:
        lines = (await self.http.get("/control/ledger")).content.splitlines()
        return [entry for entry in map(orjson.loads, lines) if entry["kind"] in kinds]

    async def ledger_until(self, kind: str, done: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """The entries of that kind, once they are so. The simulator tells of each as it comes."""
        async with asyncio.timeout(10), self.http.stream("GET", "/control/events", timeout=None) as events:
            async for line in events.aiter_lines():
                if line.startswith("data:") and done(found := await self.ledger(kind)):
                    return found
        raise AssertionError("the simulator stopped telling")

    async def call(self, call: VendorCall) -> httpx.Response:
        headers = {**call.headers, "content-type": "application/json"}
        return await self.http.request(call.method, call.url, headers=headers, content=call.json)

    async def send(self, content: Content, to: str = PHONE, **more: Any) -> CallOutcome:
        """What the adapter makes of the last answer."""
        message = outbound(content, to, **more)
        found: CallOutcome | None = None
        for call in rendered(channel, message, self.context()):
            answer = await self.call(call)
            found = channel.outcome(answer.status_code, answer.headers, answer.content)
        assert found is not None
        return found

    def context(self, **settings: Any) -> SendContext:
        return SendContext(connection(self.base_url, **settings), SECRETS, "", datetime.now(UTC))

    async def post(self, body: Any, token: str = "access-one", path: str = "v23.0/2000/messages") -> tuple[int, int]:
        """Status and code of a request that is not the adapter's."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        answer = await self.http.post(f"/whatsapp_cloud/{path}", json=body, headers=headers)
        return answer.status_code, answer.json().get("error", {}).get("code", 0)

    async def fetch(self, call: MediaCall) -> bytes:
        answer = await self.http.get(call.url, headers=dict(call.headers))
        assert answer.status_code == 200
        return answer.content if call.then is None else await self.fetch(call.then(answer.content))


@pytest.fixture
async def simulator(base_url: str, hook: Receiver) -> AsyncIterator[Simulator]:
    async with httpx.AsyncClient(base_url=base_url, timeout=20, trust_env=False) as http:
        one = Simulator(http, base_url, hook)
        await one.ask("DELETE", "/control/conversations")
        hook.forget()
        assert (await one.enter()).status_code == 204
        await one.ask("PUT", "/control/statuses", **QUICK)
        await one.ledger_until("callback", bool)  # shook hands
        yield one


def outbound(content: Content, to: str = PHONE, id_: str = "P1.1.7", **more: Any) -> Outbound:
    return Outbound(
        id=id_,
        tenant="acme",
        profile_id="P1",
        session_id="P1.1",
        seq=7,
        address=Address(connection="acme-whatsapp-cloud", channel="whatsapp_cloud", to=to),
        content=content,
        author=Author.BOT,
        decided_at=datetime.now(UTC),
        **more,
    )


HELLO = TextContent(text="Hello")


# -- setting up ----------------------------------------------------------------------------------------------------


async def test_meta_shakes_hands_when_a_line_is_entered(simulator: Simulator) -> None:
    (entry,) = await simulator.ledger("callback")
    assert (entry["told"], entry["status"], entry["error"]) == ("handshake", 200, None)


async def test_handshake_with_a_wrong_token_is_refused_by_the_adapter(simulator: Simulator) -> None:
    await simulator.enter(secrets=SECRETS | {"verify-token": "another"})
    entries = await simulator.ledger_until("callback", lambda found: len(found) == 2)
    assert (entries[1]["status"], entries[1]["error"]) == (403, "another answer")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"secrets": {"app-secret": "x", "verify-token": "x"}}, "secrets.access-token"),
        ({"secrets": SECRETS | {"app-secret": ""}}, "secrets.app-secret"),
        ({"settings": {}}, "settings.phone_number_id"),
        ({"connection": "other-whatsapp"}, "settings.phone_number_id: is the number of 'acme-whatsapp-cloud'"),
    ],
)
async def test_line_that_does_not_fit(simulator: Simulator, changes: dict[str, Any], named: str) -> None:
    answer = await simulator.enter(**changes)
    assert answer.status_code == 422
    assert named in answer.json()["detail"]


# -- from the customer ---------------------------------------------------------------------------------------------


async def test_webhook_is_signed_over_escaped_bytes(simulator: Simulator) -> None:
    found = await simulator.said(text="Grüße 👋 شكرا", name="Ada Example")
    assert found.content == TextContent(text="Grüße 👋 شكرا")
    assert (found.display_name, found.address.to) == ("Ada Example", PHONE)
    body = simulator.receiver.bodies[-1]
    assert body.isascii()
    assert rb"Gr\u00fc\u00dfe \ud83d\udc4b" in body


PLACE = {"latitude": 52.0907, "longitude": 5.1214, "label": "Dom Tower", "address": "Domplein 29"}
OTHERS = {
    "contacts": [{"name": {"formatted_name": "Dee"}, "phones": [{"phone": "+15550100005"}]}],
    "order": {"catalog_id": "7", "product_items": [{"product_retailer_id": "B", "quantity": 1}]},
    "unsupported": None,
    "hologram": {"depth": 3},
}


@pytest.mark.parametrize(
    ("said", "content"),
    [
        ({"choice": {"id": "a", "title": "A"}}, {"type": "choice", "id": "a", "title": "A"}),
        (
            {"choice": {"id": "a", "title": "A"}, "extra": {"kind": "list_reply"}},
            {"type": "choice", "id": "a", "title": "A"},
        ),
        (
            {"choice": {"id": "a", "title": "A"}, "extra": {"kind": "button"}},
            {"type": "choice", "id": "a", "title": "A"},
        ),
        (
            {"location": PLACE},
            {
                "type": "location",
                "latitude": 52.0907,
                "longitude": 5.1214,
                "name": "Dom Tower",
                "address": "Domplein 29",
            },
        ),
        ({"reaction": {"target": "w", "emoji": "👍"}}, {"type": "reaction", "target": "w", "emoji": "👍"}),
        ({"reaction": {"target": "w"}}, {"type": "reaction", "target": "w"}),
        ({"edit": {"target": "w", "text": "new"}}, {"type": "edit", "target": "w", "text": "new"}),
        ({"delete": "w"}, {"type": "delete", "target": "w"}),
        ({"text": "seen?", "extra": {"forwarded": True, "referral": {"source_id": "1"}}}, {"type": "text"}),
        ({"extra": {"message": {"type": "contacts", "contacts": OTHERS["contacts"]}}}, {"type": "contact_card"}),
        ({"extra": {"message": {"type": "order", "order": OTHERS["order"]}}}, {"type": "text", "text": "1 × B"}),
        ({"extra": {"message": {"type": "unsupported", "errors": [{"code": 131051}]}}}, {"type": "unsupported"}),
        ({"extra": {"message": {"type": "hologram", "hologram": {}}}}, {"vendor_type": "hologram"}),
    ],
)
async def test_what_a_customer_does(simulator: Simulator, said: dict[str, Any], content: dict[str, Any]) -> None:
    found = (await simulator.said(**said)).content.model_dump(exclude_none=True)
    assert {name: found.get(name) for name in content} == content


async def test_answer_to_an_earlier_message(simulator: Simulator) -> None:
    assert (await simulator.said(text="Yes", reply_to="wamid.X")).reply_to == "wamid.X"


async def test_same_message_again(simulator: Simulator) -> None:
    one = await simulator.said(text="Hi", message_id="wamid.AGAIN")
    two = await simulator.said(text="Hi", message_id="wamid.AGAIN")
    assert one.vendor_message_id == two.vendor_message_id == "wamid.AGAIN"


@pytest.mark.parametrize(
    ("customer", "bsuid", "schemes"),
    [
        (CUSTOMER, None, ["wa_bsuid", "phone"]),
        (CUSTOMER, False, ["phone"]),
        (CUSTOMER, True, ["wa_bsuid"]),
        ("bo.example", None, ["wa_bsuid"]),
    ],
)
async def test_number_and_bsuid(simulator: Simulator, customer: str, bsuid: bool | None, schemes: list[str]) -> None:
    found = await simulator.said(customer, text="Hi", extra={} if bsuid is None else {"bsuid": bsuid})
    assert [one.scheme for one in found.identities] == schemes


async def test_customer_keeps_the_bsuid_with_and_without_the_number(simulator: Simulator) -> None:
    shown = await simulator.said(text="Hi")
    hidden = await simulator.said(text="Hi", extra={"bsuid": True})
    assert shown.identities[0] == hidden.identities[0]


async def test_batch_of_several_customers_is_one_webhook_in_order(simulator: Simulator) -> None:
    batch = [{"text": "two"}, {"text": "three", "customer": "+15550100004"}, {"text": "four"}]
    answer = await simulator.say(text="one", extra={"batch": batch})
    (found,) = simulator.receiver.parsed
    said = [(message.address.to, getattr(message.content, "text", "")) for message in found.messages]
    assert said == [(PHONE, "one"), (PHONE, "two"), ("15550100004", "three"), (PHONE, "four")]
    assert found.messages[0].vendor_message_id == answer["message_id"]
    assert [entry["customer"] for entry in await simulator.ledger("inbound")] == [
        CUSTOMER,
        CUSTOMER,
        "+15550100004",
        CUSTOMER,
    ]


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({}, "expected one of text"),
        ({"digits": "1"}, "digits"),
        ({"hang_up": True}, "hang_up"),
        ({"text": "x", "extra": {"hologram": 1}}, "extra.hologram"),
        ({"text": "x", "extra": {"batch": [{"txt": "y"}]}}, "extra.batch.txt"),
    ],
)
async def test_what_no_customer_does(simulator: Simulator, said: dict[str, Any], named: str) -> None:
    path = f"/control/lines/whatsapp_cloud/acme-whatsapp-cloud/customers/{CUSTOMER}/messages"
    answer = await simulator.http.post(path, json=said)
    assert answer.status_code == 422
    assert named in answer.json()["detail"]


async def test_webhook_that_was_not_taken_comes_again_until_it_is(simulator: Simulator) -> None:
    receiver = simulator.receiver
    receiver.statuses += [503, 204]
    answer = await simulator.say(text="Hi")
    assert (answer["status"], answer["tries"]) == (503, 1)
    await receiver.until(lambda: len(receiver.parsed) == 1)
    assert len(receiver.bodies) == 3
    assert len(set(receiver.bodies)) == 1
    entries = await simulator.ledger_until("webhook", lambda found: len(found) == 3)
    assert [(entry["status"], entry["tries"]) for entry in entries] == [(503, 1), (204, 2), (200, 3)]


class Held(State):
    """Keeps what is to run beside the requests, for the test to run."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        super().__init__(http)
        self.jobs: list[Coroutine[Any, Any, None]] = []

    def start(self, job: Coroutine[Any, Any, None]) -> None:
        self.jobs.append(job)


@pytest.mark.parametrize(("forgotten", "posts"), [(False, 4), (True, 1)])
async def test_webhook_that_is_never_taken_ends(forgotten: bool, posts: int) -> None:
    """After its last gap, or at once when conversations are forgotten."""
    bodies: list[bytes] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(503)

    line = Line(
        channel="whatsapp_cloud",
        connection="acme",
        webhook_url="http://hooks.example/hook",
        settings={"phone_number_id": "2000"},
        secrets=SECRETS,
    )
    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        state = Held(http)
        stand_in = WhatsAppCloud(state, gaps_s=(0, 0, 0))
        answer = await stand_in.say(line, CUSTOMER, Said(text="Hi"), "http://simulator.example")
        if forgotten:
            stand_in.forget()
        for job in state.jobs:
            await job
    assert answer.status == 503
    assert len(bodies) == posts
    assert len(set(bodies)) == 1


# -- customers' media ----------------------------------------------------------------------------------------------


async def sent_media(simulator: Simulator, mime: str = "image/png", **more: Any) -> Inbound:
    said = {"url": simulator.receiver.file_url, "content_type": mime} | more
    return await simulator.said(media=[said])


@pytest.mark.parametrize(
    ("mime", "kind"),
    [
        ("image/png", "image"),
        ("image/webp", "sticker"),
        ("audio/ogg; codecs=opus", "audio"),
        ("video/mp4", "video"),
        ("application/pdf", "file"),
        ("image/gif", "file"),
    ],
)
async def test_adapter_fetches_the_bytes(simulator: Simulator, mime: str, kind: str) -> None:
    found = await sent_media(simulator, mime)
    media = media_of(found.content)
    assert media is not None
    assert (found.content.type, media.mime) == (kind, mime)
    assert media.sha256 == hashlib.sha256(PICTURE).hexdigest()
    assert await simulator.fetch(channel.media_call(media, connection(simulator.base_url), SECRETS)) == PICTURE


async def test_voice_filename_and_caption(simulator: Simulator) -> None:
    voice: Any = (await sent_media(simulator, "audio/ogg", voice=True)).content
    document: Any = (await sent_media(simulator, "application/pdf", filename="a.pdf")).content
    assert (voice.media.voice, document.media.filename) == (True, "a.pdf")
    picture = {"url": simulator.receiver.file_url, "content_type": "image/png"}
    captioned: Any = (await simulator.said(text="Look", media=[picture])).content
    assert captioned.caption == "Look"


async def test_several_pieces_are_several_messages(simulator: Simulator) -> None:
    picture = {"url": simulator.receiver.file_url, "content_type": "image/png"}
    await simulator.say(text="Two", media=[picture, picture])
    found = simulator.receiver.messages
    assert [getattr(one.content, "caption", "") for one in found] == ["Two", None]
    assert len({one.vendor_message_id for one in found}) == 2


async def media_address(simulator: Simulator) -> tuple[str, str]:
    """Of the id, and of the bytes."""
    media = media_of((await sent_media(simulator)).content)
    assert media is not None
    by_id = channel.media_call(media, connection(simulator.base_url), SECRETS)
    answer = await simulator.http.get(by_id.url, headers=dict(by_id.headers))
    told = answer.json()
    assert (told["mime_type"], told["file_size"], told["id"]) == ("image/png", len(PICTURE), media.vendor_id)
    return by_id.url, told["url"]


async def test_media_want_the_token_at_both_steps(simulator: Simulator) -> None:
    for address in await media_address(simulator):
        for headers in ({}, {"authorization": "Bearer another"}):
            answer = await simulator.http.get(address, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, 190)


async def test_address_lives_five_minutes_and_the_id_seven_days(simulator: Simulator) -> None:
    by_id, address = await media_address(simulator)
    token = {"authorization": "Bearer access-one"}
    for ahead_s, of_address, of_id in ((290, 200, 200), (310, 404, 200), (8 * 86_400, 404, 400)):
        await simulator.ask("PUT", "/control/clock", ahead_s=ahead_s)
        assert (await simulator.http.get(address, headers=token)).status_code == of_address
        assert (await simulator.http.get(by_id, headers=token)).status_code == of_id


async def test_piece_that_could_not_be_had_is_missing_at_meta(simulator: Simulator) -> None:
    said = {"url": simulator.receiver.file_url + "/none", "content_type": "image/png"}
    media = media_of((await simulator.said(media=[said])).content)
    assert media is not None
    call = channel.media_call(media, connection(simulator.base_url), SECRETS)
    answer = await simulator.http.get(call.url, headers=dict(call.headers))
    assert (answer.status_code, answer.json()["error"]["error_subcode"]) == (400, 33)


# -- to the customer -----------------------------------------------------------------------------------------------

PICTURE_URL = "https://cdn.example/a.jpg"
SHOWN: list[tuple[Content, dict[str, Any]]] = [
    (HELLO, {"text": "Hello", "choices": []}),
    (ImageContent(media=Media(url=PICTURE_URL), caption="Look"), {"pictures": [PICTURE_URL], "text": "Look"}),
    (StickerContent(media=Media(url=PICTURE_URL)), {"pictures": [PICTURE_URL]}),
    (VideoContent(media=Media(url=PICTURE_URL)), {"files": [PICTURE_URL], "pictures": []}),
    (AudioContent(media=Media(url=PICTURE_URL)), {"files": [PICTURE_URL]}),
    (FileContent(media=Media(url=PICTURE_URL, filename="a.pdf"), caption="Yours"), {"files": [PICTURE_URL]}),
    (
        LocationContent(latitude=52, longitude=5, name="Dom", address="Utrecht"),
        {"place": {"latitude": 52.0, "longitude": 5.0, "label": "Dom", "address": "Utrecht"}},
    ),
    (
        ContactCardContent(contacts=(Contact(name="Dee", phones=("+1555",), emails=("d@example.com",)),)),
        {"text": "Dee\n+1555\nd@example.com"},
    ),
    (
        TemplateContent(template="order_update_2", language="en-US", variables=(("1", "Ann"), ("2", "Monday"))),
        {"text": "Template order_update_2: Ann, Monday"},
    ),
]


@pytest.mark.parametrize(("content", "wanted"), SHOWN, ids=[content.type for content, _ in SHOWN])
async def test_what_the_adapter_sends_reaches_the_customer(
    simulator: Simulator, content: Content, wanted: dict[str, Any]
) -> None:
    await simulator.say(text="Hi")
    sent = await simulator.send(content)
    (seen,) = await simulator.heard()
    assert sent == Accepted(seen["id"])
    assert {name: seen[name] for name in wanted} == wanted
    assert (seen["reference"], seen["line"], seen["customer"]) == ("P1.1.7", "acme-whatsapp-cloud", CUSTOMER)


CHOICES: list[tuple[Content, str]] = [
    (ButtonsContent(text="Sure?", buttons=(Button(id="y", title="Yes"), Button(id="n", title="No"))), "button_reply"),
    (
        ListContent(
            text="How?", button="Choose", items=tuple(ListItem(id=i, title=i * 24, description="d" * 72) for i in "ab")
        ),
        "list_reply",
    ),
]


@pytest.mark.parametrize(("content", "kind"), CHOICES, ids=[kind for _, kind in CHOICES])
async def test_customer_picks_what_was_offered(simulator: Simulator, content: Any, kind: str) -> None:
    await simulator.say(text="Hi")
    await simulator.send(content)
    (seen,) = await simulator.heard()
    offered = content.buttons if kind == "button_reply" else content.items
    assert [choice["title"] for choice in seen["choices"]] == [one.title for one in offered]
    picked = await simulator.said(**seen["choices"][1]["says"])
    assert picked.content.model_dump() == {"type": "choice", "id": offered[1].id, "title": offered[1].title}
    assert picked.reply_to == seen["id"]
    assert kind.encode() in simulator.receiver.bodies[-1]


async def test_reaction_and_quote(simulator: Simulator) -> None:
    asked = (await simulator.say(text="Hi"))["message_id"]
    await simulator.send(HELLO, reply_to=asked)
    assert isinstance(await simulator.send(ReactionContent(target=asked, emoji="👍")), Accepted)
    assert isinstance(await simulator.send(ReactionContent(target=asked)), Accepted)
    quoted, reacted, removed = await simulator.heard()
    assert quoted["reply_to"] == asked
    assert [one["reaction"]["emoji"] for one in (reacted, removed)] == ["👍", ""]
    refused = await simulator.send(ReactionContent(target="wamid.NOBODY", emoji="👍"))
    assert isinstance(refused, Refused)


async def test_texts_at_and_over_the_limit(simulator: Simulator) -> None:
    await simulator.say(text="Hi")
    await simulator.send(TextContent(text="x" * 4096))
    await simulator.send(TextContent(text="y" * 4097))
    assert [len(one["text"]) for one in await simulator.heard()] == [4096, 4096, 1]


async def test_number_and_bsuid_lead_to_the_same_customer(simulator: Simulator) -> None:
    bsuid = (await simulator.said(text="Hi")).identities[0].value
    await simulator.send(HELLO)
    await simulator.send(HELLO, to=bsuid)
    assert len(await simulator.heard()) == 2


async def test_customer_without_a_number_is_answered_by_bsuid(simulator: Simulator) -> None:
    found = await simulator.said("bo.example", text="Hi")
    assert isinstance(await simulator.send(HELLO, to=found.address.to), Accepted)
    (seen,) = await simulator.heard("bo.example")
    assert seen["text"] == "Hello"
    unknown = await simulator.send(HELLO, to="US.999")
    assert isinstance(unknown, Refused)
    assert unknown.error.code == "131026"


def text_body(**changes: Any) -> dict[str, Any]:
    body = {"messaging_product": "whatsapp", "to": PHONE, "type": "text", "text": {"body": "x"}} | changes
    return {name: value for name, value in body.items() if value is not None}


def interactive(kind: str, action: dict[str, Any], text: str = "x") -> dict[str, Any]:
    value = {"type": kind, "body": {"text": text}, "action": action}
    return text_body(type="interactive", text=None, interactive=value)


def reply(id_: str = "a", title: str = "A") -> dict[str, Any]:
    return {"type": "reply", "reply": {"id": id_, "title": title}}


def rows(*given: dict[str, Any], button: str = "Choose") -> dict[str, Any]:
    return interactive("list", {"button": button, "sections": [{"rows": list(given)}]})


WRONG: list[tuple[str, dict[str, Any], int]] = [
    ("no recipient", text_body(to=None), 131008),
    ("no number", text_body(to="Ada"), 131009),
    ("no product", text_body(messaging_product=None), 131008),
    ("another product", text_body(messaging_product="messenger"), 131009),
    ("no content", text_body(text=None), 131008),
    ("no text", text_body(text={}), 131008),
    ("an empty text", text_body(text={"body": ""}), 131009),
    ("a text that is too long", text_body(text={"body": "x" * 4097}), 131009),
    ("an unknown type", text_body(type="hologram"), 131009),
    ("an unknown field", text_body(hologram=1), 100),
    ("a reference that is too long", text_body(biz_opaque_callback_data="x" * 513), 131009),
    ("a link that is none", text_body(type="image", text=None, image={"link": "a.jpg"}), 131009),
    (
        "a caption that is too long",
        text_body(type="image", text=None, image={"link": PICTURE_URL, "caption": "x" * 1025}),
        131009,
    ),
    (
        "a sound with a caption",
        text_body(type="audio", text=None, audio={"link": PICTURE_URL, "caption": "x"}),
        100,
    ),
    ("four buttons", interactive("button", {"buttons": [reply(str(n), str(n)) for n in range(4)]}), 131009),
    ("no buttons", interactive("button", {"buttons": []}), 131009),
    ("the same button twice", interactive("button", {"buttons": [reply("a", "A"), reply("a", "B")]}), 131009),
    ("a title that is too long", interactive("button", {"buttons": [reply("a", "x" * 21)]}), 131009),
    ("an id that is too long", interactive("button", {"buttons": [reply("x" * 257)]}), 131009),
    ("a text above buttons that is too long", interactive("button", {"buttons": [reply()]}, "x" * 1025), 131009),
    ("eleven rows", rows(*({"id": str(n), "title": str(n)} for n in range(11))), 131009),
    ("a row's title that is too long", rows({"id": "a", "title": "x" * 25}), 131009),
    ("a row's description that is too long", rows({"id": "a", "title": "A", "description": "x" * 73}), 131009),
    ("a row's id that is too long", rows({"id": "x" * 201, "title": "A"}), 131009),
    ("a list's button that is too long", rows({"id": "a", "title": "A"}, button="x" * 21), 131009),
    (
        "a contact without a part of the name",
        text_body(type="contacts", text=None, contacts=[{"name": {"formatted_name": "Dee"}}]),
        131009,
    ),
    ("a template without a language", text_body(type="template", text=None, template={"name": "hello"}), 131008),
]


@pytest.mark.parametrize(
    ("body", "code"), [(body, code) for _, body, code in WRONG], ids=[what for what, _, _ in WRONG]
)
async def test_what_meta_refuses(simulator: Simulator, body: dict[str, Any], code: int) -> None:
    await simulator.say(text="Hi")
    assert await simulator.post(body) == (400, code)
    assert await simulator.heard() == []
    (entry,) = await simulator.ledger("refused")
    assert entry["code"] == code


async def test_errors_have_metas_shape(simulator: Simulator) -> None:
    answer = await simulator.http.post(
        "/whatsapp_cloud/v23.0/2000/messages", json={}, headers={"authorization": "Bearer access-one"}
    )
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "code", "error_data", "fbtrace_id"}
    assert (error["type"], set(error["error_data"])) == ("OAuthException", {"messaging_product", "details"})


async def test_body_that_is_no_json(simulator: Simulator) -> None:
    headers = {"authorization": "Bearer access-one"}
    for body in (b"", b"[]", b"{", b"[" * 10_000):
        answer = await simulator.http.post("/whatsapp_cloud/v23.0/2000/messages", content=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, 100)


async def test_only_the_numbers_own_token_opens_it(simulator: Simulator) -> None:
    other = SECRETS | {"access-token": "access-two"}
    settings = {"phone_number_id": "2001"}
    assert (await simulator.enter(connection="globex", settings=settings, secrets=other)).status_code == 204
    assert await simulator.post(text_body(), token="") == (401, 190)
    assert await simulator.post(text_body(), token="nonsense") == (401, 190)
    assert await simulator.post(text_body(), token="access-two") == (400, 100)
    assert await simulator.post(text_body(), path="v23.0/2999/messages") == (400, 100)
    assert await simulator.post(text_body(), path="latest/2000/messages") == (400, 100)


async def test_proof_of_the_app_secret_where_it_is_wanted(simulator: Simulator) -> None:
    await simulator.say(text="Hi")
    wanted = {"require_app_secret_proof": True}
    assert (await simulator.enter(settings=connection("http://unused.example", **wanted).settings)).status_code == 204
    (call,) = channel.render(outbound(HELLO), simulator.context(**wanted))
    assert (await simulator.call(call)).status_code == 200
    assert await simulator.post(text_body()) == (400, 100)
    wrong = appsecret_proof("another", "access-one")
    assert await simulator.post(text_body(), path=f"v23.0/2000/messages?appsecret_proof={wrong}") == (400, 100)


# -- window, templates, opt-out ------------------------------------------------------------------------------------


async def test_window_closes_a_day_after_the_customers_last_message(simulator: Simulator) -> None:
    template = TemplateContent(template="hello")
    await simulator.say(text="Hi")
    await simulator.ask("PUT", "/control/clock", ahead_s=86_000)
    assert isinstance(await simulator.send(HELLO), Accepted)
    await simulator.ask("PUT", "/control/clock", ahead_s=87_000)
    refused = await simulator.send(HELLO)
    assert isinstance(refused, Refused)
    assert refused.window_closed
    assert isinstance(await simulator.send(template), Accepted)
    await simulator.say(text="Still there?")
    assert isinstance(await simulator.send(HELLO), Accepted)


async def test_stranger_gets_templates_only_unless_strangers_count_as_having_written(simulator: Simulator) -> None:
    stranger = "15550100042"
    refused = await simulator.send(HELLO, to=stranger)
    assert isinstance(refused, Refused)
    assert refused.window_closed
    assert isinstance(await simulator.send(TemplateContent(template="hello"), to=stranger), Accepted)
    await simulator.ask("PUT", "/control/strangers", wrote=True)
    try:
        assert isinstance(await simulator.send(HELLO, to=stranger), Accepted)
    finally:
        await simulator.ask("PUT", "/control/strangers", wrote=False)
    assert [one["type"] for one in await simulator.heard(f"+{stranger}")] == ["template", "text"]


@pytest.mark.parametrize(
    ("template", "code"),
    [
        (TemplateContent(template="order_2", variables=(("1", "Ann"),)), "132000"),
        (TemplateContent(template="no_such", language="de"), "132001"),
        (TemplateContent(template="Order Update"), "131009"),
    ],
)
async def test_templates_that_do_not_fit(simulator: Simulator, template: Content, code: str) -> None:
    refused = await simulator.send(template)
    assert isinstance(refused, Refused)
    assert refused.error.code == code


async def test_number_that_is_not_on_whatsapp(simulator: Simulator) -> None:
    refused = await simulator.send(TemplateContent(template="hello"), to="15550100000")
    assert isinstance(refused, Refused)
    assert refused.error.code == "131026"


async def test_stop_of_marketing_is_told_in_another_field_and_refuses_templates(simulator: Simulator) -> None:
    template = TemplateContent(template="offer")
    answer = await simulator.say(extra={"marketing": "stop"})
    assert (answer["status"], simulator.receiver.messages) == (200, [])
    refused = await simulator.send(template)
    assert isinstance(refused, Refused)
    assert refused.opted_out is OptedOut.MARKETING
    await simulator.say(extra={"marketing": "resume"})
    assert isinstance(await simulator.send(template), Accepted)


# -- statuses ------------------------------------------------------------------------------------------------------


async def test_statuses_come_back_with_our_id(simulator: Simulator) -> None:
    receiver = simulator.receiver
    await simulator.say(text="Hi")
    sent = await simulator.send(HELLO)
    await receiver.until(lambda: len(receiver.receipts) == 3)
    assert [one.status for one in receiver.receipts] == [
        ReceiptStatus.SENT,
        ReceiptStatus.DELIVERED,
        ReceiptStatus.READ,
    ]
    assert {one.message_id for one in receiver.receipts} == {"P1.1.7"}
    assert {Accepted(one.vendor_message_id) for one in receiver.receipts} == {sent}
    assert [entry["status"] for entry in await simulator.ledger("status")] == ["sent", "delivered", "read"]


async def test_statuses_of_another_programs_message_are_not_ours(simulator: Simulator) -> None:
    receiver = simulator.receiver
    await simulator.say(text="Hi")
    assert await simulator.post(text_body()) == (200, 0)
    await receiver.until(lambda: len(receiver.parsed) == 4)
    assert receiver.receipts == []


async def test_failure_is_told_with_its_code(simulator: Simulator) -> None:
    receiver = simulator.receiver
    await simulator.ask("PUT", "/control/statuses", **QUICK, final="failed", error_code=131050)
    await simulator.say(text="Hi")
    await simulator.send(HELLO)
    await receiver.until(lambda: len(receiver.receipts) == 1)
    (only,) = receiver.receipts
    assert (only.status, only.opted_out) == (ReceiptStatus.FAILED, OptedOut.MARKETING)
    assert only.error is not None
    assert only.error.code == "131050"


async def test_statuses_twice_and_in_the_opposite_order(simulator: Simulator) -> None:
    receiver = simulator.receiver
    await simulator.ask("PUT", "/control/statuses", **QUICK, shuffled=True, duplicated=True)
    await simulator.say(text="Hi")
    await simulator.send(HELLO)
    await receiver.until(lambda: len(receiver.receipts) == 6)
    assert [one.status.value for one in receiver.receipts] == ["read", "read", "delivered", "delivered", "sent", "sent"]


async def test_status_that_was_not_taken_comes_again(simulator: Simulator) -> None:
    receiver = simulator.receiver
    await simulator.ask("PUT", "/control/statuses", **QUICK, final="sent")
    await simulator.say(text="Hi")
    receiver.statuses.append(503)
    await simulator.send(HELLO)
    await receiver.until(lambda: len(receiver.receipts) == 1)
    entries = await simulator.ledger_until("callback", lambda found: len(found) == 3)
    assert [(entry["told"], entry["status"]) for entry in entries[1:]] == [("sent", 503), ("sent", 200)]


# -- signals and faults --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["read", "typing"])
async def test_customer_sees_that_the_message_was_read(simulator: Simulator, kind: Any) -> None:
    asked = (await simulator.say(text="Hi"))["message_id"]
    (call,) = channel.signal(Signal(kind, PHONE, asked), simulator.context())
    answer = await simulator.call(call)
    assert channel.outcome(answer.status_code, answer.headers, answer.content) == Accepted(None)
    (entry,) = await simulator.ledger("status")
    assert (entry["id"], entry["status"], entry["typing"], entry["customer"]) == (
        asked,
        "read",
        kind == "typing",
        CUSTOMER,
    )


async def test_signal_for_a_message_that_nobody_wrote(simulator: Simulator) -> None:
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.NOBODY"}
    assert await simulator.post(body) == (400, 131009)


async def test_signals_use_up_no_fault(simulator: Simulator) -> None:
    asked = (await simulator.say(text="Hi"))["message_id"]
    await simulator.ask("POST", "/control/faults", channel="whatsapp_cloud", status=400, code=131056)
    (call,) = channel.signal(Signal("read", PHONE, asked), simulator.context())
    assert (await simulator.call(call)).status_code == 200
    found = await simulator.send(HELLO)
    assert isinstance(found, Retry)
    assert found.after_s == 6
    assert isinstance(await simulator.send(HELLO), Accepted)


@pytest.mark.parametrize(
    ("fault", "means", "taken"),
    [
        ({"status": 429, "code": 130429, "retry_after_s": 2}, Retry, 0),
        ({"status": 401, "code": 190}, Refused, 0),
        ({"status": 500, "code": 131000}, Retry, 0),
        ({"status": 500}, Uncertain, 0),
        ({"status": 502, "accepted": True}, Uncertain, 1),
        ({"delay_s": 0.05}, Accepted, 1),
    ],
)
async def test_faults(simulator: Simulator, fault: dict[str, Any], means: type, taken: int) -> None:
    await simulator.say(text="Hi")
    await simulator.ask("POST", "/control/faults", channel="whatsapp_cloud", **fault)
    found = await simulator.send(HELLO)
    assert isinstance(found, means)
    if isinstance(found, Retry) and "retry_after_s" in fault:
        assert (found.after_s, found.whole_connection) == (2, True)
    assert len(await simulator.heard()) == taken


async def test_answer_that_breaks_off_after_the_message_was_taken(simulator: Simulator) -> None:
    await simulator.say(text="Hi")
    await simulator.ask("POST", "/control/faults", channel="whatsapp_cloud", drop=True)
    with pytest.raises(httpx.HTTPError):
        await simulator.send(HELLO)
    assert [one["text"] for one in await simulator.heard()] == ["Hello"]


async def test_webhook_has_the_documented_fields_and_no_others(simulator: Simulator) -> None:
    await simulator.say(text="Hi", name="Ada Example", extra={"bsuid": False})
    assert shape(json.loads(simulator.receiver.bodies[-1])) == shape(json.loads(DOCUMENTED))


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(one) for name, one in sorted(value.items())}
    return [shape(one) for one in value] if isinstance(value, list) else type(value).__name__
