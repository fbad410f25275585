"""The simulator against Twilio's own package: its client sends and reads, its validator checks what is posted."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client
from twilio.twiml.messaging_response import MessagingResponse

from services.channels.sms import segments as ours
from services.channels.twilio_core.sending import NO_REPLY
from services.simulator.twilio import segments as theirs
from tests.contract.simulated_twilio import (
    ACCOUNT,
    PICTURE,
    QUICK,
    TOKEN,
    Receiver,
    ask,
    controlling,
    filing,
    ledger,
    receiving,
    simulating,
    twilio,
)

OTHER_ACCOUNT, OTHER_TOKEN = "AC" + "0" * 31 + "2", "token-two"
TEST_ACCOUNT, TEST_TOKEN = "AC" + "0" * 31 + "3", "token-test"
SENDER, CUSTOMER, PHONE = "whatsapp:+15550100001", "whatsapp:+15550100002", "+15550100002"
OTHER_SENDER = "whatsapp:+15550100009"
NOBODY = "AC" + "8" * 32


@pytest.fixture(scope="module")
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def receiver(hook: Receiver) -> Receiver:
    hook.forget()
    return hook


@pytest.fixture(scope="module")
async def base_url() -> AsyncIterator[str]:
    async with simulating() as base:
        yield base


@pytest.fixture(scope="module")
async def files() -> AsyncIterator[str]:
    async with filing() as url:
        yield url


@pytest.fixture
async def simulator(base_url: str, receiver: Receiver) -> AsyncIterator[httpx.AsyncClient]:
    """The simulator with two accounts that have a number each, and one with test credentials."""
    async with controlling(base_url) as http:
        await ask(http, "PUT", f"/control/accounts/{OTHER_ACCOUNT}", token=OTHER_TOKEN)
        await ask(http, "PUT", f"/control/accounts/{TEST_ACCOUNT}", token=TEST_TOKEN, test=True)
        for sid, sender in ((ACCOUNT, SENDER), (OTHER_ACCOUNT, OTHER_SENDER), (ACCOUNT, "+15550100001")):
            url = receiver.url + "?from=simulator"
            await ask(http, "POST", "/control/senders", sender=sender, account_sid=sid, webhook_url=url)
        yield http


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
    assert found.status_code == 307
    assert found.headers["location"].startswith(f"{simulator.base_url}/twilio-media/".replace("//twilio", "/twilio"))


async def test_bytes_are_where_the_media_lead_and_not_for_ever(
    simulator: httpx.AsyncClient, receiver: Receiver, files: str
) -> None:
    await write(simulator, media=[{"url": f"{files}?type=text/plain", "content_type": "image/png"}])
    led = await simulator.get(receiver.posts[0]["MediaUrl0"], auth=(ACCOUNT, TOKEN))
    found = await simulator.get(led.headers["location"])
    assert (found.content, found.headers["content-type"]) == (PICTURE, "image/png")
    await ask(simulator, "PUT", "/control/clock", ahead_s=4 * 3600 + 1)
    assert (await simulator.get(led.headers["location"])).status_code == 403
    again = await simulator.get(receiver.posts[0]["MediaUrl0"], auth=(ACCOUNT, TOKEN))
    assert (await simulator.get(again.headers["location"])).content == PICTURE


async def test_client_lists_and_deletes_media(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    media = [{"url": f"https://files.example/{n}", "content_type": f"image/{n}"} for n in ("png", "jpeg", "gif")]
    sid = (await write(simulator, media=media))["message_sid"]
    resource = twilio(simulator).messages(sid).media
    listed = await asyncio.to_thread(lambda: resource.list(page_size=2))
    assert [piece.content_type for piece in listed] == ["image/png", "image/jpeg", "image/gif"]
    assert receiver.posts[0]["MediaUrl1"].endswith(f"/Media/{listed[1].sid}")
    first = twilio(simulator).messages(sid).media(listed[0].sid or "")
    fetched = await asyncio.to_thread(first.fetch)
    assert (fetched.sid, fetched.parent_sid, fetched.content_type) == (listed[0].sid, sid, "image/png")
    assert await asyncio.to_thread(first.delete)
    assert await refusal(asyncio.to_thread(first.fetch)) == (404, 20404)
    assert (await simulator.get(receiver.posts[0]["MediaUrl0"], auth=(ACCOUNT, TOKEN))).status_code == 404
    assert len(await asyncio.to_thread(resource.list)) == 2


async def test_client_deletes_a_message(simulator: httpx.AsyncClient) -> None:
    await write(simulator, body="hi")
    sent = await send(simulator)
    assert await asyncio.to_thread(twilio(simulator).messages(sent.sid).delete)
    assert await refusal(asyncio.to_thread(twilio(simulator).messages(sent.sid).fetch)) == (404, 20404)


async def test_client_shows_that_somebody_types(simulator: httpx.AsyncClient) -> None:
    sid = (await write(simulator, body="hi"))["message_sid"]
    create = twilio(simulator).messaging.v2.typing_indicator.create
    shown = await asyncio.to_thread(lambda: create(channel="whatsapp", message_id=sid))
    assert shown.success is True
    told = [(entry["customer"], entry["status"]) for entry in await ledger(simulator, "status") if entry["id"] == sid]
    assert told == [(PHONE, "typing"), (PHONE, "read")]


async def test_typing_needs_a_message_of_the_accounts_own_customer(simulator: httpx.AsyncClient) -> None:
    sid = (await write(simulator, body="hi"))["message_sid"]
    sent = await send(simulator)
    theirs_, path = (OTHER_ACCOUNT, OTHER_TOKEN), "/v2/Indicators/Typing.json"

    async def answer(message: str, channel: str = "whatsapp", auth: Any = (ACCOUNT, TOKEN)) -> int:
        form = {"messageId": message, "channel": channel}
        return (await simulator.post(path, data=form, auth=auth)).status_code

    found = [await answer(sid, auth=theirs_), await answer("SM1"), await answer(sent.sid), await answer(sid, "sms")]
    assert found == [404, 404, 404, 400]
    assert await answer(sid, auth=(ACCOUNT, "wrong")) == 401
    assert await answer(sid) == 200


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


SERVICE = "MG" + "5" * 32


async def test_advanced_opt_out_tells_what_a_message_was_taken_for(
    simulator: httpx.AsyncClient, receiver: Receiver
) -> None:
    service = {"account_sid": ACCOUNT, "senders": [SENDER, "+15550100001"], "advanced_opt_out": {"stop": ["arrêt"]}}
    await ask(simulator, "PUT", f"/control/twilio/services/{SERVICE}", **service)
    try:
        for body in ("hi", "stop", "ARRÊT", "help", "start"):
            await write(simulator, body=body)
            if body == "ARRÊT":
                assert await refusal(send(simulator)) == (400, 21610)
                sms = send(simulator, messaging_service_sid=SERVICE, from_=None)
                assert await refusal(sms) == (400, 21610)
        told = [(post["Body"], post.get("OptOutType")) for post in receiver.posts]
        assert told == [("hi", None), ("stop", None), ("ARRÊT", "STOP"), ("help", "HELP"), ("start", "START")]
        assert {post["MessagingServiceSid"] for post in receiver.posts} == {SERVICE}
        by_twilio = [entry for entry in await ledger(simulator, "outbound") if entry["by"] == "twilio"]
        assert len(by_twilio) == 3
    finally:
        service = {"account_sid": ACCOUNT, "senders": []}
        await ask(simulator, "PUT", f"/control/twilio/services/{SERVICE}", **service)


@pytest.mark.parametrize(
    ("sid", "refused"),
    [("MG" + "7" * 32, (404, 21701)), ("MG1", (400, 21705)), (SERVICE, (400, 21712))],
    ids=["unknown", "no-sid", "empty"],
)
async def test_wrong_messaging_services(simulator: httpx.AsyncClient, sid: str, refused: tuple[int, int]) -> None:
    await ask(simulator, "PUT", f"/control/twilio/services/{SERVICE}", account_sid=ACCOUNT, senders=[])
    assert await refusal(send(simulator, messaging_service_sid=sid, from_=None)) == refused


async def test_client_sends_through_a_messaging_service(simulator: httpx.AsyncClient, receiver: Receiver) -> None:
    await ask(simulator, "PUT", f"/control/twilio/services/{SERVICE}", account_sid=ACCOUNT, senders=["+15550100001"])
    sent = await send(
        simulator, messaging_service_sid=SERVICE, from_=None, to=PHONE, status_callback=f"{receiver.url}?ref=1"
    )
    assert (sent.status, sent.from_, sent.messaging_service_sid) == ("accepted", None, SERVICE)
    assert await receiver.statuses(2) == ["sent", "delivered"]
    assert (receiver.posts[0]["From"], receiver.posts[0]["MessagingServiceSid"]) == ("+15550100001", SERVICE)
    assert "RawDlrDoneDate" in receiver.posts[1]
    fetched = await asyncio.to_thread(twilio(simulator).messages(sent.sid).fetch)
    assert (fetched.status, fetched.from_) == ("delivered", "+15550100001")


KNOWN, UNAPPROVED, ELSEWHERE = ("HX" + digit * 32 for digit in "abc")


@pytest.fixture
async def templates(simulator: httpx.AsyncClient) -> httpx.AsyncClient:
    """The second account has templates, so it knows no others."""
    body = {"account_sid": OTHER_ACCOUNT, "body": "Hi {{1}}", "buttons": [{"id": "ok_{{2}}", "title": "OK"}]}
    for sid, more in ((KNOWN, {}), (UNAPPROVED, {"approved": False}), (ELSEWHERE, {"at_whatsapp": False})):
        await ask(simulator, "PUT", f"/control/twilio/templates/{sid}", **body, **more)
    return simulator


def send_template(simulator: httpx.AsyncClient, sid: str, variables: str, **more: Any) -> Any:
    client = twilio(simulator, OTHER_ACCOUNT, OTHER_TOKEN)
    content = {"content_sid": sid, "content_variables": variables, "body": None}
    return send(simulator, client, from_=OTHER_SENDER, **content, **more)


async def test_template_is_filled_for_the_customer(templates: httpx.AsyncClient) -> None:
    await send_template(templates, KNOWN, '{"1": "Ann", "2": 7}')
    (entry,) = await ledger(templates, "outbound")
    assert (entry["text"], entry["template"], entry["seen"]) == ("Hi Ann", KNOWN, True)
    assert entry["choices"] == [{"title": "OK", "says": {"choice": {"id": "ok_7", "title": "OK"}}}]


async def test_unknown_template_is_refused(templates: httpx.AsyncClient) -> None:
    assert await refusal(send_template(templates, "HX" + "9" * 32, "{}")) == (400, 21655)


FITTING = '{"1": "a", "2": "b"}'


@pytest.mark.parametrize(
    ("sid", "variables", "code"),
    [(ELSEWHERE, FITTING, "63027"), (KNOWN, '{"1": "a"}', "63028"), (UNAPPROVED, FITTING, "63016")],
)
async def test_template_that_does_not_arrive(
    templates: httpx.AsyncClient, receiver: Receiver, sid: str, variables: str, code: str
) -> None:
    await send_template(templates, sid, variables, status_callback=receiver.url)
    assert [entry["seen"] for entry in await ledger(templates, "outbound")] == [False]
    assert await receiver.statuses(2) == ["sent", "undelivered"]
    assert receiver.posts[-1]["ErrorCode"] == code


async def test_unapproved_template_reaches_who_wrote_today(templates: httpx.AsyncClient) -> None:
    await write(templates, to=OTHER_SENDER, body="hi")
    await send_template(templates, UNAPPROVED, FITTING)
    assert [entry["seen"] for entry in await ledger(templates, "outbound")] == [True]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("type=image/png", None),
        ("type=image/png&size=5242881", "63034"),
        ("type=video/mp4&size=16777217", "11751"),
        ("type=image/gif", "12300"),
        ("size=1", "63019"),
    ],
)
async def test_media_are_fetched_and_looked_at(
    simulator: httpx.AsyncClient, receiver: Receiver, files: str, query: str, code: str | None
) -> None:
    await write(simulator, body="hi")
    sent = await send(simulator, media_url=[f"{files}?{query}"], status_callback=receiver.url)
    statuses = await receiver.statuses(2 if code else 3)
    assert statuses[-1] == ("undelivered" if code else "read")
    last = receiver.posts[-1]
    assert (last.get("ErrorCode"), last.get("ChannelStatusMessage") is not None) == (code, code is not None)
    pieces = await asyncio.to_thread(twilio(simulator).messages(sent.sid).media.list)
    assert [piece.content_type for piece in pieces] == ([] if code == "63019" else [query.split("&")[0][5:]])


@pytest.mark.parametrize(
    ("answer", "media_type", "error"),
    [
        ("<Response/>", "text/xml", None),
        ("", "text/plain", None),
        ("ok", "text/plain", "12300"),
        ("<Response>", "text/xml", "12100"),
        ("<Answer/>", "application/xml", "12100"),
    ],
)
async def test_answers_must_be_twiml(
    simulator: httpx.AsyncClient, receiver: Receiver, answer: str, media_type: str, error: str | None
) -> None:
    receiver.answer, receiver.media_type = answer, media_type
    told = await write(simulator, body="hi")
    assert (told["status"], told["error"]) == (200, error)


def test_our_answer_is_twilios_empty_response() -> None:
    made = ElementTree.fromstring(MessagingResponse().to_xml())
    said = ElementTree.fromstring(NO_REPLY.body)
    assert (said.tag, said.attrib, list(said)) == (made.tag, made.attrib, list(made))
    assert NO_REPLY.media_type == "text/xml"


@given(st.text(st.sampled_from("ab 1€{ß😀\n漢"), max_size=400))
def test_both_counts_of_segments_agree(text: str) -> None:
    assert ours.count(text) == theirs.count(text)


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
