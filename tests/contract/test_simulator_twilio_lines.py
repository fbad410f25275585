"""WhatsApp through Twilio on a tenant's line: our adapter and the stand-in against each other."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from m2n.adapters.channel import Accepted, Refused, Signal
from m2n.message import (
    AudioContent,
    Button,
    ButtonsContent,
    ChoiceContent,
    ConsentWord,
    FileContent,
    ImageContent,
    ListContent,
    ListItem,
    LocationContent,
    Media,
    ReceiptStatus,
    StickerContent,
    TemplateContent,
    TextContent,
    VideoContent,
)
from services.channels.whatsapp_twilio.adapter import channel
from tests.contract.simulated_twilio import (
    ACCOUNT,
    PICTURE,
    Business,
    Receiver,
    ask,
    controlling,
    filing,
    ledger,
    receiving,
    simulating,
)

PHONE, CUSTOMER, USER = "+15550100002", "whatsapp:+15550100002", "US.13491208655302741918"
SENDER = "whatsapp:+15550100001"


@pytest.fixture(scope="module")
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
async def base_url() -> AsyncIterator[str]:
    async with simulating() as base:
        yield base


@pytest.fixture(scope="module")
async def files() -> AsyncIterator[str]:
    async with filing() as url:
        yield url


@pytest.fixture
async def http(base_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with controlling(base_url) as http:
        yield http


@pytest.fixture
async def shop(http: httpx.AsyncClient, hook: Receiver) -> Business:
    hook.forget()
    business = Business(channel, http, hook, {"sender": SENDER})
    await business.enter()
    return business


async def test_line_is_offered(shop: Business, http: httpx.AsyncClient) -> None:
    lines = (await http.get("/control/lines")).json()["lines"]
    assert lines == [
        {
            "channel": "whatsapp_twilio",
            "channel_title": "WhatsApp (Twilio)",
            "connection": "acme-whatsapp-twilio",
            "title": "Acme",
        }
    ]


async def test_customer_writes(shop: Business, http: httpx.AsyncClient) -> None:
    answer = await shop.customer_says(PHONE, text="Grüße 👋", name="Ada", reply_to="SM" + "1" * 32)
    (found,) = shop.parsed().messages
    assert (found.content, found.display_name, found.reply_to) == (
        TextContent(text="Grüße 👋"),
        "Ada",
        "SM" + "1" * 32,
    )
    assert (found.vendor_message_id, found.address.to) == (answer["message_id"], CUSTOMER)
    assert (answer["status"], answer["tries"], answer["error"]) == (200, 1, None)
    (inbound,), (webhook,) = await ledger(http, "inbound"), await ledger(http, "webhook")
    assert (inbound["channel"], inbound["line"], inbound["id"], inbound["text"]) == (
        "whatsapp_twilio",
        "acme-whatsapp-twilio",
        answer["message_id"],
        "Grüße 👋",
    )
    assert (webhook["id"], webhook["status"], webhook["line"]) == (answer["message_id"], 200, "acme-whatsapp-twilio")


@pytest.mark.parametrize(
    ("said", "content"),
    [
        ({"choice": {"id": "y", "title": "Yes"}}, ChoiceContent(id="y", title="Yes")),
        (
            {"location": {"latitude": 52.5, "longitude": 5, "label": "Dom"}},
            LocationContent(latitude=52.5, longitude=5, name="Dom"),
        ),
        ({"text": "Two", "extra": {"ListId": "b", "ListTitle": "Two"}}, ChoiceContent(id="b", title="Two")),
    ],
    ids=["choice", "location", "list"],
)
async def test_what_else_a_customer_does(shop: Business, said: dict[str, Any], content: Any) -> None:
    await shop.customer_says(PHONE, **said)
    assert [message.content for message in shop.parsed().messages] == [content]


async def test_customer_without_a_phone_number(shop: Business) -> None:
    await shop.customer_says(USER, text="Hello")
    (found,) = shop.parsed().messages
    assert [(one.scheme, one.value) for one in found.identities] == [("wa_bsuid", USER)]
    assert [type(outcome) for outcome in await shop.sends(found.address.to, TextContent(text="Hi"))] == [Accepted]
    assert [entry["text"] for entry in await shop.customer_sees(USER)] == ["Hi"]


async def test_media_of_a_customer_can_be_fetched(shop: Business, http: httpx.AsyncClient, files: str) -> None:
    media = [{"url": f"{files}?type=image/png", "content_type": "image/png"}] * 2
    await shop.customer_says(PHONE, text="Look", media=media)
    found = shop.parsed().messages
    assert [message.vendor_message_id.partition("#")[2] for message in found] == ["", "1"]
    for message in found:
        content: Any = message.content
        call = shop.channel.media_call(content.media, shop.connection, shop.secrets)
        led = await http.get(call.url, headers=dict(call.headers), auth=call.auth)
        assert led.status_code == 307
        assert (await http.get(led.headers["location"])).content == PICTURE


IMAGE = Media(url="https://cdn.example/a.jpg", mime="image/jpeg")


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (TextContent(text="Hello\n1. no offer\n"), [{"text": "Hello\n1. no offer\n"}]),
        (
            ButtonsContent(text="Sure?", buttons=(Button(id="y", title="Yes"), Button(id="n", title="No"))),
            [{"choices": [{"title": "Yes", "says": {"text": "1"}}, {"title": "No", "says": {"text": "2"}}]}],
        ),
        (
            ListContent(text="How?", button="Choose", items=(ListItem(id="a", title="Fast", description="1 day"),)),
            [{"text": "How?\n\n1. Fast - 1 day"}],
        ),
        (ImageContent(media=IMAGE, caption="Look"), [{"text": "Look", "pictures": [IMAGE.url], "files": []}]),
        (
            FileContent(media=Media(url="https://cdn.example/a.pdf"), caption="The bill"),
            [{"text": "", "files": ["https://cdn.example/a.pdf"]}, {"text": "The bill"}],
        ),
        (VideoContent(media=Media(url="https://cdn.example/a.mp4")), [{"files": ["https://cdn.example/a.mp4"]}]),
        (
            AudioContent(media=Media(url="https://cdn.example/a.mp3"), caption="Listen"),
            [{"files": ["https://cdn.example/a.mp3"]}, {"text": "Listen"}],
        ),
        (StickerContent(media=Media(url="https://cdn.example/a.webp")), [{"pictures": ["https://cdn.example/a.webp"]}]),
        (
            LocationContent(latitude=52.0907, longitude=-5, name="Dom", address="Domplein 29"),
            [{"text": "Dom", "place": {"latitude": 52.0907, "longitude": -5, "label": "Domplein 29"}}],
        ),
        (TemplateContent(template="HX" + "1" * 32), [{"template": "HX" + "1" * 32}]),
        (TextContent(text="word " * 700), [{}, {}, {}]),
        (ImageContent(media=IMAGE, caption="word " * 300), [{"pictures": [IMAGE.url]}, {"pictures": []}]),
    ],
    ids=lambda value: getattr(value, "type", ""),
)
async def test_what_our_adapter_sends_is_taken_and_seen(shop: Business, content: Any, seen: list[Any]) -> None:
    await shop.customer_says(PHONE, text="hi")
    outcomes = await shop.sends(CUSTOMER, content)
    assert [type(outcome) for outcome in outcomes] == [Accepted] * len(seen)
    shown = await shop.customer_sees(PHONE)
    assert len(shown) == len(seen)
    for entry, wanted in zip(shown, seen, strict=True):
        assert wanted.items() <= entry.items()
    ids = [outcome.vendor_message_id for outcome in outcomes if isinstance(outcome, Accepted)]
    assert [entry["id"] for entry in shown] == ids


async def test_number_answers_what_was_offered(shop: Business) -> None:
    await shop.customer_says(PHONE, text="hi")
    await shop.sends(CUSTOMER, ButtonsContent(text="Sure?", buttons=(Button(id="y", title="Yes"),)))
    (entry,) = await shop.customer_sees(PHONE)
    await shop.customer_says(PHONE, **entry["choices"][0]["says"])
    assert [message.content for message in shop.parsed().messages] == [TextContent(text="1")]


TEMPLATE = "HX" + "2" * 32


async def test_buttons_of_a_template(shop: Business, http: httpx.AsyncClient) -> None:
    """What a tenant makes at Twilio for buttons, as the adapter's README says."""
    other = "AC" + "0" * 31 + "2"
    shop.settings |= {"account_sid": other, "sender": "whatsapp:+15550100005"}
    await shop.enter()
    parts = {
        "buttons": [{"id": "{{3}}", "title": "{{2}}"}],
        "items": [{"id": "item_a", "title": "A"}],
    }
    await ask(http, "PUT", f"/control/twilio/templates/{TEMPLATE}", account_sid=other, body="{{1}}", **parts)
    await shop.customer_says(PHONE, text="hi")
    variables = (("1", "Shall we?"), ("2", "Yes"), ("3", "yes"))
    assert [type(o) for o in await shop.sends(CUSTOMER, TemplateContent(template=TEMPLATE, variables=variables))] == [
        Accepted
    ]
    (entry,) = await shop.customer_sees(PHONE)
    assert entry["text"] == "Shall we?"
    picked = []
    for choice in entry["choices"]:
        await shop.customer_says(PHONE, **choice["says"])
        picked += [message.content for message in shop.parsed().messages]
    assert picked == [ChoiceContent(id="yes", title="Yes"), ChoiceContent(id="item_a", title="A")]
    missing = TemplateContent(template="HX" + "3" * 32)
    (refused,) = await shop.sends(CUSTOMER, missing)
    assert isinstance(refused, Refused)
    assert refused.error.code == "21655"


async def test_receipts(shop: Business) -> None:
    await shop.customer_says(PHONE, text="hi")
    (accepted,) = await shop.sends(CUSTOMER, TextContent(text="Hello"))
    await shop.receiver.statuses(3)
    found = [receipt for number in (-3, -2, -1) for receipt in shop.told(number).receipts]
    assert [receipt.status for receipt in found] == [ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.READ]
    assert isinstance(accepted, Accepted)
    assert {(receipt.message_id, receipt.vendor_message_id) for receipt in found} == {
        ("p1.1.7", accepted.vendor_message_id)
    }


async def test_window_that_is_closed(shop: Business) -> None:
    await shop.sends(CUSTOMER, TextContent(text="Hello"))
    await shop.receiver.statuses(2)
    (receipt,) = shop.told().receipts
    assert (receipt.status, receipt.error and receipt.error.code) == (ReceiptStatus.FAILED, "63016")
    assert await shop.customer_sees(PHONE) == []


async def test_opt_out(shop: Business) -> None:
    await shop.customer_says(PHONE, text="stop")
    (refused,) = await shop.sends(CUSTOMER, TextContent(text="Hello"))
    assert isinstance(refused, Refused)
    assert (refused.error.code, refused.opted_out) == ("21610", "all")
    await shop.customer_says(PHONE, text="start")
    assert [type(outcome) for outcome in await shop.sends(CUSTOMER, TextContent(text="Hello"))] == [Accepted]
    assert [entry["by"] for entry in await shop.customer_sees(PHONE)] == ["twilio", "twilio", ""]


async def test_advanced_opt_out(shop: Business, http: httpx.AsyncClient) -> None:
    path = "/control/twilio/services/MG" + "6" * 32
    words = {"stop": ["halt"], "start": ["los"], "help": ["hilfe"]}
    await ask(http, "PUT", path, account_sid=ACCOUNT, senders=[SENDER], advanced_opt_out=words)
    try:
        consents = []
        for text in ("Halt", "hilfe", "LOS", "hallo"):
            await shop.customer_says(PHONE, text=text)
            consents += [(one.consent, one.consent_answered) for one in shop.parsed().messages]
        assert consents == [
            (ConsentWord.STOP, True),
            (ConsentWord.HELP, True),
            (ConsentWord.START, True),
            (None, None),
        ]
    finally:
        await ask(http, "PUT", path, account_sid=ACCOUNT, senders=[])


@pytest.mark.parametrize("kind", ["typing", "read"])
async def test_signals(shop: Business, http: httpx.AsyncClient, kind: Any) -> None:
    told = await shop.customer_says(PHONE, text="hi")
    calls = channel.signal(Signal(kind, CUSTOMER, told["message_id"]), shop.context)
    assert [await shop.call(call) for call in calls] == [Accepted(None)]
    shown = [entry["status"] for entry in await ledger(http, "status") if entry["id"] == told["message_id"]]
    assert shown == ["typing", "read"]


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({}, "expected a text"),
        ({"reaction": {"target": "x", "emoji": "👍"}}, "reaction"),
        ({"edit": {"target": "x", "text": "y"}}, "edit"),
        ({"delete": "x"}, "delete"),
        ({"digits": "1"}, "digits"),
        ({"hang_up": True}, "hang_up"),
    ],
)
async def test_what_whatsapp_does_not_have(
    shop: Business, http: httpx.AsyncClient, said: dict[str, Any], names: str
) -> None:
    path = f"/control/lines/whatsapp_twilio/acme-whatsapp-twilio/customers/{PHONE}/messages"
    answer = await http.post(path, json=said)
    assert answer.status_code == 422
    assert names in answer.text


async def test_customer_has_a_phone_or_a_user_id(shop: Business, http: httpx.AsyncClient) -> None:
    path = "/control/lines/whatsapp_twilio/acme-whatsapp-twilio/customers/ann/messages"
    answer = await http.post(path, json={"text": "hi"})
    assert (answer.status_code, "customer" in answer.text) == (422, True)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"settings": {}}, "account_sid"),
        ({"settings": {"account_sid": ACCOUNT}}, "sender"),
        ({"secrets": {}}, "auth-token"),
    ],
)
async def test_lines_that_do_not_fit(shop: Business, http: httpx.AsyncClient, changes: Any, names: str) -> None:
    line = {
        "channel": "whatsapp_twilio",
        "connection": "x",
        "webhook_url": "http://127.0.0.1:9/",
        "settings": shop.connection.settings,
        "secrets": shop.secrets,
    }
    answer = await http.put("/control/lines", json=line | changes)
    assert answer.status_code == 422
    assert names in answer.text


async def test_both_ways_to_be_the_customer_see_the_same(shop: Business, http: httpx.AsyncClient) -> None:
    """The older control API, which names senders, goes on beside the lines."""
    body = {"sender": SENDER, "account_sid": ACCOUNT, "webhook_url": shop.receiver.url}
    await ask(http, "POST", "/control/senders", **body)
    await ask(http, "POST", f"/control/whatsapp/customers/{PHONE}/messages", to=SENDER, body="hi")
    assert [message.content for message in shop.parsed().messages] == [TextContent(text="hi")]
    await shop.sends(CUSTOMER, TextContent(text="Hello"))
    old = (await http.get(f"/control/whatsapp/customers/{PHONE}/messages", params={"sender": SENDER})).json()
    new = await shop.customer_sees(PHONE)
    assert [entry["n"] for entry in old["messages"]] == [entry["n"] for entry in new]
    assert [entry["body"] for entry in new] == ["Hello"]
    assert [entry["line"] for entry in await ledger(http, "inbound")] == ["acme-whatsapp-twilio"]
