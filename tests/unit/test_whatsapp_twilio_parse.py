"""Twilio's WhatsApp webhooks in the common format, from recorded shapes with invented data."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2n.adapters.channel import Acknowledgement, MalformedWebhook, Parsed, WebhookRequest
from m2n.message import MAX_TEXT, ConsentWord, Inbound, OptedOut, Receipt, ReceiptStatus
from m2n.tenant import Connection, ConnectionKind
from services.channels.twilio_core.receipts import STATUSES
from services.channels.whatsapp_twilio.adapter import channel

FIXTURES = Path(__file__).parents[2] / "services" / "channels" / "whatsapp_twilio" / "fixtures"
ACCOUNT = "AC0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONNECTION = Connection(
    id="acme-whatsapp",
    kind=ConnectionKind.CHANNEL,
    adapter="whatsapp_twilio",
    settings={"account_sid": ACCOUNT, "sender": "whatsapp:+15550100001"},
)
URL = "https://hooks.example/webhooks/whatsapp_twilio/acme-whatsapp"


def fixture(name: str, **changes: str | None) -> dict[str, str]:
    lines = (FIXTURES / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    found: dict[str, Any] = dict(line.split("=", 1) for line in lines if not line.startswith("?")) | changes
    return {field: value for field, value in found.items() if value is not None}


def parsed(body: dict[str, str] | bytes, url: str = URL, method: str = "POST") -> Parsed:
    raw = body if isinstance(body, bytes) else urlencode(body).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return channel.parse(WebhookRequest(method, url, headers, raw), "acme", CONNECTION, NOW)


def message(name: str, **changes: str | None) -> Inbound:
    (only,) = parsed(fixture(name, **changes)).messages
    return only


def receipt(name: str, ref: str = "p1.1.7", **changes: str | None) -> Receipt:
    (only,) = parsed(fixture(name, **changes), f"{URL}?ref={ref}").receipts
    return only


def test_text_with_all_that_goes_with_it() -> None:
    found = message("text")
    assert found.content.model_dump() == {"type": "text", "text": "Where is my parcel? 📦 شكرا"}
    assert (found.tenant, found.display_name, found.received_at) == ("acme", "Ada Example", NOW)
    assert found.address.model_dump() == {
        "connection": "acme-whatsapp",
        "channel": "whatsapp_twilio",
        "to": "whatsapp:+15550100002",
    }
    assert found.vendor_message_id == fixture("text")["MessageSid"]
    assert [(i.scheme, i.value) for i in found.identities] == [("phone", "+15550100002")]
    assert [(hop.service, hop.did, hop.at) for hop in found.trail] == [("webhooks", "received", NOW)]


@pytest.mark.parametrize(
    ("name", "kind", "mime", "caption"),
    [
        ("image", "image", "image/jpeg", "The scratch is on the left"),
        ("voice", "audio", "audio/ogg; codecs=opus", None),
        ("video", "video", "video/mp4", None),
        ("document", "file", "application/pdf", "invoice.pdf"),
        ("sticker", "sticker", "image/webp", None),
        ("contact", "file", "text/vcard", None),
    ],
)
def test_media(name: str, kind: str, mime: str, caption: str | None) -> None:
    content: Any = message(name).content
    assert (content.type, content.media.mime, getattr(content, "caption", None)) == (kind, mime, caption)
    assert content.media.url == fixture(name)["MediaUrl0"]
    assert content.media.vendor_id == f"ME{16:032x}"
    assert content.media.voice == (name == "voice")


def test_every_piece_of_media_is_a_message() -> None:
    found = parsed(fixture("three_media")).messages
    sid = fixture("three_media")["MessageSid"]
    assert [m.vendor_message_id for m in found] == [sid, f"{sid}#1", f"{sid}#2"]
    assert [m.content.type for m in found] == ["image", "image", "file"]
    assert [getattr(m.content, "caption", None) for m in found] == ["All of them", None, None]


def test_words_with_a_sticker_are_not_lost() -> None:
    content: Any = message("sticker", Body="look").content
    assert (content.type, content.caption) == ("image", "look")


def test_location() -> None:
    assert message("location").content.model_dump() == {
        "type": "location",
        "latitude": 52.0907,
        "longitude": 5.1214,
        "name": "Dom Tower",
        "address": "Domplein 29, Utrecht",
    }


@pytest.mark.parametrize(
    ("name", "picked"),
    [("button", ("confirm_1", "Yes, please")), ("list_item", ("delivery_express", "Express delivery"))],
)
def test_choice(name: str, picked: tuple[str, str]) -> None:
    found = message(name)
    content: Any = found.content
    assert (content.type, content.id, content.title) == ("choice", *picked)
    assert found.reply_to == fixture(name)["OriginalRepliedMessageSid"]


def test_button_without_payload_is_known_by_its_label() -> None:
    content: Any = message("button", ButtonPayload=None).content
    assert (content.type, content.id) == ("choice", "Yes, please")


def test_reply_names_the_quoted_message() -> None:
    assert message("reply").reply_to == "SM" + "c" * 32


def test_user_without_a_phone_number() -> None:
    found = message("without_phone")
    assert [(i.scheme, i.value) for i in found.identities] == [("wa_bsuid", "US.13491208655302741918")]
    assert found.address.to == "whatsapp:US.13491208655302741918"


def test_phone_comes_first() -> None:
    assert [i.scheme for i in message("phone_and_user_id").identities] == ["phone", "wa_bsuid"]


@pytest.mark.parametrize(("name", "kind"), [("unknown_type", "order"), ("image", "image")])
def test_what_is_not_known_is_kept_by_reference(name: str, kind: str) -> None:
    content: Any = message(name, NumMedia="0").content
    assert (content.type, content.vendor_type, content.raw_ref) == (
        "unsupported",
        kind,
        fixture(name)["MessageSid"],
    )


@pytest.mark.parametrize(("name", "word"), [("stop", "stop"), ("start", "start"), ("help", "help")])
def test_twilio_tells_what_it_took_a_message_for(name: str, word: str) -> None:
    found = message(name)
    assert (found.consent, found.consent_answered) == (ConsentWord(word), True)
    assert found.content.model_dump()["text"] == fixture(name)["Body"]


@pytest.mark.parametrize("told", [None, "", "MAYBE"])
def test_nothing_is_known_of_consent_without_advanced_opt_out(told: str | None) -> None:
    found = message("stop", OptOutType=told)
    assert (found.consent, found.consent_answered) == (None, None)


def test_only_the_first_of_several_pieces_is_the_stop() -> None:
    found = parsed(fixture("three_media", OptOutType="STOP")).messages
    assert [one.consent for one in found] == [ConsentWord.STOP, None, None]


@pytest.mark.parametrize("name", ["click_to_whatsapp", "forwarded"])
def test_what_there_is_no_place_for_does_no_harm(name: str) -> None:
    content: Any = message(name).content
    assert (content.type, content.text) == ("text", fixture(name)["Body"])


def test_metadata_that_is_broken_does_no_harm() -> None:
    changes = {"ChannelMetadata": '{"type": ' * 50_000, "ReferralNumMedia": "many", "Forwarded": "\0"}
    assert message("forwarded", **changes).content == message("forwarded").content


def test_address_with_connection_overrides() -> None:
    (found,) = parsed(fixture("status_delivered"), f"{URL}?ref=m1#rc=5&rp=all").receipts
    assert found.message_id == "m1"


def test_webhook_by_get() -> None:
    (found,) = parsed(b"", f"{URL}?{urlencode(fixture('text'))}", "GET").messages
    assert found.content == message("text").content


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"%FF%FE", b"%ED%A0%80", b"caf%E9"])
def test_bytes_that_are_no_text_are_replaced(raw: bytes) -> None:
    (found,) = parsed(urlencode(fixture("text", Body=None)).encode() + b"&Body=" + raw).messages
    content: Any = found.content
    assert "\ufffd" in content.text
    assert Inbound.model_validate_json(found.model_dump_json()) == found


@given(st.text(max_size=200))
def test_any_text_comes_through(text: str) -> None:
    fields = fixture("text", Body=None)
    raw = urlencode(fields).encode() + b"&" + urlencode({"Body": text}, errors="surrogatepass").encode()
    (found,) = parsed(raw).messages
    content: Any = found.content
    surrogates = any("\ud800" <= letter <= "\udfff" for letter in text)
    assert surrogates or content.text == text
    found.model_dump_json().encode()


def test_long_text_is_taken_whole_or_refused() -> None:
    content: Any = message("text", Body="x" * MAX_TEXT).content
    assert len(content.text) == MAX_TEXT
    with pytest.raises(MalformedWebhook, match="text") as refused:
        message("text", Body="secret" * MAX_TEXT)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("AccountSid", "AC" + "f" * 32, "text"),
        ("AccountSid", None, "text"),
        ("To", "whatsapp:+15550100009", "text"),
        ("To", None, "text"),
        ("From", None, "text"),
        ("From", "whatsapp:nobody", "text"),
        ("MessageSid", None, "text"),
        ("NumMedia", "many", "image"),
        ("NumMedia", "11", "image"),
        ("NumMedia", "²", "image"),
        ("MediaUrl0", None, "image"),
        ("MediaUrl0", "https://[::1", "image"),
        ("Latitude", "north", "location"),
        ("Latitude", "nan", "location"),
        ("Longitude", "181", "location"),
        ("From", "whatsapp:+15550100009", "status_delivered"),
        ("MessageSid", None, "status_delivered"),
    ],
)
def test_errors_name_the_field(field: str, value: str | None, name: str) -> None:
    with pytest.raises(MalformedWebhook, match=rf"(?i){field}"):
        parsed(fixture(name, **{field: value}), f"{URL}?ref=m1")


def test_json_is_refused_with_what_to_do() -> None:
    request = WebhookRequest("POST", URL, {"content-type": "application/json"}, b"{}")
    with pytest.raises(MalformedWebhook, match="content-type"):
        channel.parse(request, "acme", CONNECTION, NOW)


def test_receipt() -> None:
    found = receipt("status_delivered")
    assert (found.message_id, found.status, found.error) == ("p1.1.7", ReceiptStatus.DELIVERED, None)
    assert (found.tenant, found.connection, found.at) == ("acme", "acme-whatsapp", NOW)
    assert found.vendor_message_id == fixture("status_delivered")["MessageSid"]


def test_receipt_of_an_opt_out() -> None:
    found = receipt("status_opted_out")
    assert (found.status, found.opted_out) == (ReceiptStatus.FAILED, OptedOut.ALL)
    assert receipt("status_undelivered").opted_out is None


def test_receipt_of_a_failure_says_why() -> None:
    found = receipt("status_undelivered")
    assert found.status is ReceiptStatus.FAILED
    assert found.error
    assert found.error.code == "63016"
    assert "window" in found.error.reason


@pytest.mark.parametrize(("vendor", "ours"), STATUSES.items())
def test_every_status(vendor: str, ours: ReceiptStatus) -> None:
    assert receipt("status_delivered", MessageStatus=vendor).status is ours


def test_status_callbacks_that_are_not_ours_or_not_known_are_nothing() -> None:
    assert parsed(fixture("status_delivered")) == Parsed()
    assert parsed(fixture("status_delivered", MessageStatus="pondering"), f"{URL}?ref=m1") == Parsed()


def test_reference_is_decoded() -> None:
    assert receipt("status_delivered", ref="p%201.1%2E7").message_id == "p 1.1.7"


def test_acknowledges_with_empty_twiml() -> None:
    assert channel.acknowledge(Parsed()) == Acknowledgement("<Response/>", "text/xml", 200)
