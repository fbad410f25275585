"""Signal's stand-in, checked with real requests; and the adapter and the stand-in against each other."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pytest
from fastapi import FastAPI, Request, Response
from websockets.asyncio.client import connect

from m2n import clock
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
from m2n.adapters.edge_host import EdgeHost, Resolved
from m2n.message import (
    Address,
    Author,
    Content,
    DeleteContent,
    EditContent,
    FileContent,
    ImageContent,
    Inbound,
    Media,
    Outbound,
    ReactionContent,
    Receipt,
    ReceiptStatus,
    TextContent,
    TypingContent,
    media_of,
)
from m2n.tenant import Connection, ConnectionKind
from services.channels.signal.adapter import channel
from services.channels.signal.edge import edge
from services.simulator.app import create_app
from tests.served_app import served
from tests.unit.builders import tenant
from tests.waiting import eventually

NUMBER, OTHER_NUMBER = "+15550100001", "+15550100009"
PHONE = "+15550100002"
SECRETS = {"path-secret": "a long/random text"}
TOKEN = {"gateway-token": "t0ken"}
QUICK = {"sent_s": 0.01, "delivered_s": 0.01, "read_s": 0.01}
WITHIN_S = 10


@dataclass
class Receiver:
    """Where the gateway posts: the channel's own webhook, as the webhooks service has it."""

    url: str = ""
    status: int = 200
    holds: asyncio.Event | None = None
    posts: list[bytes] = field(default_factory=list)
    genuine: list[bool] = field(default_factory=list)
    parsed: list[Parsed] = field(default_factory=list)
    base_url: str = ""
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def forget(self) -> None:
        self.status, self.holds = 200, None
        for kept in (self.posts, self.genuine, self.parsed):
            kept.clear()

    async def take(self, request: Request) -> Response:
        client = request.client.host if request.client else ""
        webhook = WebhookRequest("POST", str(request.url), dict(request.headers), await request.body(), client)
        made = connection(self.base_url)
        async with self.news:
            self.posts.append(webhook.body)
            self.genuine.append(channel.verify(webhook, made, SECRETS))
            self.parsed.append(channel.parse(webhook, "acme", made, clock.now()))
            self.news.notify_all()
        if self.holds is not None:
            await self.holds.wait()
        answer = channel.acknowledge(self.parsed[-1])
        return Response(answer.body, answer.status if self.status == 200 else self.status)

    @property
    def messages(self) -> list[Inbound]:
        return [message for parsed in self.parsed for message in parsed.messages]

    @property
    def receipts(self) -> list[Receipt]:
        return [receipt for parsed in self.parsed for receipt in parsed.receipts]

    async def wait(self, count: int, what: str = "receipts") -> None:
        async with asyncio.timeout(WITHIN_S), self.news:
            await self.news.wait_for(lambda: len(getattr(self, what)) >= count)


def connection(base_url: str, **settings: Any) -> Connection:
    return Connection(
        id="acme-signal",
        kind=ConnectionKind.CHANNEL,
        adapter="signal",
        settings={"number": NUMBER, "base_url": f"{base_url}/signal", **settings},
    )


@pytest.fixture(scope="module")
async def hook() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), FastAPI()
    app.add_api_route("/webhooks/signal/acme-signal", receiver.take, methods=["POST"])
    async with served(app, "websockets-sansio") as base:
        receiver.url = f"{base}/webhooks/signal/acme-signal"
        yield receiver


@pytest.fixture
def receiver(hook: Receiver) -> Receiver:
    hook.forget()
    return hook


@pytest.fixture(scope="module")
async def base_url() -> AsyncIterator[str]:
    async with served(create_app(), "websockets-sansio") as base:
        yield base


@pytest.fixture
async def simulator(base_url: str, receiver: Receiver) -> AsyncIterator[httpx.AsyncClient]:
    """With one line; customers' phones send no receipts unless a test asks for them and waits for all."""
    async with httpx.AsyncClient(base_url=base_url, timeout=20, trust_env=False) as http:
        receiver.base_url = base_url
        await ask(http, "DELETE", "/control/conversations")
        await enter(http, receiver)
        await ask(http, "PUT", "/control/statuses", **QUICK, final="sent")
        yield http


async def enter(
    http: httpx.AsyncClient, receiver: Receiver, secrets: dict[str, str] = SECRETS, **settings: Any
) -> None:
    await ask(
        http,
        "PUT",
        "/control/lines",
        channel="signal",
        connection="acme-signal",
        webhook_url=receiver.url,
        settings=connection(str(http.base_url).rstrip("/"), **settings).settings,
        secrets=secrets,
    )


async def ask(http: httpx.AsyncClient, method: str, path: str, **body: Any) -> Any:
    answer = await http.request(method, path, json=body)
    answer.raise_for_status()
    return answer.json() if answer.content else None


async def says(http: httpx.AsyncClient, customer: str = PHONE, **said: Any) -> dict[str, Any]:
    return await ask(http, "POST", f"/control/lines/signal/acme-signal/customers/{customer}/messages", **said)


async def heard(http: httpx.AsyncClient, customer: str = PHONE) -> list[dict[str, Any]]:
    answer = await http.get(f"/control/lines/signal/acme-signal/customers/{customer}/messages")
    return answer.json()["messages"]


async def ledger(http: httpx.AsyncClient, kind: str) -> list[dict[str, Any]]:
    lines = (await http.get("/control/ledger")).text.splitlines()
    return [entry for entry in map(orjson.loads, lines) if entry["kind"] == kind]


def context(http: httpx.AsyncClient, files: dict[str, bytes] | None = None, **secrets: str) -> SendContext:
    made = connection(str(http.base_url).rstrip("/"))
    return SendContext(made, SECRETS | secrets, "https://hooks.example/x", clock.now(), files or {})


async def make(http: httpx.AsyncClient, call: VendorCall) -> CallOutcome:
    """As the delivery service makes it."""
    answer = await http.request(call.method, call.url, content=call.json, headers=dict(call.headers))
    return channel.outcome(answer.status_code, answer.headers, answer.content)


async def send(
    http: httpx.AsyncClient,
    content: Content,
    to: str = PHONE,
    reply_to: str | None = None,
    files: dict[str, bytes] | None = None,
    **secrets: str,
) -> list[CallOutcome]:
    message = Outbound(
        id="p1.1.7",
        tenant="acme",
        profile_id="P1",
        session_id="p1.1",
        seq=7,
        address=Address(connection="acme-signal", channel="signal", to=to),
        content=content,
        author=Author.BOT,
        decided_at=clock.now(),
        reply_to=reply_to,
    )
    return [await make(http, call) for call in rendered(channel, message, context(http, files, **secrets))]


async def sent(http: httpx.AsyncClient, content: Content, to: str = PHONE, **more: Any) -> str:
    """The vendor's id of a message that is taken."""
    (outcome,) = await send(http, content, to, **more)
    assert isinstance(outcome, Accepted)
    assert outcome.vendor_message_id
    return outcome.vendor_message_id


async def test_what_the_customer_says_verifies_and_parses(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    answer = await says(simulator, text="grüß dich & +1 👋", name="Ada")
    assert (answer["status"], answer["tries"], answer["error"]) == (200, 1, None)
    assert receiver.genuine == [True]
    (message,) = receiver.messages
    assert message.content == TextContent(text="grüß dich & +1 👋")
    assert (message.vendor_message_id, message.display_name) == (answer["message_id"], "Ada")
    assert [one.scheme for one in message.identities] == ["signal_uuid", "phone"]
    assert message.identities[1].value == PHONE
    notification = orjson.loads(receiver.posts[0])
    assert (notification["jsonrpc"], notification["method"]) == ("2.0", "receive")


async def test_webhook_address_carries_the_secret_once(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    url = f"{receiver.url}?secret=a+long%2Frandom+text"
    line = {"channel": "signal", "connection": "acme-signal", "webhook_url": url, "secrets": SECRETS}
    await ask(simulator, "PUT", "/control/lines", **line, settings={"number": NUMBER})
    await says(simulator, text="x")
    await enter(simulator, receiver, {"path-secret": "another"})
    await says(simulator, text="y")
    assert receiver.genuine == [True, False]


async def test_same_customer_is_the_same_person_and_can_hide_the_number(
    simulator: httpx.AsyncClient, receiver: Receiver
) -> None:
    await says(simulator, text="one")
    await says(simulator, text="two", extra={"hidden_number": True})
    await says(simulator, customer="kim", text="three")
    first, second, third = receiver.messages
    assert first.address.to == second.address.to != third.address.to
    assert [len(message.identities) for message in (first, second, third)] == [2, 1, 1]
    assert await sent(simulator, TextContent(text="found"), to=third.address.to)
    assert [message["text"] for message in await heard(simulator, "kim")] == ["found"]


async def test_same_message_can_come_twice(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    first = await says(simulator, text="x")
    again = await says(simulator, text="x", message_id=first["message_id"])
    assert first["message_id"] == again["message_id"]
    assert len({message.vendor_message_id for message in receiver.messages}) == 1


async def test_kinds_of_messages(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    ours = await sent(simulator, TextContent(text="Which one?"))
    theirs = (await says(simulator, text="this", reply_to=ours))["message_id"]
    await says(simulator, reaction={"target": ours, "emoji": "❤️"})
    await says(simulator, reaction={"target": ours})
    await says(simulator, edit={"target": theirs, "text": "that"})
    await says(simulator, delete=theirs)
    await says(simulator, location={"latitude": 52.1, "longitude": 5, "label": "Dom"})
    await says(simulator, extra={"typing": True})
    await says(simulator, extra={"sticker": {"pack": "0123", "sticker": 7}})
    await says(simulator, extra={"contact": {"name": "Grace", "phone": "+15550100077"}})
    await says(simulator, extra={"envelope": {"telepathyMessage": {"thought": "blue"}}})
    found = receiver.messages
    assert [message.content.type for message in found] == [
        "text", "reaction", "reaction", "edit", "delete", "text", "typing", "sticker", "contact_card", "unsupported",
    ]  # fmt: skip
    assert found[0].reply_to == ours
    assert [getattr(message.content, "target", None) for message in found[1:5]] == [ours, ours, theirs, theirs]
    assert [getattr(message.content, "emoji", None) for message in found[1:3]] == ["❤️", None]
    assert getattr(found[5].content, "text", "").startswith("Dom\nhttps://")


async def test_what_is_none_of_a_customers(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await says(simulator, text="to all", extra={"group": "Friends"})
    await says(simulator, text="by phone", extra={"own_device": True})
    await says(simulator, extra={"envelope": {"callMessage": {"offerMessage": {"id": 1}}}})
    await says(simulator, extra={"envelope": {"storyMessage": {"allowsReplies": True}}})
    assert len(receiver.posts) == 4
    assert receiver.parsed == [Parsed()] * 4
    assert all(receiver.genuine)


async def test_media_are_fetched_at_the_gateway(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    url = f"{simulator.base_url}/static/picture.png"
    media = [{"url": url, "content_type": "image/png", "filename": "p.png"}]
    await says(simulator, text="look", media=[*media, {"url": url, "content_type": "audio/aac", "voice": True}])
    first, second = receiver.messages
    assert [first.content.type, second.content.type] == ["image", "audio"]
    piece = media_of(first.content)
    assert piece is not None
    assert (piece.mime, piece.filename) == ("image/png", "p.png")
    call = channel.media_call(piece, connection(receiver.base_url), {})
    found = await simulator.get(call.url, headers=dict(call.headers))
    assert found.headers["content-type"] == "image/png"
    assert found.content == (await simulator.get(url)).content
    assert len(found.content) == piece.size_bytes
    voice = media_of(second.content)
    assert voice is not None
    assert voice.voice
    assert (await simulator.get("/signal/v1/attachments/nothing.png")).status_code == 404


async def test_long_text_of_the_customers_comes_as_beginning_and_file(
    simulator: httpx.AsyncClient, receiver: Receiver
) -> None:
    text = "é" * 1500
    await says(simulator, text=text)
    beginning, whole = receiver.messages
    assert beginning.content == TextContent(text="é" * 1000)
    piece = media_of(whole.content)
    assert piece is not None
    call = channel.media_call(piece, connection(receiver.base_url), {})
    assert (await simulator.get(call.url)).text == text


async def test_receipts_name_what_was_sent(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await ask(simulator, "PUT", "/control/statuses", **QUICK)
    await says(simulator, text="hi")
    customer = receiver.messages[0].address.to
    one = await sent(simulator, TextContent(text="one"), to=customer)
    two = await sent(simulator, TextContent(text="two"), to=customer)
    await receiver.wait(4)
    told = {(receipt.vendor_message_id, receipt.status) for receipt in receiver.receipts}
    assert told == {(id_, status) for id_ in (one, two) for status in (ReceiptStatus.DELIVERED, ReceiptStatus.READ)}
    statuses = [entry["status"] for entry in await ledger(simulator, "status") if entry["id"].endswith(one[5:])]
    assert statuses == ["sent", "delivered", "read"]


@pytest.mark.parametrize(
    ("plan", "statuses"),
    [
        ({"final": "delivered"}, ["delivered"]),
        ({"shuffled": True, "duplicated": True}, ["read", "read", "delivered", "delivered"]),
    ],
)
async def test_course_of_receipts(
    simulator: httpx.AsyncClient, receiver: Receiver, plan: dict[str, Any], statuses: list[str]
) -> None:
    await ask(simulator, "PUT", "/control/statuses", **QUICK, **plan)
    await sent(simulator, TextContent(text="x"))
    await receiver.wait(len(statuses))
    assert [receipt.status.value for receipt in receiver.receipts] == statuses


async def test_a_message_that_does_not_arrive_has_no_receipt(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await ask(simulator, "PUT", "/control/statuses", **QUICK, final="failed")
    await sent(simulator, TextContent(text="lost"))
    await ask(simulator, "PUT", "/control/statuses", **QUICK, final="delivered")
    arrived = await sent(simulator, TextContent(text="x"))
    await receiver.wait(1)
    assert [receipt.vendor_message_id for receipt in receiver.receipts] == [arrived]
    assert [message["text"] for message in await heard(simulator)] == ["x"]


async def test_pictures_and_files_reach_the_customer(simulator: httpx.AsyncClient) -> None:
    picture, paper = "https://shop.example/a.png", "https://shop.example/b.pdf"
    files = {picture: b"\x89PNG", paper: b"%PDF"}
    await sent(simulator, ImageContent(media=Media(url=picture, mime="image/png"), caption="Look"), files=files)
    await sent(simulator, FileContent(media=Media(url=paper, mime="application/pdf", filename="b.pdf")), files=files)
    first, second = await heard(simulator)
    assert (first["text"], len(first["pictures"]), first["files"]) == ("Look", 1, [])
    assert (await simulator.get(first["pictures"][0])).content == b"\x89PNG"
    assert (await simulator.get(second["files"][0])).content == b"%PDF"


async def test_what_is_rendered_is_never_too_long_and_what_is_longer_becomes_a_file(
    simulator: httpx.AsyncClient,
) -> None:
    outcomes = await send(simulator, TextContent(text="Ein schöner Satz. " * 300))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert [message["long_text"] for message in await heard(simulator)] == [False] * len(outcomes)
    body = {"number": NUMBER, "recipients": [PHONE], "message": "é" * 1001}
    assert (await simulator.post("/signal/v2/send", json=body)).status_code == 201
    last = (await heard(simulator))[-1]
    assert (last["text"], last["long_text"]) == ("é" * 1000, True)
    assert (await simulator.get(last["files"][0])).text == "é" * 1001


async def test_reaction_edit_delete_and_quote_reach_the_customer(
    simulator: httpx.AsyncClient, receiver: Receiver
) -> None:
    theirs = (await says(simulator, text="hi"))["message_id"]
    customer = receiver.messages[0].address.to
    ours = await sent(simulator, TextContent(text="one"), to=customer, reply_to=theirs)
    assert await send(simulator, ReactionContent(target=theirs, emoji="👍"), customer) == [Accepted(None)]
    assert await send(simulator, ReactionContent(target=theirs), customer) == [Accepted(None)]
    await sent(simulator, EditContent(target=ours, text="two"), to=customer)
    await sent(simulator, DeleteContent(target=ours), to=customer)
    quoted, liked, unliked, edited, deleted = await heard(simulator)
    id_ = ours.replace("self", NUMBER)
    assert (quoted["id"], quoted["reply_to"]) == (id_, theirs)
    assert (liked["reaction"], unliked["reaction"]) == (
        {"target": theirs, "emoji": "👍"},
        {"target": theirs, "emoji": None},
    )
    assert (edited["text"], edited["edits"], deleted["deletes"]) == ("two", id_, id_)


async def test_only_own_messages_to_that_customer_can_be_changed(
    simulator: httpx.AsyncClient, receiver: Receiver
) -> None:
    ours = await sent(simulator, TextContent(text="to Kim"), to="+15550100003")
    await sent(simulator, EditContent(target=ours, text="changed"))
    await sent(simulator, DeleteContent(target=ours))
    assert await heard(simulator) == []


async def test_typing_and_read_receipts_are_shown(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    theirs = (await says(simulator, text="hi"))["message_id"]
    customer = receiver.messages[0].address.to
    for signal in (Signal("typing", customer), Signal("read", customer, theirs)):
        for call in channel.signal(signal, context(simulator)):
            assert await make(simulator, call) == Accepted(None)
    assert await send(simulator, TypingContent(on=False), customer) == [Accepted(None)]
    shown = [(entry["status"], entry.get("on"), entry.get("of")) for entry in await ledger(simulator, "status")]
    assert shown == [("typing", True, None), ("read_by_us", None, theirs), ("typing", False, None)]


WRONG = [
    ("POST", "/v2/send", b"{", "Couldn't process request - invalid request"),
    ("POST", "/v2/send", {"number": NUMBER, "recipients": PHONE}, "Couldn't process request - invalid request"),
    ("POST", "/v2/send", {"number": NUMBER, "message": "x"}, "please provide at least one recipient"),
    ("POST", "/v2/send", {"recipients": [PHONE], "message": "x"}, "please provide a valid number"),
    ("POST", "/v2/send", {"number": OTHER_NUMBER, "recipients": [PHONE], "message": "x"}, "account does not exist"),
    ("POST", "/v2/send", {"number": NUMBER, "recipients": [PHONE]}, "empty message"),
    ("POST", "/v2/send", {"number": NUMBER, "recipients": [PHONE], "base64_attachments": ["data:image/png;base64,?"]},
     "illegal base64"),
    ("POST", "/v2/send", {"number": NUMBER, "recipients": ["nobody"], "message": "x"}, "Failed to send message"),
    ("POST", f"/v1/reactions/{NUMBER}", {"recipient": PHONE, "target_author": PHONE, "timestamp": 1}, "reaction"),
    ("POST", f"/v1/reactions/{NUMBER}", {"reaction": "x", "target_author": PHONE, "timestamp": 1}, "recipient"),
    ("DELETE", f"/v1/reactions/{NUMBER}", {"recipient": PHONE, "target_author": PHONE}, "timestamp"),
    ("POST", f"/v1/reactions/{OTHER_NUMBER}", {"recipient": PHONE}, "account does not exist"),
    ("PUT", f"/v1/typing-indicator/{NUMBER}", {}, "recipient"),
    ("POST", f"/v1/receipts/{NUMBER}", {"recipient": PHONE, "receipt_type": "seen", "timestamp": 1}, "receipt type"),
    ("DELETE", f"/v1/remote-delete/{NUMBER}", {"recipient": PHONE}, "timestamp"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "words"), WRONG)
async def test_wrong_requests_are_refused_in_the_gateways_words(
    simulator: httpx.AsyncClient, method: str, path: str, body: Any, words: str
) -> None:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    answer = await simulator.request(method, f"/signal{path}", content=raw)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert not isinstance(channel.outcome(400, {}, answer.content), Accepted)
    assert await heard(simulator) == []


async def test_new_safety_number_blocks_until_it_is_trusted(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await says(simulator, text="new phone", extra={"identity_changed": True})
    customer = receiver.messages[0].address.to
    (refused,) = await send(simulator, TextContent(text="x"), customer)
    assert isinstance(refused, Refused)
    assert refused.error.code == "identity"
    assert [entry["reason"] for entry in await ledger(simulator, "refused")] == [
        "Failed to send message due to untrusted identities"
    ]
    await ask(simulator, "PUT", f"/signal/v1/identities/{NUMBER}/trust/{customer}", trust_all_known_keys=True)
    assert await sent(simulator, TextContent(text="x"), to=customer)


async def test_who_left_signal_gets_nothing(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await says(simulator, text="bye", extra={"unregistered": True})
    (outcome,) = await send(simulator, TextContent(text="x"))
    assert isinstance(outcome, Uncertain)
    body = {"number": NUMBER, "recipients": [PHONE, "+15550100003"], "message": "x"}
    answer = await simulator.post("/signal/v2/send", json=body)
    assert answer.status_code == 201
    assert answer.json()["errors"]["recipients"] == [{"recipient": PHONE, "type": "UNREGISTERED_FAILURE"}]
    partly = channel.outcome(201, {}, answer.content)
    assert isinstance(partly, Refused)
    assert partly.error.code == "unregistered"
    numbers = {"numbers": [PHONE, "+15550100003"]}
    known = (await simulator.get(f"/signal/v1/search/{NUMBER}", params=numbers)).json()
    assert [one["registered"] for one in known] == [False, True]


async def test_captcha_challenge_until_it_is_solved(simulator: httpx.AsyncClient) -> None:
    await ask(simulator, "POST", "/control/faults", channel="signal", count=50, status=429)
    body = {"number": NUMBER, "recipients": [PHONE], "message": "x"}
    answer = await simulator.post("/signal/v2/send", json=body)
    assert (answer.status_code, answer.json()["account"]) == (429, NUMBER)
    (waits,) = await send(simulator, TextContent(text="x"))
    assert isinstance(waits, Retry)
    assert (waits.error.code, waits.whole_connection) == ("challenge", True)
    path = f"/signal/v1/accounts/{NUMBER}/rate-limit-challenge"
    wrong = await simulator.post(path, json={"challenge_token": "guessed", "captcha": "signalcaptcha://x"})
    assert wrong.status_code == 400
    (token,) = answer.json()["challenge_tokens"]
    solved = await simulator.post(path, json={"challenge_token": token, "captcha": "signalcaptcha://x"})
    assert solved.status_code == 204
    assert await sent(simulator, TextContent(text="x"))


@pytest.mark.parametrize(
    ("fault", "outcome", "count"),
    [
        ({"status": 429, "retry_after_s": 7}, Retry, 0),
        ({"status": 429, "accepted": True}, Uncertain, 1),
        ({"status": 500}, Uncertain, 0),
        ({"status": 502, "accepted": True}, Uncertain, 1),
        ({"delay_s": 0.05}, Accepted, 1),
    ],
)
async def test_faults(
    simulator: httpx.AsyncClient, fault: dict[str, Any], outcome: type[CallOutcome], count: int
) -> None:
    await ask(simulator, "POST", "/control/faults", channel="signal", **fault)
    (first,) = await send(simulator, TextContent(text="x"))
    assert type(first) is outcome
    assert len(await heard(simulator)) == count
    if isinstance(first, Retry):
        assert first.after_s == 7
    assert await sent(simulator, TextContent(text="y"))


async def test_answer_can_get_lost(simulator: httpx.AsyncClient) -> None:
    await ask(simulator, "POST", "/control/faults", channel="signal", drop=True)
    with pytest.raises(httpx.RemoteProtocolError):
        await send(simulator, TextContent(text="x"))
    assert len(await heard(simulator)) == 1


@pytest.mark.parametrize("status", [204, 400, 503])
async def test_webhook_is_never_posted_again(simulator: httpx.AsyncClient, receiver: Receiver, status: int) -> None:
    receiver.status = status
    answer = await says(simulator, text="x")
    assert (answer["status"], answer["tries"], answer["error"]) == (status, 1, "UnexpectedStatus")
    receiver.status = 201
    assert (await says(simulator, text="y"))["error"] is None
    assert len(receiver.posts) == 2


async def test_a_slow_receiver_holds_up_all_that_comes_after(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    async def all_said() -> bool:
        return len(await ledger(simulator, "inbound")) >= 4

    receiver.holds = asyncio.Event()
    saying = [asyncio.create_task(says(simulator, text="one"))]
    await receiver.wait(1, "posts")
    try:
        saying += [asyncio.create_task(says(simulator, customer="kim", text=str(number))) for number in range(3)]
        await eventually(all_said, WITHIN_S)
        assert len(receiver.posts) == 1
    finally:
        receiver.holds.set()
        await asyncio.gather(*saying)
    assert len(receiver.posts) == 4


def socket_url(simulator: httpx.AsyncClient, number: str = NUMBER) -> str:
    return f"{str(simulator.base_url).replace('http', 'ws', 1)}/signal/v1/receive/{number}"


async def test_socket_brings_what_comes_while_it_is_open(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await enter(simulator, receiver, receive="websocket")
    lost = await says(simulator, text="lost")
    assert (lost["status"], lost["tries"], lost["error"]) == (None, 0, "NobodyConnected")
    async with connect(socket_url(simulator), proxy=None) as one, connect(socket_url(simulator), proxy=None) as two:
        for text in ("a", "b", "c"):
            assert (await says(simulator, text=text))["error"] is None
        frames = [[await found.recv() for _ in range(3)] for found in (one, two)]
    assert frames[0] == frames[1]
    assert set(orjson.loads(frames[0][0])) == {"envelope", "account"}
    made = connection(receiver.base_url)
    requests = [WebhookRequest("POST", "", {}, str(frame).encode()) for frame in frames[0]]
    found = [channel.parse(request, "acme", made, clock.now()).messages[0].content for request in requests]
    assert found == [TextContent(text="a"), TextContent(text="b"), TextContent(text="c")]
    assert receiver.posts == []


@dataclass
class Service:
    """The webhooks service, as far as the channel's sockets ask it."""

    resolved: Resolved
    kept: list[Parsed] = field(default_factory=list)
    settings: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(private_hosts="127.0.0.1"))

    async def connections(self, _: str) -> tuple[Resolved, ...]:
        return (self.resolved,)

    async def keep(self, parsed: Parsed, _: Resolved) -> None:
        self.kept.append(parsed)


async def test_the_channels_own_socket_takes_it_all(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await enter(simulator, receiver, SECRETS | TOKEN, receive="websocket")
    made = connection(receiver.base_url, receive="websocket")
    service = Service(Resolved(tenant(), made, channel, SECRETS | TOKEN))

    async def is_taken() -> bool:
        """What is said before the socket is open is lost."""
        return not (await says(simulator, text="anybody there?"))["error"]

    async with edge.open(cast(EdgeHost, service)):
        await eventually(is_taken, WITHIN_S)
        for number in range(20):
            await says(simulator, customer="kim", text=str(number))
    taken = [message.content for parsed in service.kept for message in parsed.messages]
    assert taken == [TextContent(text="anybody there?"), *(TextContent(text=str(number)) for number in range(20))]


async def test_receipts_come_through_the_socket_too(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await enter(simulator, receiver, receive="websocket")
    await ask(simulator, "PUT", "/control/statuses", **QUICK)
    async with connect(socket_url(simulator), proxy=None) as found:
        ours = await sent(simulator, TextContent(text="x"))
        frames = [orjson.loads(await found.recv()) for _ in range(2)]
    moments = [frame["envelope"]["receiptMessage"]["timestamps"] for frame in frames]
    assert moments == [[int(ours.removeprefix("self:"))]] * 2


async def test_token_of_the_proxy_before_the_gateway(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await enter(simulator, receiver, SECRETS | TOKEN)
    (refused,) = await send(simulator, TextContent(text="x"))
    assert isinstance(refused, Refused)
    assert "gateway-token" in refused.error.reason
    assert await sent(simulator, TextContent(text="x"), **TOKEN)
    await says(
        simulator, text="p", media=[{"url": f"{simulator.base_url}/static/icon.svg", "content_type": "image/svg"}]
    )
    piece = media_of(receiver.messages[-1].content)
    assert piece is not None
    call = channel.media_call(piece, connection(receiver.base_url), TOKEN)
    assert (await simulator.get(call.url)).status_code == 401
    assert (await simulator.get(call.url, headers=dict(call.headers))).status_code == 200


async def test_socket_of_nobody(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await enter(simulator, receiver, SECRETS | TOKEN)
    for number, headers in ((OTHER_NUMBER, {}), (NUMBER, {}), (NUMBER, {"Authorization": "Bearer x"})):
        with pytest.raises(Exception, match="HTTP 403"):
            await connect(socket_url(simulator, number), additional_headers=headers, proxy=None)
    async with connect(socket_url(simulator), additional_headers={"Authorization": "Bearer t0ken"}, proxy=None):
        pass


async def test_probes(simulator: httpx.AsyncClient) -> None:
    assert (await simulator.get("/signal/v1/health")).status_code == 204
    assert (await simulator.get("/signal/v1/about")).json()["mode"] == "json-rpc"


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"choice": {"id": "y", "title": "Yes"}}, "choice"),
        ({"digits": "1"}, "digits"),
        ({}, "expected one of text"),
        ({"text": "x", "message_id": "nonsense"}, "message_id"),
        ({"reply_to": "+15550100099:5", "text": "x"}, "conversation"),
        ({"delete": "5"}, "conversation"),
        ({"extra": {"hidden": True}}, "extra.hidden"),
        ({"media": [{"url": "http://127.0.0.1:9/x.png", "content_type": "image/png"}]}, "media"),
        ({"media": [{"url": "http://127.0.0.1:port/x", "content_type": "image/png"}]}, "media"),
    ],
)
async def test_customers_cannot_do_what_signal_does_not_have(
    simulator: httpx.AsyncClient, receiver: Receiver, said: dict[str, Any], names: str
) -> None:
    path = f"/control/lines/signal/acme-signal/customers/{PHONE}/messages"
    answer = await simulator.post(path, json=said)
    assert answer.status_code == 422
    assert names in answer.text
    assert receiver.posts == []


@pytest.mark.parametrize(
    ("connection_id", "settings", "names"),
    [
        ("globex-signal", {"number": "15550100001"}, "settings.number"),
        ("globex-signal", {}, "settings.number"),
        ("globex-signal", {"number": NUMBER}, "acme-signal"),
        ("globex-signal", {"number": OTHER_NUMBER, "receive": "poll"}, "settings.receive"),
    ],
)
async def test_lines_that_do_not_fit(
    simulator: httpx.AsyncClient, receiver: Receiver, connection_id: str, settings: dict[str, Any], names: str
) -> None:
    line = {"channel": "signal", "connection": connection_id, "webhook_url": receiver.url, "settings": settings}
    answer = await simulator.put("/control/lines", json=line)
    assert answer.status_code == 422
    assert names in answer.text


async def test_a_number_that_moved_is_known_no_more(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await enter(simulator, receiver, number=OTHER_NUMBER)
    (refused,) = await send(simulator, TextContent(text="x"))
    assert isinstance(refused, Refused)
    assert refused.error.code == "account"


async def test_attachment_and_query_are_as_documented(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    data = base64.b64encode(b"hello").decode()
    for given in (data, f"data:text/plain;base64,{data}", f"data:text/plain;filename=a.txt;base64,{data}"):
        body = {"number": NUMBER, "recipients": [PHONE], "base64_attachments": [given]}
        assert (await simulator.post("/signal/v2/send", json=body)).status_code == 201
    contents = [(await simulator.get(message["files"][0])).content for message in await heard(simulator)]
    assert contents == [b"hello"] * 3
    await says(simulator, text="x")
    assert receiver.genuine == [True]
    assert parse_qs(urlsplit(receiver.url).query) == {}
