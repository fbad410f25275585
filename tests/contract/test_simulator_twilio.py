"""The simulator against Twilio's own package: its client sends and reads, its validator checks what is posted."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from services.simulator.app import create_app

ACCOUNT, TOKEN = "AC" + "0" * 31 + "1", "token-one"
OTHER_ACCOUNT, OTHER_TOKEN = "AC" + "0" * 31 + "2", "token-two"
TEST_ACCOUNT, TEST_TOKEN = "AC" + "0" * 31 + "3", "token-test"
SENDER, CUSTOMER, PHONE = "whatsapp:+15550100001", "whatsapp:+15550100002", "+15550100002"
OTHER_SENDER = "whatsapp:+15550100009"
NOBODY = "AC" + "8" * 32
QUICK = {"sent_s": 0.01, "delivered_s": 0.01, "read_s": 0.01}


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The app on a free port; its base address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@dataclass
class Receiver:
    """Where Twilio posts: keeps what came and whether Twilio's validator finds it genuine."""

    url: str = ""
    status: int = 200
    posts: list[dict[str, str]] = field(default_factory=list)
    genuine: list[bool] = field(default_factory=list)
    idempotency: list[str] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def forget(self) -> None:
        self.status = 200
        for kept in (self.posts, self.genuine, self.idempotency):
            kept.clear()

    async def take(self, request: Request) -> Response:
        form = await request.form()
        signature = request.headers["x-twilio-signature"]
        async with self.news:
            self.genuine.append(RequestValidator(TOKEN).validate(str(request.url), form, signature))
            self.idempotency.append(request.headers["i-twilio-idempotency-token"])
            self.posts.append({**request.query_params, **{name: str(value) for name, value in form.items()}})
            self.news.notify_all()
        return Response("<Response/>", self.status, media_type="text/xml")

    async def statuses(self, count: int) -> list[str]:
        """The statuses told, once there are so many callbacks."""

        def told() -> list[str]:
            return [post["MessageStatus"] for post in self.posts if "MessageStatus" in post]

        async with asyncio.timeout(10), self.news:
            await self.news.wait_for(lambda: len(told()) >= count)
        return told()


@pytest.fixture(scope="module")
async def hook() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), FastAPI()
    app.add_api_route("/hook", receiver.take, methods=["POST"])
    async with served(app) as base:
        receiver.url = f"{base}/hook"
        yield receiver


@pytest.fixture
def receiver(hook: Receiver) -> Receiver:
    hook.forget()
    return hook


@pytest.fixture(scope="module")
async def base_url() -> AsyncIterator[str]:
    async with served(create_app()) as base:
        yield base


@pytest.fixture
async def simulator(base_url: str, receiver: Receiver) -> AsyncIterator[httpx.AsyncClient]:
    """The simulator with two accounts that have a number each, and one with test credentials."""
    async with httpx.AsyncClient(base_url=base_url, timeout=20, trust_env=False) as http:
        await ask(http, "DELETE", "/control/conversations")
        for sid, token, test in (
            (ACCOUNT, TOKEN, False),
            (OTHER_ACCOUNT, OTHER_TOKEN, False),
            (TEST_ACCOUNT, TEST_TOKEN, True),
        ):
            await ask(http, "PUT", f"/control/accounts/{sid}", token=token, test=test)
        for sid, sender in ((ACCOUNT, SENDER), (OTHER_ACCOUNT, OTHER_SENDER), (ACCOUNT, "+15550100001")):
            url = receiver.url + "?from=simulator"
            await ask(http, "POST", "/control/senders", sender=sender, account_sid=sid, webhook_url=url)
        await ask(http, "PUT", "/control/statuses", **QUICK)
        yield http


async def ask(http: httpx.AsyncClient, method: str, path: str, **body: Any) -> Any:
    answer = await http.request(method, path, json=body)
    answer.raise_for_status()
    return answer.json() if answer.content else None


class Redirected(TwilioHttpClient):
    """Twilio's HTTP client with the simulator in Twilio's place."""

    def __init__(self, base_url: str) -> None:
        super().__init__(pool_connections=False, timeout=10)
        self._base_url = base_url

    def request(self, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        assert url.startswith("https://api.twilio.com/")
        return super().request(method, url.replace("https://api.twilio.com", self._base_url), *arguments, **options)


def twilio(simulator: httpx.AsyncClient, sid: str = ACCOUNT, token: str = TOKEN) -> Client:
    return Client(sid, token, http_client=Redirected(str(simulator.base_url).rstrip("/")))


async def send(simulator: httpx.AsyncClient, client: Client | None = None, **fields: Any) -> Any:
    fields = {"from_": SENDER, "to": CUSTOMER, "body": "hello"} | fields
    create = (client or twilio(simulator)).messages.create
    return await asyncio.to_thread(
        lambda: create(**{name: value for name, value in fields.items() if value is not None})
    )


async def refusal(sending: Any) -> tuple[int, int | None]:
    with pytest.raises(TwilioRestException) as refused:
        await sending
    return refused.value.status, refused.value.code


async def write(simulator: httpx.AsyncClient, to: str = SENDER, **written: Any) -> Any:
    return await ask(simulator, "POST", f"/control/whatsapp/customers/{PHONE}/messages", to=to, **written)


async def ledger(simulator: httpx.AsyncClient, kind: str) -> list[dict[str, Any]]:
    lines = (await simulator.get("/control/ledger")).content.splitlines()
    return [entry for entry in map(orjson.loads, lines) if entry["kind"] == kind]


async def test_client_sends_and_reads_back(simulator: httpx.AsyncClient) -> None:
    await write(simulator, body="hi")
    sent = await send(simulator, body="How are you? 👋")
    assert sent.sid.startswith("SM")
    assert len(sent.sid) == 34
    assert (sent.status, sent.direction, sent.num_media, sent.error_code) == ("queued", "outbound-api", "0", None)
    assert (sent.from_, sent.to, sent.body) == (SENDER, CUSTOMER, "How are you? 👋")
    assert sent.date_created.tzinfo is not None
    fetched = await asyncio.to_thread(twilio(simulator).messages(sent.sid).fetch)
    assert (fetched.sid, fetched.body, fetched.account_sid) == (sent.sid, sent.body, ACCOUNT)


async def test_client_lists_by_recipient_over_pages(simulator: httpx.AsyncClient) -> None:
    await write(simulator, body="hi")
    for number in range(5):
        await send(simulator, body=str(number))
    await send(simulator, body="elsewhere", to="whatsapp:+15550100003")
    listed = await asyncio.to_thread(lambda: twilio(simulator).messages.list(to=CUSTOMER, page_size=2))
    assert [message.body for message in listed] == ["4", "3", "2", "1", "0"]
    others = await asyncio.to_thread(twilio(simulator, OTHER_ACCOUNT, OTHER_TOKEN).messages.list)
    assert others == []


async def test_only_the_accounts_own_credentials_open_it(simulator: httpx.AsyncClient) -> None:
    assert await refusal(send(simulator, twilio(simulator, ACCOUNT, OTHER_TOKEN))) == (401, 20003)
    assert await refusal(send(simulator, twilio(simulator, "AC" + "9" * 32, TOKEN))) == (401, 20003)
    message = await send(simulator)
    theirs = twilio(simulator, OTHER_ACCOUNT, OTHER_TOKEN)
    assert await refusal(asyncio.to_thread(theirs.messages(message.sid).fetch)) == (404, 20404)
    assert (await simulator.get(f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")).status_code == 401


WRONG: list[tuple[dict[str, Any], int]] = [
    ({"from_": None}, 21603),
    ({"body": None}, 21602),
    ({"from_": "whatsapp:nobody"}, 21212),
    ({"to": "whatsapp:nobody"}, 21211),
    ({"to": PHONE}, 21910),
    ({"from_": OTHER_SENDER}, 63007),
    ({"from_": "+15550100099", "to": PHONE}, 21606),
    ({"body": "x" * 1601}, 21617),
    ({"media_url": ["https://a.example/1.png", "https://a.example/2.png"]}, 21623),
    ({"media_url": ["nowhere"]}, 21620),
    ({"content_sid": "HX1"}, 21655),
    ({"content_sid": "HX" + "0" * 32, "content_variables": "no json"}, 21656),
    ({"status_callback": "http://under_score.example/"}, 21609),
]


@pytest.mark.parametrize(("fields", "code"), WRONG, ids=[str(code) for _, code in WRONG])
async def test_wrong_requests_get_twilios_code(simulator: httpx.AsyncClient, fields: dict[str, Any], code: int) -> None:
    assert await refusal(send(simulator, **fields)) == (400, code)
    assert [entry["code"] for entry in await ledger(simulator, "refused")] == [code]


async def test_recipient_is_required(simulator: httpx.AsyncClient) -> None:
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    answer = await simulator.post(path, data={"From": SENDER, "Body": "x"}, auth=(ACCOUNT, TOKEN))
    assert (answer.status_code, answer.json()["code"]) == (400, 21604)
    assert answer.json()["more_info"] == "https://www.twilio.com/docs/errors/21604"


async def test_longest_text_is_taken(simulator: httpx.AsyncClient) -> None:
    assert len((await send(simulator, body="é" * 1600)).body) == 1600


MAGIC = [
    ("+15005550006", "+15550100002", None),
    ("+15005550001", "+15550100002", 21212),
    ("+15005550007", "+15550100002", 21606),
    ("+15005550008", "+15550100002", 21611),
    ("+15550100001", "+15550100002", 21606),
    ("+15005550006", "+15005550001", 21211),
    ("+15005550006", "+15005550002", 21612),
    ("+15005550006", "+15005550003", 21408),
    ("+15005550006", "+15005550004", 21610),
    ("+15005550006", "+15005550009", 21614),
]


@pytest.mark.parametrize(("sender", "to", "code"), MAGIC)
async def test_magic_numbers(simulator: httpx.AsyncClient, sender: str, to: str, code: int | None) -> None:
    sending = send(simulator, twilio(simulator, TEST_ACCOUNT, TEST_TOKEN), from_=sender, to=to)
    if code is None:
        assert (await sending).status == "queued"
    else:
        assert await refusal(sending) == (400, code)


async def test_test_credentials_send_nothing_and_read_nothing(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    client = twilio(simulator, TEST_ACCOUNT, TEST_TOKEN)
    await send(simulator, client, from_="+15005550006", to=PHONE, status_callback=receiver.url)
    path = f"/2010-04-01/Accounts/{TEST_ACCOUNT}/Messages.json"
    reading = await simulator.get(path, auth=(TEST_ACCOUNT, TEST_TOKEN))
    assert (reading.status_code, reading.json()["code"]) == (403, 20008)
    assert await ledger(simulator, "outbound") == []
    assert receiver.posts == []


async def test_webhook_is_genuine_and_complete(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    answer = await write(simulator, body="grüß dich & +1 👋", profile_name="Ada")
    (post,) = receiver.posts
    assert receiver.genuine == [True]
    assert (answer["status"], answer["tries"], answer["message_sid"]) == (200, 1, post["MessageSid"])
    assert {name: post[name] for name in ("From", "To", "AccountSid", "Body", "NumMedia", "MessageType")} == {
        "From": CUSTOMER, "To": SENDER, "AccountSid": ACCOUNT, "Body": "grüß dich & +1 👋", "NumMedia": "0",
        "MessageType": "text",
    }  # fmt: skip
    assert (post["ProfileName"], post["WaId"], post["SmsStatus"]) == ("Ada", "15550100002", "received")


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        ({"button": {"payload": "y1", "text": "Yes"}}, {"ButtonPayload": "y1", "ButtonText": "Yes", "Body": "Yes"}),
        ({"location": {"latitude": 52.1, "longitude": 5, "label": "Dom"}}, {"Latitude": "52.1", "Label": "Dom"}),
        ({"body": "b", "reply_to": "SM1"}, {"OriginalRepliedMessageSid": "SM1"}),
        ({"body": "b", "external_user_id": "US.1"}, {"ExternalUserId": "US.1"}),
        ({"extra": {"MessageType": "order", "New": "1"}}, {"MessageType": "order", "New": "1"}),
    ],
    ids=["button", "location", "reply", "user-id", "unknown"],
)  # fmt: skip
async def test_kinds_of_messages(
    simulator: httpx.AsyncClient, receiver: Receiver, written: dict[str, Any], fields: dict[str, str]
) -> None:
    await write(simulator, **written)
    assert fields.items() <= receiver.posts[0].items()
    assert receiver.genuine == [True]


async def test_media_are_behind_the_accounts_credentials(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await write(simulator, media=[{"url": "https://files.example/a.jpg", "content_type": "image/jpeg"}])
    (post,) = receiver.posts
    assert (post["NumMedia"], post["MediaContentType0"], post["MessageType"]) == ("1", "image/jpeg", "image")
    assert post["MessageSid"].startswith("MM")
    assert (await simulator.get(post["MediaUrl0"])).status_code == 401
    found = await simulator.get(post["MediaUrl0"], auth=(ACCOUNT, TOKEN))
    assert (found.status_code, found.headers["location"]) == (307, "https://files.example/a.jpg")


async def test_same_message_can_come_twice(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    sid = "SM" + "7" * 32
    await asyncio.gather(*(write(simulator, body="x", message_sid=sid) for _ in range(2)))
    assert [post["MessageSid"] for post in receiver.posts] == [sid, sid]
    assert len(set(receiver.idempotency)) == 2


async def test_webhook_is_tried_again_only_when_no_connection_was_made(
    simulator: httpx.AsyncClient, receiver: Receiver
) -> None:
    receiver.status = 503
    answer = await write(simulator, body="x")
    assert (answer["status"], answer["tries"], len(receiver.posts)) == (503, 1, 1)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed = unused.getsockname()[1]
    await ask(
        simulator,
        "POST",
        "/control/senders",
        sender=SENDER,
        account_sid=ACCOUNT,
        webhook_url=f"http://127.0.0.1:{closed}/",
    )
    answer = await write(simulator, body="x")
    assert (answer["status"], answer["tries"], answer["error"]) == (None, 2, "ConnectError")


async def test_status_callbacks_are_genuine_and_in_order(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await write(simulator, body="hi")
    sent = await send(simulator, status_callback=receiver.url + "?ref=p1.1.7")
    assert await receiver.statuses(3) == ["sent", "delivered", "read"]
    assert all(receiver.genuine)
    last = receiver.posts[-1]
    assert (last["ref"], last["MessageSid"], last["From"], last["To"]) == ("p1.1.7", sent.sid, SENDER, CUSTOMER)
    assert (last["EventType"], last["ChannelPrefix"]) == ("READ", "whatsapp")
    assert "Body" not in last
    fetched = await asyncio.to_thread(twilio(simulator).messages(sent.sid).fetch)
    assert fetched.status == "read"
    assert fetched.date_sent is not None


async def test_sms_is_never_read(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await send(simulator, from_="+15550100001", to=PHONE, status_callback=receiver.url)
    await send(simulator, from_="+15550100001", to="+15550100003", status_callback=receiver.url)
    assert sorted(await receiver.statuses(4)) == ["delivered", "delivered", "sent", "sent"]


async def test_callbacks_can_come_out_of_order_and_twice(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await write(simulator, body="hi")
    await ask(simulator, "PUT", "/control/statuses", **QUICK, shuffled=True, duplicated=True)
    await send(simulator, status_callback=receiver.url)
    assert await receiver.statuses(6) == ["read", "read", "delivered", "delivered", "sent", "sent"]


async def test_failure_can_be_asked_for(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await write(simulator, body="hi")
    await ask(simulator, "PUT", "/control/statuses", **QUICK, final="failed", error_code=63024)
    await send(simulator, status_callback=receiver.url)
    assert await receiver.statuses(2) == ["sent", "failed"]
    assert receiver.posts[-1]["ErrorCode"] == "63024"


async def test_free_text_needs_a_message_within_24_hours(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await write(simulator, body="hi")
    await ask(simulator, "PUT", "/control/clock", ahead_s=24 * 3600 + 1)
    await send(simulator, status_callback=receiver.url)
    assert await receiver.statuses(2) == ["sent", "undelivered"]
    assert receiver.posts[-1]["ErrorCode"] == "63016"
    seen = await simulator.get(f"/control/whatsapp/customers/{PHONE}/messages")
    assert seen.json()["messages"] == []
    await send(simulator, body=None, content_sid="HX" + "1" * 32, content_variables='{"1":"Ann"}')
    seen = await simulator.get(f"/control/whatsapp/customers/{PHONE}/messages")
    assert [message["template"] for message in seen.json()["messages"]] == ["HX" + "1" * 32]


async def test_stop_blocks_the_pair_until_start(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await write(simulator, body="yes")
    await send(simulator)
    await write(simulator, body=" stop ")
    assert await refusal(send(simulator)) == (400, 21610)
    await send(simulator, twilio(simulator, OTHER_ACCOUNT, OTHER_TOKEN), from_=OTHER_SENDER)
    await write(simulator, body="START")
    await send(simulator)
    assert [post["Body"] for post in receiver.posts] == ["yes", " stop ", "START"]
    told = [entry["body"] for entry in await ledger(simulator, "outbound") if entry.get("by") == "twilio"]
    assert [text.split()[4] for text in told] == ["unsubscribed.", "re-subscribed"]


async def test_faults_are_met_as_often_as_asked(simulator: httpx.AsyncClient) -> None:
    await ask(simulator, "POST", "/control/faults", count=2, status=429, code=20429, retry_after_s=1)
    assert await refusal(send(simulator)) == (429, 20429)
    assert await refusal(send(simulator)) == (429, 20429)
    assert (await send(simulator)).status == "queued"


def post_send(simulator: httpx.AsyncClient) -> Any:
    form = {"From": SENDER, "To": CUSTOMER, "Body": "x"}
    return simulator.post(f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json", data=form, auth=(ACCOUNT, TOKEN))


@pytest.mark.parametrize(("accepted", "count"), [(True, 1), (False, 0)])
async def test_fault_with_and_without_effect(simulator: httpx.AsyncClient, accepted: bool, count: int) -> None:
    await ask(simulator, "POST", "/control/faults", status=502, accepted=accepted)
    assert (await post_send(simulator)).status_code == 502
    assert len(await ledger(simulator, "outbound")) == count


async def test_answer_can_get_lost(simulator: httpx.AsyncClient) -> None:
    await ask(simulator, "POST", "/control/faults", drop=True)
    with pytest.raises(httpx.RemoteProtocolError):
        await post_send(simulator)
    assert len(await ledger(simulator, "outbound")) == 1


async def test_answer_can_be_late(simulator: httpx.AsyncClient) -> None:
    await ask(simulator, "POST", "/control/faults", delay_s=0.2)
    began = asyncio.get_running_loop().time()
    assert (await post_send(simulator)).status_code == 201
    assert asyncio.get_running_loop().time() - began >= 0.2


async def test_customer_waits_for_a_reply(simulator: httpx.AsyncClient) -> None:
    before = await write(simulator, body="hi")
    asked = {"after": before["n"], "wait": 10}
    waiting = asyncio.create_task(simulator.get(f"/control/whatsapp/customers/{PHONE}/messages", params=asked))
    for text in ("one", "two"):
        await send(simulator, body=text)
    first = (await waiting).json()
    assert first["messages"][0]["body"] == "one"
    after = {"after": first["last"], "wait": 10}
    both = (await simulator.get(f"/control/whatsapp/customers/{PHONE}/messages", params=after)).json()
    assert [m["body"] for m in first["messages"] + both["messages"]] == ["one", "two"]
    none = {"after": both["last"], "wait": 0.05}
    assert (await simulator.get(f"/control/whatsapp/customers/{PHONE}/messages", params=none)).json() == {
        "messages": [],
        "last": both["last"],
    }


async def test_replies_reach_the_customer_in_the_order_of_acceptance(simulator: httpx.AsyncClient) -> None:
    await write(simulator, body="hi")
    for number in range(20):
        await send(simulator, body=str(number))
    seen = (await simulator.get(f"/control/whatsapp/customers/{PHONE}/messages")).json()["messages"]
    assert [message["body"] for message in seen] == [str(number) for number in range(20)]


async def test_ledger_tells_all_with_times_and_can_be_cleared(simulator: httpx.AsyncClient) -> None:
    await write(simulator, body="hi")
    await send(simulator)
    times = [entry["at_ns"] for kind in ("inbound", "webhook", "outbound") for entry in await ledger(simulator, kind)]
    assert len(times) == 3
    assert times == sorted(times)
    assert (await simulator.delete("/control/ledger")).status_code == 204
    assert await ledger(simulator, "inbound") == []


async def test_page_is_told_live_and_after_a_break(simulator: httpx.AsyncClient) -> None:
    await write(simulator, body="one")
    await write(simulator, body="two")
    assert await told(simulator, {}) == ["one", "two"]
    first = (await ledger(simulator, "inbound"))[0]["n"]
    assert await told(simulator, {"last-event-id": str(first)}, 1) == ["two"]


async def told(simulator: httpx.AsyncClient, headers: dict[str, str], count: int = 2) -> list[str]:
    found: list[str] = []
    async with asyncio.timeout(10), simulator.stream("GET", "/control/events", headers=headers) as stream:
        async for line in stream.aiter_lines():
            entry = orjson.loads(line[6:]) if line.startswith("data: ") else {}
            if entry.get("kind") == "inbound":
                found.append(entry["body"])
            if len(found) == count:
                break
    return found


async def test_setup_and_page(simulator: httpx.AsyncClient) -> None:
    chat = {"connection": "acme-web", "base_url": "http://127.0.0.1:8000", "title": "Acme"}
    await ask(simulator, "POST", "/control/webchats", **chat)
    found = (await simulator.get("/control/setup")).json()
    assert found["webchats"] == [chat]
    assert found["senders"][0] == {"sender": SENDER, "title": SENDER}
    page = await simulator.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("method", "path", "body", "names"),
    [
        ("POST", "/control/senders", {"sender": SENDER, "account_sid": NOBODY, "webhook_url": "http://x/"}, "sid"),
        ("POST", f"/control/whatsapp/customers/{PHONE}/messages", {"to": "whatsapp:+15550100077", "body": "x"}, "to"),
        ("POST", f"/control/whatsapp/customers/{PHONE}/messages", {"to": SENDER}, "body, media"),
        ("POST", "/control/whatsapp/customers/nobody/messages", {"to": SENDER, "body": "x"}, "phone"),
        ("POST", "/control/faults", {"code": 20429}, "status"),
        ("POST", "/control/faults", {"stats": 500}, "stats"),
    ],
)  # fmt: skip
async def test_control_errors_name_the_field(
    simulator: httpx.AsyncClient, method: str, path: str, body: dict[str, Any], names: str
) -> None:
    answer = await simulator.request(method, path, json=body)
    assert answer.status_code in (404, 422)
    assert names in answer.text
