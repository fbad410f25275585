"""Outbound messages as Twilio's send calls, and how long texts are split."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from m2n.adapters.channel import NoMedia, SendContext, Signal
from m2n.adapters.degradation import NotShowable
from m2n.adapters.degradation import rendered as rendered_calls
from m2n.message import (
    Address,
    AudioContent,
    Author,
    Button,
    ButtonsContent,
    Contact,
    ContactCardContent,
    DeleteContent,
    EditContent,
    FileContent,
    ImageContent,
    ListContent,
    ListItem,
    LocationContent,
    Media,
    Outbound,
    ReactionContent,
    StickerContent,
    TemplateContent,
    TextContent,
    TypingContent,
    UnsupportedContent,
    VideoContent,
)
from m2n.splitting import split_text
from m2n.tenant import Connection, ConnectionKind
from services.channels.twilio_core.sending import MAX_BODY
from services.channels.whatsapp_twilio.adapter import channel

ACCOUNT = "AC0123456789abcdef0123456789abcdef"
CONNECTION = Connection(
    id="acme-whatsapp",
    kind=ConnectionKind.CHANNEL,
    adapter="whatsapp_twilio",
    settings={"account_sid": ACCOUNT, "sender": "whatsapp:+15550100001", "base_url": "http://127.0.0.1:9000/"},
)
CALLBACK = "https://hooks.example/webhooks/whatsapp_twilio/acme-whatsapp?ref=p1.1.7"
PICTURE = Media(url="https://cdn.example/a.jpg")


def outbound(content: Any, **more: Any) -> Outbound:
    return Outbound(
        id="p1.1.7",
        tenant="acme",
        profile_id="p1",
        session_id="p1.1",
        seq=7,
        address=Address(connection="acme-whatsapp", channel="whatsapp_twilio", to="whatsapp:+15550100002"),
        content=content,
        author=Author.BOT,
        decided_at=datetime(2026, 3, 1, tzinfo=UTC),
        **more,
    )


def context(**settings: Any) -> SendContext:
    connection = CONNECTION.model_copy(update={"settings": CONNECTION.settings | settings})
    return SendContext(connection, {"auth-token": "secret-token"}, CALLBACK, datetime(2026, 3, 1, tzinfo=UTC))


def calls(content: Any, **more: Any) -> tuple[Any, ...]:
    return rendered_calls(channel, outbound(content, **more), context())


def rendered(content: Any) -> list[dict[str, str]]:
    """The fields of each call but for those that all have."""
    return [dict(call.form[3:]) for call in calls(content)]


def test_call() -> None:
    (call,) = calls(TextContent(text="Hello"))
    assert (call.method, call.url) == (
        "POST",
        f"http://127.0.0.1:9000/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
    )
    assert call.auth == (ACCOUNT, "secret-token")
    assert call.form == (
        ("To", "whatsapp:+15550100002"),
        ("From", "whatsapp:+15550100001"),
        ("StatusCallback", CALLBACK),
        ("Body", "Hello"),
    )
    assert not call.repeatable
    assert "secret-token" not in repr(call)
    assert "Hello" not in repr(call)


def test_text_is_one_message_up_to_the_limit() -> None:
    assert rendered(TextContent(text="x" * MAX_BODY)) == [{"Body": "x" * MAX_BODY}]
    assert [len(part["Body"]) for part in rendered(TextContent(text="x" * (MAX_BODY + 1)))] == [MAX_BODY, 1]


def test_buttons_become_numbers() -> None:
    buttons = (Button(id="y", title="Yes"), Button(id="n", title="No"))
    assert rendered(ButtonsContent(text="Sure?", buttons=buttons)) == [{"Body": "Sure?\n\n1. Yes\n2. No"}]


def test_list_becomes_numbers() -> None:
    items = (ListItem(id="a", title="Fast", description="1 day"), ListItem(id="b", title="Slow"))
    content = ListContent(text="How?", button="Choose", items=items)
    assert rendered(content) == [{"Body": "How?\n\n1. Fast - 1 day\n2. Slow"}]


def test_template() -> None:
    content = TemplateContent(template="HX" + "1" * 32, variables=(("1", 'Ann "A"'), ("2", "7 €")))
    (form,) = rendered(content)
    assert form["ContentSid"] == "HX" + "1" * 32
    assert orjson.loads(form["ContentVariables"]) == {"1": 'Ann "A"', "2": "7 €"}
    assert rendered(TemplateContent(template="HX1")) == [{"ContentSid": "HX1"}]


def test_location() -> None:
    content = LocationContent(latitude=52.0907, longitude=-5.0, name="Dom Tower", address="Domplein 29")
    assert rendered(content) == [{"Body": "Dom Tower", "PersistentAction": "geo:52.0907,-5|Domplein 29"}]
    bare = LocationContent(latitude=0.00001, longitude=100)
    assert rendered(bare) == [{"Body": "0.00001,100", "PersistentAction": "geo:0.00001,100"}]


def test_media_with_caption() -> None:
    assert rendered(ImageContent(media=PICTURE, caption="Look")) == [{"Body": "Look", "MediaUrl": PICTURE.url}]
    assert rendered(FileContent(media=PICTURE)) == [{"MediaUrl": PICTURE.url}]
    assert rendered(StickerContent(media=PICTURE)) == [{"MediaUrl": PICTURE.url}]
    video = VideoContent(media=PICTURE, caption="Look")
    assert rendered(video) == [{"Body": "Look", "MediaUrl": PICTURE.url}]


def test_documents_have_no_caption_at_twilio() -> None:
    assert rendered(FileContent(media=PICTURE, caption="The bill")) == [{"MediaUrl": PICTURE.url}, {"Body": "The bill"}]


@pytest.mark.parametrize(
    "media",
    [
        Media(url="https://cdn.example/a.gif", mime="image/gif"),
        Media(url="https://cdn.example/a.jpg", mime="image/jpeg", size_bytes=5 * 1024 * 1024 + 1),
    ],
    ids=["type", "size"],
)
def test_media_that_whatsapp_does_not_take_are_an_address(media: Media) -> None:
    assert rendered(ImageContent(media=media, caption="Look")) == [{"Body": f"Look\n{media.url}"}]


def test_long_caption_goes_on_as_text() -> None:
    first, second = rendered(ImageContent(media=PICTURE, caption="word " * 400))
    assert first["MediaUrl"] == PICTURE.url
    assert "MediaUrl" not in second
    assert f"{first['Body']} {second['Body']}" == "word " * 400


def test_sound_and_its_words_are_two_messages() -> None:
    content = AudioContent(media=PICTURE, caption="Listen")
    assert rendered(content) == [{"MediaUrl": PICTURE.url}, {"Body": "Listen"}]


def test_media_without_an_address_is_told_in_words() -> None:
    lost = Media(vendor_id="ME1", filename="bill.pdf")
    assert rendered(FileContent(media=lost)) == [{"Body": "bill.pdf"}]
    assert rendered(AudioContent(media=Media(vendor_id="ME1"))) == [{"Body": "[audio]"}]


def test_contact_card_is_told_in_words() -> None:
    card = Contact(name="Ann", phones=("+15550100003",), emails=("ann@example.com",))
    assert rendered(ContactCardContent(contacts=(card,))) == [{"Body": "Ann\n+15550100003\nann@example.com"}]


@pytest.mark.parametrize(
    "content",
    [
        ReactionContent(target="m", emoji="👍"),
        EditContent(target="m", text="new"),
        DeleteContent(target="m"),
        UnsupportedContent(vendor_type="x"),
        TextContent(text=" \n"),
    ],
)
def test_what_cannot_be_shown_is_refused(content: Any) -> None:
    with pytest.raises(NotShowable):
        calls(content)


def test_what_the_capabilities_do_not_claim_is_an_error() -> None:
    for content in (EditContent(target="m", text="new"), ImageContent(media=Media(vendor_id="ME1"))):
        with pytest.raises(ValueError, match=r"edit|media"):
            channel.render(outbound(content), context())


@pytest.mark.parametrize("kind", ["typing", "read"])
def test_signal(kind: Any) -> None:
    signal = Signal(kind, "whatsapp:+15550100002", "MM" + "1" * 32 + "#2")
    (call,) = channel.signal(signal, context(base_url="https://api.twilio.com"))
    assert (call.method, call.url) == ("POST", "https://messaging.twilio.com/v2/Indicators/Typing.json")
    assert call.form == (("messageId", "MM" + "1" * 32), ("channel", "whatsapp"))
    assert call.auth == (ACCOUNT, "secret-token")
    assert call.repeatable
    assert kind in channel.capabilities.signals


def test_signal_needs_a_message_of_the_customers() -> None:
    assert channel.signal(Signal("typing", "whatsapp:+15550100002"), context()) == ()


def test_typing_as_a_message_is_the_same() -> None:
    (call,) = calls(TypingContent(), reply_to="SM" + "1" * 32)
    assert dict(call.form)["messageId"] == "SM" + "1" * 32
    assert calls(TypingContent(on=False), reply_to="SM" + "1" * 32) == ()
    assert calls(TypingContent()) == ()


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"base_url": "https://api.dublin.ie1.twilio.com"}, "https://messaging.dublin.ie1.twilio.com"),
        ({"base_url": "http://127.0.0.1:9000/"}, "http://127.0.0.1:9000"),
        ({"messaging_base_url": "https://proxy.example/m/"}, "https://proxy.example/m"),
    ],
    ids=["regional", "stand-in", "own"],
)
def test_where_signals_go(settings: dict[str, str], url: str) -> None:
    (call,) = channel.signal(Signal("read", "whatsapp:+15550100002", "SM1"), context(**settings))
    assert call.url == f"{url}/v2/Indicators/Typing.json"


TWILIO_MEDIA = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages/MM1/Media/ME1"


@pytest.mark.parametrize(
    "url",
    [
        TWILIO_MEDIA,
        TWILIO_MEDIA.replace("api.twilio", "api.dublin.ie1.twilio"),
        "http://127.0.0.1:9000/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1",
    ],
    ids=["twilio", "regional", "stand-in"],
)
def test_media_are_fetched_with_the_accounts_credentials(url: str) -> None:
    call = channel.media_call(Media(url=url), CONNECTION, {"auth-token": "secret-token"})
    assert (call.url, call.auth, call.then) == (url, (ACCOUNT, "secret-token"), None)
    assert "secret-token" not in repr(call)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://evil.example/ME1",
        "https://twilio.com.evil.example/ME1",
        "https://eviltwilio.com/ME1",
        "http://api.twilio.com/ME1",
        "https://api.twilio.com@evil.example/ME1",
        "http://127.0.0.1:9001/ME1",
        "http://127.0.0.1:9000@evil.example/ME1",
        "https://[::1",
        "file:///etc/passwd",
    ],
)
def test_credentials_never_leave_for_elsewhere(url: str | None) -> None:
    with pytest.raises(NoMedia):
        channel.media_call(Media(url=url), CONNECTION, {"auth-token": "secret-token"})


def test_window() -> None:
    assert channel.reply_window(Author.AGENT, CONNECTION) == timedelta(hours=24)


@pytest.mark.parametrize(
    "wrong",
    [
        {"account_sid": "AC1"},
        {"sender": "+15550100001"},
        {"base_url": "ftp://x"},
        {"messaging_base_url": "x"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_wrong_settings_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        channel.settings.model_validate({**CONNECTION.settings, **wrong})


def test_splits_at_sentence_ends() -> None:
    assert split_text("One two. Three four. Five six seven.", 22) == ("One two. Three four.", "Five six seven.")


def test_splits_between_words_where_no_sentence_ends() -> None:
    assert split_text("alpha beta gamma delta", 12) == ("alpha beta", "gamma delta")


def test_does_not_tear_characters() -> None:
    family = "👨\u200d👩\u200d👧"
    parts = split_text(family * 20, 12)
    assert "".join(parts) == family * 20
    assert all(part.startswith("👨") for part in parts)


texts = st.text(st.sampled_from("ab. !\n\t。é́👍🏽\u200d\u3000"), max_size=120) | st.text(max_size=120)


@given(texts, st.integers(1, 40))
def test_splitting_loses_only_white_space_at_the_cuts(text: str, limit: int) -> None:
    parts = split_text(text, limit)
    assert all(0 < len(part) <= limit and part.strip() for part in parts)
    position = 0
    for part in parts:
        found = text.index(part, position)
        assert not text[position:found].strip()
        position = found + len(part)
    assert not text[position:].strip()


@given(st.text(max_size=40))
def test_short_text_is_left_as_it_is(text: str) -> None:
    assert split_text(text, 40) == ((text,) if text.strip() else ())
