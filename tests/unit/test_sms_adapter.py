"""SMS through Twilio: what comes in, and what goes out."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from m2n.adapters.channel import MalformedWebhook, NoMedia, Parsed, SendContext, WebhookRequest
from m2n.adapters.degradation import NotShowable, rendered
from m2n.message import (
    Address,
    AudioContent,
    Author,
    Button,
    ButtonsContent,
    FileContent,
    ImageContent,
    LocationContent,
    Media,
    Outbound,
    ReactionContent,
    ReceiptStatus,
    StickerContent,
    TemplateContent,
    TextContent,
    TypingContent,
)
from services.channels.sms.adapter import channel
from services.channels.sms.certification import ACCOUNT, CUSTOMER, SENDER, certificate
from services.channels.sms.segments import count
from services.channels.sms.settings import SmsSettings
from services.channels.twilio_core.certifying import form
from tests.unit.twilio_certificates import AT, connection

SERVICE = "MG" + "e" * 32
CALLBACK = "https://hooks.example/webhooks/sms/acme-sms?ref=p1.1.7"
PICTURE = Media(url="https://cdn.example/a.png", mime="image/png")


def fields(name: str, **changes: str | None) -> dict[str, str]:
    lines = (certificate.fixtures / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    found: dict[str, Any] = dict(line.split("=", 1) for line in lines if not line.startswith("?")) | changes
    return {field: value for field, value in found.items() if value is not None}


def parsed(found: dict[str, str], query: str = "", **settings: Any) -> Parsed:
    request = certificate.request(form(found))
    made = WebhookRequest("POST", request.url + query, request.headers, request.body)
    return channel.parse(made, "acme", connection(certificate, **settings), AT)


def calls(content: Any, **settings: Any) -> tuple[Any, ...]:
    message = Outbound(
        id="p1.1.7",
        tenant="acme",
        profile_id="p1",
        session_id="p1.1",
        seq=7,
        address=Address(connection="acme-sms", channel="sms", to=CUSTOMER),
        content=content,
        author=Author.BOT,
        decided_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    own = connection(certificate, **settings)
    context = SendContext(own, {"auth-token": "secret-token"}, CALLBACK, message.decided_at)
    return rendered(channel, message, context)


def sent(content: Any, **settings: Any) -> list[dict[str, str]]:
    """The fields of each call but for those that all have."""
    common = {"To", "From", "MessagingServiceSid", "StatusCallback"}
    return [{name: value for name, value in call.form if name not in common} for call in calls(content, **settings)]


def test_numbers_of_a_messaging_service_are_all_the_connections_own() -> None:
    service = {"sender": None, "messaging_service_sid": SERVICE}
    for to in (SENDER, "+15550100042"):
        (found,) = parsed(fields("messaging_service", To=to), **service).messages
        assert found.address.to == CUSTOMER
    with pytest.raises(MalformedWebhook, match="MessagingServiceSid"):
        parsed(fields("text"), **service)
    with pytest.raises(MalformedWebhook, match="MessagingServiceSid"):
        parsed(fields("messaging_service", MessagingServiceSid="MG" + "f" * 32), **service)


def test_sender_beside_a_service_is_the_only_one() -> None:
    with pytest.raises(MalformedWebhook, match="To"):
        parsed(fields("messaging_service", To="+15550100042"), messaging_service_sid=SERVICE)


def test_status_of_a_service() -> None:
    found = fields("status_delivered", From="+15550100042", MessagingServiceSid=SERVICE)
    (receipt,) = parsed(found, "?ref=m1", sender=None, messaging_service_sid=SERVICE).receipts
    assert (receipt.message_id, receipt.status) == ("m1", ReceiptStatus.DELIVERED)


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("AccountSid", "AC" + "f" * 32, "text"),
        ("To", "+15550100042", "text"),
        ("From", None, "text"),
        ("From", "whatsapp:+15550100002", "text"),
        ("From", "rcs:+15550100002", "text"),
        ("MessageSid", None, "text"),
        ("NumMedia", "-1", "text"),
        ("MediaUrl1", None, "two_pictures"),
        ("From", "+15550100042", "status_delivered"),
    ],
)
def test_errors_name_the_field(field: str, value: str | None, name: str) -> None:
    with pytest.raises(MalformedWebhook, match=field):
        parsed(fields(name, **{field: value}), "?ref=m1")


def test_words_count_whatever_twilio_calls_the_message() -> None:
    (found,) = parsed(fields("unknown_type", Body="Hello")).messages
    assert found.content == TextContent(text="Hello")


def test_other_programs_messages_are_not_ours() -> None:
    assert parsed(fields("status_delivered")) == Parsed()


def test_call() -> None:
    (call,) = calls(TextContent(text="Hello"))
    assert (call.method, call.url) == (
        "POST",
        f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
    )
    assert call.form == (("To", CUSTOMER), ("From", SENDER), ("StatusCallback", CALLBACK), ("Body", "Hello"))
    assert call.auth == (ACCOUNT, "secret-token")
    assert not call.repeatable


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"sender": "55501"}, {"From": "55501"}),
        ({"sender": None, "messaging_service_sid": SERVICE}, {"MessagingServiceSid": SERVICE}),
        ({"messaging_service_sid": SERVICE}, {"From": SENDER, "MessagingServiceSid": SERVICE}),
        ({"smart_encoding": True}, {"From": SENDER, "SmartEncoded": "true"}),
    ],
    ids=["short-code", "service", "both", "smart"],
)
def test_who_sends(settings: dict[str, Any], named: dict[str, str]) -> None:
    (call,) = calls(TextContent(text="Hello"), **settings)
    assert {name: value for name, value in call.form if name not in ("To", "StatusCallback", "Body")} == named


@pytest.mark.parametrize(("letter", "most"), [("x", 1), ("x", 10), ("ж", 2), ("€", 3)])
def test_long_texts_take_no_more_segments_than_wanted(letter: str, most: int) -> None:
    text = " ".join([letter * 9] * 400)
    parts = [part["Body"] for part in sent(TextContent(text=text), max_segments=most)]
    assert max(map(count, parts)) == most
    assert " ".join(parts) == text
    assert max(map(len, parts)) <= 1600


def test_text_up_to_the_limit_is_one_message() -> None:
    assert [len(part["Body"]) for part in sent(TextContent(text="x" * 1521))] == [1521]
    assert [len(part["Body"]) for part in sent(TextContent(text="x" * 1522))] == [1521, 1]


def test_choices_become_numbers() -> None:
    buttons = (Button(id="y", title="Yes"), Button(id="n", title="No"))
    assert sent(ButtonsContent(text="Sure?", buttons=buttons)) == [{"Body": "Sure?\n\n1. Yes\n2. No"}]


def test_place_becomes_a_link() -> None:
    (part,) = sent(LocationContent(latitude=52, longitude=5, name="Dom"))
    assert part["Body"].startswith("Dom\nhttps://www.openstreetmap.org/")


def test_media() -> None:
    assert sent(ImageContent(media=PICTURE, caption="Look")) == [{"Body": "Look", "MediaUrl": PICTURE.url}]
    assert sent(AudioContent(media=PICTURE.model_copy(update={"mime": None}))) == [{"MediaUrl": PICTURE.url}]


@pytest.mark.parametrize("settings", [{"mms": False}, {"sender": "ACME"}], ids=["no-mms", "name"])
def test_media_of_a_sender_without_mms_are_addresses(settings: dict[str, Any]) -> None:
    assert sent(ImageContent(media=PICTURE, caption="Look"), **settings) == [{"Body": f"Look\n{PICTURE.url}"}]
    assert sent(FileContent(media=PICTURE), **settings) == [{"Body": PICTURE.url}]


def test_media_that_mms_does_not_take_are_addresses() -> None:
    large = PICTURE.model_copy(update={"size_bytes": 5_000_001})
    assert sent(ImageContent(media=large)) == [{"Body": large.url}]
    sticker = StickerContent(media=Media(url="https://cdn.example/a.webp", mime="image/webp"), emoji="👍")
    assert sent(sticker) == [{"Body": "👍"}]


def test_template() -> None:
    content = TemplateContent(template="HX" + "1" * 32, variables=(("1", "Ann"),))
    assert sent(content) == [{"ContentSid": "HX" + "1" * 32, "ContentVariables": '{"1":"Ann"}'}]


@pytest.mark.parametrize("content", [ReactionContent(target="m", emoji="👍"), TypingContent(), TextContent(text=" ")])
def test_what_cannot_be_shown_is_refused(content: Any) -> None:
    with pytest.raises(NotShowable):
        calls(content)


def test_media_are_fetched_with_the_accounts_credentials() -> None:
    (found,) = parsed(fields("picture")).messages
    content: Any = found.content
    call = channel.media_call(content.media, connection(certificate), {"auth-token": "t"})
    assert (call.url, call.auth) == (fields("picture")["MediaUrl0"], (ACCOUNT, "t"))
    with pytest.raises(NoMedia):
        channel.media_call(Media(url="https://evil.example/ME1"), connection(certificate), {"auth-token": "t"})


def test_no_window_and_no_signals() -> None:
    assert channel.reply_window(Author.BOT, connection(certificate)) is None
    assert channel.capabilities.signals == frozenset()
    assert ReceiptStatus.READ not in channel.capabilities.receipts


@pytest.mark.parametrize("sender", ["+15550100001", "55501", "ACME", "Acme Bikes", "1-A"])
def test_senders(sender: str) -> None:
    assert SmsSettings(account_sid=ACCOUNT, sender=sender).sender == sender


@pytest.mark.parametrize(
    "wrong",
    [
        {"sender": "whatsapp:+15550100001"},
        {"sender": "+1"},
        {"sender": "Acme Bicycles"},
        {"sender": "+"},
        {"sender": "é"},
        {"sender": None},
        {"messaging_service_sid": "MG1"},
        {"max_segments": 0},
        {"max_segments": 25},
        {"base_url": "x"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_wrong_settings_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        SmsSettings.model_validate({"account_sid": ACCOUNT, "sender": SENDER, **wrong})
