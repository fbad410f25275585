"""SMS through Twilio on a tenant's line: our adapter and the stand-in against each other, and Twilio's own client."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from m2n.adapters.channel import Accepted, CallOutcome, Refused, VendorCall
from m2n.message import (
    AudioContent,
    Button,
    ButtonsContent,
    ConsentWord,
    FileContent,
    ImageContent,
    LocationContent,
    Media,
    ReceiptStatus,
    StickerContent,
    TemplateContent,
    TextContent,
    VideoContent,
)
from services.channels.sms import segments
from services.channels.sms.adapter import channel
from services.channels.twilio_core.sending import message_call
from tests.contract.simulated_twilio import (
    ACCOUNT,
    PICTURE,
    TOKEN,
    Business,
    Receiver,
    ask,
    controlling,
    filing,
    ledger,
    receiving,
    simulating,
    twilio,
)

SENDER, CUSTOMER = "+15550100001", "+15550100002"
SERVICE = "MG" + "4" * 32


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


async def opened(http: httpx.AsyncClient, hook: Receiver, **settings: Any) -> Business:
    hook.forget()
    business = Business(channel, http, hook, settings)
    await business.enter()
    return business


@pytest.fixture
async def shop(http: httpx.AsyncClient, hook: Receiver) -> Business:
    return await opened(http, hook, sender=SENDER)


async def sent(http: httpx.AsyncClient, accepted: CallOutcome) -> Any:
    """The message as Twilio's client reads it."""
    assert isinstance(accepted, Accepted)
    return await asyncio.to_thread(twilio(http).messages(accepted.vendor_message_id or "").fetch)


async def test_customer_writes(shop: Business, http: httpx.AsyncClient) -> None:
    text = "Guten Tag " * 20 + "€"
    answer = await shop.customer_says(CUSTOMER, text=text)
    (found,) = shop.parsed().messages
    assert (found.content, found.vendor_message_id) == (TextContent(text=text), answer["message_id"])
    assert [(one.scheme, one.value) for one in found.identities] == [("phone", CUSTOMER)]
    assert (found.address.to, found.address.channel, found.display_name) == (CUSTOMER, "sms", None)
    (post,) = shop.receiver.posts
    assert (post["NumSegments"], "MessageType" in post, "ProfileName" in post) == ("2", False, False)
    assert shop.receiver.genuine == [True]
    assert (answer["status"], answer["error"]) == (200, None)
    (inbound,) = await ledger(http, "inbound")
    assert (inbound["channel"], inbound["line"], inbound["customer"]) == ("sms", "acme-sms", CUSTOMER)


async def test_same_message_can_come_twice(shop: Business) -> None:
    sid = "SM" + "7" * 32
    for _ in range(2):
        await shop.customer_says(CUSTOMER, text="x", message_id=sid)
    assert [shop.parsed(n).messages[0].vendor_message_id for n in (0, 1)] == [sid, sid]


async def test_media_of_a_customer_can_be_fetched(shop: Business, http: httpx.AsyncClient, files: str) -> None:
    media = [{"url": f"{files}?type=image/jpeg", "content_type": "image/jpeg"}]
    await shop.customer_says(CUSTOMER, text="Look", media=media)
    (found,) = shop.parsed().messages
    content: Any = found.content
    assert (content.type, content.caption, content.media.mime) == ("image", "Look", "image/jpeg")
    call = shop.channel.media_call(content.media, shop.connection, shop.secrets)
    assert (await http.get(call.url)).status_code == 401
    led = await http.get(call.url, auth=call.auth)
    file = await http.get(led.headers["location"])
    assert (led.status_code, file.content, file.headers["content-type"]) == (307, PICTURE, "image/jpeg")


PICTURE_AT = Media(url="https://cdn.example/a.png", mime="image/png")


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (TextContent(text="Hello"), [{"text": "Hello"}]),
        (
            ButtonsContent(text="Sure?", buttons=(Button(id="y", title="Yes"),)),
            [{"text": "Sure?\n\n1. Yes", "choices": [{"title": "Yes", "says": {"text": "1"}}]}],
        ),
        (ImageContent(media=PICTURE_AT, caption="Look"), [{"text": "Look", "pictures": [PICTURE_AT.url]}]),
        (AudioContent(media=Media(url="https://cdn.example/a.mp3")), [{"files": ["https://cdn.example/a.mp3"]}]),
        (VideoContent(media=Media(url="https://cdn.example/a.mp4")), [{"files": ["https://cdn.example/a.mp4"]}]),
        (FileContent(media=Media(url="https://cdn.example/a.pdf")), [{"files": ["https://cdn.example/a.pdf"]}]),
        (
            StickerContent(media=Media(url="https://cdn.example/a.webp", mime="image/webp")),
            [{"text": "https://cdn.example/a.webp"}],
        ),
        (
            LocationContent(latitude=52, longitude=5, name="Dom"),
            [{"text": "Dom\nhttps://www.openstreetmap.org/?mlat=52&mlon=5"}],
        ),
        (TemplateContent(template="HX" + "1" * 32), [{"template": "HX" + "1" * 32}]),
    ],
    ids=lambda value: getattr(value, "type", ""),
)
async def test_what_our_adapter_sends_is_taken_and_seen(shop: Business, content: Any, seen: list[Any]) -> None:
    outcomes = await shop.sends(CUSTOMER, content)
    assert [type(outcome) for outcome in outcomes] == [Accepted] * len(seen)
    shown = await shop.customer_sees(CUSTOMER)
    assert len(shown) == len(seen)
    for entry, wanted in zip(shown, seen, strict=True):
        assert wanted.items() <= entry.items()


@pytest.mark.parametrize(
    ("text", "most"), [("Grüße aus Köln! " * 200, 10), ("Привет, мир! " * 200, 3), ("All {for} 5 €. " * 120, 1)]
)
async def test_twilio_counts_no_more_segments_than_the_connection_wants(
    http: httpx.AsyncClient, hook: Receiver, text: str, most: int
) -> None:
    shop = await opened(http, hook, sender=SENDER, max_segments=most)
    outcomes = await shop.sends(CUSTOMER, TextContent(text=text))
    messages = [await sent(http, outcome) for outcome in outcomes]
    counted = [int(message.num_segments) for message in messages]
    assert counted == [segments.count(message.body) for message in messages]
    assert max(counted) == most
    assert " ".join(message.body for message in messages).split() == text.split()


async def test_receipts(shop: Business) -> None:
    (accepted,) = await shop.sends(CUSTOMER, TextContent(text="Hello"))
    assert await shop.receiver.statuses(2) == ["sent", "delivered"]
    found = [receipt for number in (-2, -1) for receipt in shop.told(number).receipts]
    assert [receipt.status for receipt in found] == [ReceiptStatus.SENT, ReceiptStatus.DELIVERED]
    assert isinstance(accepted, Accepted)
    assert {(receipt.message_id, receipt.vendor_message_id) for receipt in found} == {
        ("p1.1.7", accepted.vendor_message_id)
    }


async def test_carrier_that_does_not_deliver(shop: Business, http: httpx.AsyncClient) -> None:
    plan = {"sent_s": 0.01, "delivered_s": 0.01, "final": "undelivered", "error_code": 30003}
    await ask(http, "PUT", "/control/statuses", **plan)
    await shop.sends(CUSTOMER, TextContent(text="Hello"))
    await shop.receiver.statuses(2)
    (receipt,) = shop.told().receipts
    assert (receipt.status, receipt.error and receipt.error.code) == (ReceiptStatus.FAILED, "30003")


async def test_no_window(shop: Business) -> None:
    """A business may write first, and late."""
    assert [type(outcome) for outcome in await shop.sends("+15550100077", TextContent(text="Hi"))] == [Accepted]
    assert [entry["text"] for entry in await shop.customer_sees("+15550100077")] == ["Hi"]


async def test_opt_out(shop: Business) -> None:
    await shop.customer_says(CUSTOMER, text="STOP")
    (refused,) = await shop.sends(CUSTOMER, TextContent(text="Hello"))
    assert isinstance(refused, Refused)
    assert (refused.error.code, refused.opted_out) == ("21610", "all")
    await shop.customer_says(CUSTOMER, text="unstop")
    await shop.customer_says(CUSTOMER, text="info")
    assert [type(outcome) for outcome in await shop.sends(CUSTOMER, TextContent(text="Hello"))] == [Accepted]
    assert [entry["by"] for entry in await shop.customer_sees(CUSTOMER)] == ["twilio"] * 3 + [""]


async def test_messaging_service(http: httpx.AsyncClient, hook: Receiver) -> None:
    """Both of its numbers are the connection's; a customer keeps the one that wrote first, and STOP closes both."""
    service = {"account_sid": ACCOUNT, "senders": ["+15550100011", "+15550100012"], "advanced_opt_out": {}}
    await ask(http, "PUT", f"/control/twilio/services/{SERVICE}", **service)
    shop = await opened(http, hook, messaging_service_sid=SERVICE)
    (first,) = await shop.sends(CUSTOMER, TextContent(text="Hello"))
    assert await hook.statuses(2) == ["sent", "delivered"]
    assert [receipt.status for receipt in shop.told().receipts] == [ReceiptStatus.DELIVERED]
    message = await sent(http, first)
    assert (message.from_, message.messaging_service_sid) == ("+15550100011", SERVICE)
    await shop.customer_says(CUSTOMER, text="stop")
    (found,) = shop.parsed().messages
    assert (found.consent, found.consent_answered) == (ConsentWord.STOP, True)
    assert hook.posts[-1]["To"] == "+15550100011"
    (refused,) = await shop.sends(CUSTOMER, TextContent(text="Hello"))
    assert isinstance(refused, Refused)


async def test_service_of_which_nothing_was_said_has_a_number(http: httpx.AsyncClient, hook: Receiver) -> None:
    shop = await opened(http, hook, messaging_service_sid="MG" + "9" * 32)
    await shop.customer_says(CUSTOMER, text="hi")
    assert [message.content for message in shop.parsed().messages] == [TextContent(text="hi")]
    assert [type(outcome) for outcome in await shop.sends(CUSTOMER, TextContent(text="Hello"))] == [Accepted]


@pytest.mark.parametrize("sender", ["55501", "ACME Bikes"])
async def test_short_codes_and_names(http: httpx.AsyncClient, hook: Receiver, sender: str) -> None:
    shop = await opened(http, hook, sender=sender)
    (accepted,) = await shop.sends(CUSTOMER, TextContent(text="Hello"))
    assert (await sent(http, accepted)).from_ == sender
    await hook.statuses(2)
    assert [receipt.status for receipt in shop.told().receipts] == [ReceiptStatus.DELIVERED]


async def test_sender_name_sends_addresses_of_media(http: httpx.AsyncClient, hook: Receiver) -> None:
    shop = await opened(http, hook, sender="ACME Bikes")
    await shop.sends(CUSTOMER, ImageContent(media=PICTURE_AT, caption="Look"))
    (entry,) = await shop.customer_sees(CUSTOMER)
    assert (entry["text"], entry["pictures"]) == (f"Look\n{PICTURE_AT.url}", [])


def mms(shop: Business, *urls: str) -> VendorCall:
    form = [("To", CUSTOMER), ("From", SENDER), ("StatusCallback", f"{shop.receiver.url}?ref=m1")]
    base = str(shop.http.base_url)
    return message_call(base, ACCOUNT, TOKEN, form + [("MediaUrl", url) for url in urls])


@pytest.mark.parametrize(("count", "outcome"), [(10, Accepted), (11, Refused)])
async def test_media_of_one_message(shop: Business, count: int, outcome: type) -> None:
    found = await shop.call(mms(shop, *["https://cdn.example/a.png"] * count))
    assert isinstance(found, outcome)


@pytest.mark.parametrize(
    ("queries", "code"),
    [
        (["type=image/png&size=2500000"] * 2, None),
        (["type=image/png&size=2500000", "type=image/png&size=2500001"], "11751"),
        (["type=image/webp&size=1"], "12300"),
        (["size=1"], "11200"),
    ],
    ids=["fits", "too-large", "wrong-type", "not-there"],
)
async def test_media_are_looked_at(shop: Business, files: str, queries: list[str], code: str | None) -> None:
    assert isinstance(await shop.call(mms(shop, *[f"{files}?{query}" for query in queries])), Accepted)
    await shop.receiver.statuses(2)
    (receipt,) = shop.told().receipts
    assert (receipt.error and receipt.error.code) == code


@pytest.mark.parametrize(
    ("to", "content", "code"),
    [
        ("nobody", TextContent(text="x"), "21211"),
        ("whatsapp:+15550100002", TextContent(text="x"), "21910"),
        (CUSTOMER, TemplateContent(template="HX1"), "21655"),
    ],
)
async def test_what_twilio_refuses(shop: Business, to: str, content: Any, code: str) -> None:
    (refused,) = await shop.sends(to, content)
    assert isinstance(refused, Refused)
    assert refused.error.code == code


async def test_another_accounts_number(shop: Business) -> None:
    shop.settings |= {"sender": "+15550100099"}
    (refused,) = await shop.sends(CUSTOMER, TextContent(text="x"))
    assert isinstance(refused, Refused)
    assert refused.error.code == "21606"


@pytest.mark.parametrize("vendor", ["twilio", "sms"])
async def test_faults(shop: Business, http: httpx.AsyncClient, vendor: str) -> None:
    await ask(http, "POST", "/control/faults", channel=vendor, status=400, code=21612)
    first = await shop.sends(CUSTOMER, TextContent(text="x"))
    second = await shop.sends(CUSTOMER, TextContent(text="x"))
    assert [type(outcome) for outcome in first + second] == [Refused, Accepted]


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"choice": {"id": "y", "title": "Yes"}}, "choice"),
        ({"location": {"latitude": 1, "longitude": 2}}, "location"),
        ({"text": "x", "reply_to": "SM1"}, "reply_to"),
        ({"reaction": {"target": "x", "emoji": "👍"}}, "reaction"),
    ],
)
async def test_what_sms_does_not_have(shop: Business, http: httpx.AsyncClient, said: Any, names: str) -> None:
    answer = await http.post(f"/control/lines/sms/acme-sms/customers/{CUSTOMER}/messages", json=said)
    assert answer.status_code == 422
    assert names in answer.text
