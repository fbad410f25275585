"""Outbound messages as Messenger's send calls."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from m2n.adapters.channel import MediaCall, NoMedia, SendContext, Signal, VendorCall
from m2n.adapters.degradation import NotShowable
from m2n.adapters.degradation import rendered as rendered_calls
from m2n.message import (
    Address,
    AudioContent,
    Author,
    Button,
    ButtonsContent,
    CallContent,
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
from m2n.tenant import Connection, ConnectionKind
from services.channels.messenger.adapter import MAX_TEXT, channel

PAGE, PSID = "100200300400500", "24001550100000201"
SECRETS = {"app-secret": "invented-app-secret", "verify-token": "invented", "page-token": "EAAinvented"}
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MIB = 1024 * 1024


def connection(**settings: Any) -> Connection:
    return Connection(
        id="acme-messenger",
        kind=ConnectionKind.CHANNEL,
        adapter="messenger",
        settings={"page_id": PAGE, "base_url": "http://127.0.0.1:9000/messenger/"} | settings,
    )


def calls(content: Any, settings: Any = None, **changes: Any) -> tuple[VendorCall, ...]:
    values: dict[str, Any] = {
        "id": "p1.1.7",
        "tenant": "acme",
        "profile_id": "p1",
        "session_id": "p1.1",
        "seq": 7,
        "address": Address(connection="acme-messenger", channel="messenger", to=PSID),
        "content": content,
        "author": Author.BOT,
        "decided_at": NOW,
    }
    context = SendContext(connection(**(settings or {})), SECRETS, "https://hooks.example/unused", NOW)
    return rendered_calls(channel, Outbound(**(values | changes)), context)


def bodies(content: Any, settings: Any = None, **changes: Any) -> list[Any]:
    return [orjson.loads(call.json or b"") for call in calls(content, settings, **changes)]


def messages(content: Any) -> list[Any]:
    """The message of each call but for what all have."""
    found = bodies(content)
    assert {one["message"].pop("metadata") for one in found} == {"m2n:p1.1.7"}
    return [one["message"] for one in found]


def test_call() -> None:
    (call,) = calls(TextContent(text="Hello"))
    assert (call.method, call.url) == ("POST", f"http://127.0.0.1:9000/messenger/v23.0/{PAGE}/messages")
    assert call.headers["Authorization"] == "Bearer EAAinvented"
    assert not call.repeatable
    assert "EAAinvented" not in repr(call.json)
    assert orjson.loads(call.json or b"") == {
        "recipient": {"id": PSID},
        "messaging_type": "RESPONSE",
        "message": {"text": "Hello", "metadata": "m2n:p1.1.7"},
    }


def test_version_and_proof_are_settings() -> None:
    (call,) = calls(TextContent(text="x"), {"graph_version": "v25.0", "require_app_secret_proof": True})
    proof = "0347be19ad247846aff0aeda444895afa41655464b2da000bb0cbf901f89d3b3"
    assert call.url == f"http://127.0.0.1:9000/messenger/v25.0/{PAGE}/messages?appsecret_proof={proof}"


@pytest.mark.parametrize(
    "settings",
    [{"page_id": "acme"}, {"page_id": ""}, {"graph_version": "23"}, {"base_url": "graph"}, {"human_agents": True}],
)
def test_settings_that_are_wrong(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        channel.settings.model_validate({"page_id": PAGE} | settings)


def test_long_text_is_several_messages() -> None:
    parts = [one["text"] for one in messages(TextContent(text="word " * 900))]
    assert all(len(part) <= MAX_TEXT for part in parts)
    assert " ".join(parts).split() == ["word"] * 900


def test_buttons_are_quick_replies() -> None:
    buttons = tuple(Button(id=f"b{number}", title=f"Choice {number}") for number in range(13))
    (message,) = messages(ButtonsContent(text="Which?", buttons=buttons))
    assert message["text"] == "Which?"
    assert message["quick_replies"][12] == {"content_type": "text", "title": "Choice 12", "payload": "b12"}


def test_short_list_is_quick_replies_too() -> None:
    items = tuple(ListItem(id=f"i{number}", title=f"Item {number}") for number in range(3))
    (message,) = messages(ListContent(text="Which?", button="Show", items=items))
    assert [reply["payload"] for reply in message["quick_replies"]] == ["i0", "i1", "i2"]


@pytest.mark.parametrize(
    "content",
    [
        ButtonsContent(text="Which?", buttons=tuple(Button(id=str(n), title=f"Choice {n}") for n in range(14))),
        ButtonsContent(text="Which?", buttons=(Button(id="1", title="Twenty-one characters"),)),
        ListContent(text="Which?", button="Show", items=(ListItem(id="1", title="One", description="of two lines"),)),
    ],
)
def test_choices_that_do_not_fit_are_numbered(content: Any) -> None:
    (message,) = messages(content)
    assert "quick_replies" not in message
    assert message["text"].startswith("Which?\n\n1. ")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (ImageContent(media=Media(url="https://cdn.example/a.jpg", mime="image/jpeg")), "image"),
        (StickerContent(media=Media(url="https://cdn.example/a.jpg", mime="image/png")), "image"),
        (StickerContent(media=Media(url="https://cdn.example/a.jpg", mime="application/x-tgsticker")), "file"),
        (AudioContent(media=Media(url="https://cdn.example/a.jpg", mime="audio/mpeg")), "audio"),
        (VideoContent(media=Media(url="https://cdn.example/a.jpg", mime="video/mp4")), "video"),
        (FileContent(media=Media(url="https://cdn.example/a.jpg", mime="application/pdf")), "file"),
        (ImageContent(media=Media(url="https://cdn.example/a.jpg", mime="image/png", size_bytes=8 * MIB)), "image"),
        (ImageContent(media=Media(url="https://cdn.example/a.jpg", mime="image/png", size_bytes=8 * MIB + 1)), "file"),
    ],
)
def test_media(content: Any, kind: str) -> None:
    (message,) = messages(content)
    payload = {"url": "https://cdn.example/a.jpg", "is_reusable": False}
    assert message == {"attachment": {"type": kind, "payload": payload}}


def test_caption_follows_as_text() -> None:
    picture, text = messages(ImageContent(media=Media(url="https://cdn.example/a.jpg"), caption="On the left"))
    assert picture["attachment"]["type"] == "image"
    assert text == {"text": "On the left"}


def test_too_large_a_file_is_its_address() -> None:
    media = Media(url="https://cdn.example/a.zip", size_bytes=25 * MIB + 1)
    assert messages(FileContent(media=media)) == [{"text": "https://cdn.example/a.zip"}]


def test_media_without_an_address_is_not_sent() -> None:
    with pytest.raises(ValueError, match=r"media\.url"):
        calls(ImageContent(media=Media(id="0123456789abcdef")))


def test_location_and_contact_card_are_words() -> None:
    (place,) = messages(LocationContent(latitude=52.09, longitude=5.12, name="Dom Tower"))
    assert place["text"].startswith("Dom Tower\nhttps://")
    (card,) = messages(ContactCardContent(contacts=(Contact(name="Ada", phones=("+15550100009",)),)))
    assert card["text"] == "Ada\n+15550100009"


def test_template_with_variables_by_position_and_buttons() -> None:
    variables = (("2", "Monday"), ("1", "Ann"), ("postback.2", "track_7"), ("url.1", "orders/7"))
    content = TemplateContent(template="order_update", language="pt-BR", variables=variables)
    (body,) = bodies(content)
    assert body["messaging_type"] == "UTILITY"
    assert "tag" not in body
    assert body["message"]["template"] == {
        "name": "order_update",
        "language": {"code": "pt_BR"},
        "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "Ann"}, {"type": "text", "text": "Monday"}]},
            {
                "type": "buttons",
                "parameters": [{"type": "URL", "url": "orders/7"}, {"type": "POSTBACK", "payload": "track_7"}],
            },
        ],
    }


def test_template_with_variables_by_name_in_the_connections_language() -> None:
    content = TemplateContent(template="order_update", variables=(("day", "Monday"),))
    (body,) = bodies(content, {"template_language": "de"})
    template = body["message"]["template"]
    assert template["language"] == {"code": "de"}
    assert template["components"][0]["parameters"] == [{"type": "text", "parameter_name": "day", "text": "Monday"}]


def test_template_without_variables() -> None:
    (body,) = bodies(TemplateContent(template="greeting"))
    assert body["message"]["template"]["components"] == []


def test_reaction_may_be_sent_twice() -> None:
    (call,) = calls(ReactionContent(target="m_1", emoji="🎉"))
    assert call.repeatable
    assert orjson.loads(call.json or b"") == {
        "recipient": {"id": PSID},
        "sender_action": "react",
        "payload": {"message_id": "m_1", "reaction": "🎉"},
    }
    (body,) = bodies(ReactionContent(target="m_1"))
    assert (body["sender_action"], body["payload"]) == ("unreact", {"message_id": "m_1"})


@pytest.mark.parametrize(("on", "action"), [(True, "typing_on"), (False, "typing_off")])
def test_typing(on: bool, action: str) -> None:
    assert bodies(TypingContent(on=on)) == [{"recipient": {"id": PSID}, "sender_action": action}]


@pytest.mark.parametrize(("kind", "action"), [("typing", "typing_on"), ("read", "mark_seen")])
def test_signals(kind: Any, action: str) -> None:
    context = SendContext(connection(), SECRETS, "", NOW)
    (call,) = channel.signal(Signal(kind, PSID, "m_1"), context)
    assert call.repeatable
    assert orjson.loads(call.json or b"") == {"recipient": {"id": PSID}, "sender_action": action}


@pytest.mark.parametrize(
    "content",
    [
        EditContent(target="m_1", text="x"),
        DeleteContent(target="m_1"),
        CallContent(event="ended", call="c"),
        UnsupportedContent(vendor_type="x"),
    ],
)
def test_what_messenger_cannot_do(content: Any) -> None:
    with pytest.raises(NotShowable):
        calls(content)


def test_content_that_is_not_claimed_is_refused() -> None:
    message = Outbound.model_validate(
        {
            "id": "p1.1.7",
            "tenant": "acme",
            "profile_id": "p1",
            "session_id": "p1.1",
            "seq": 7,
            "address": {"connection": "acme-messenger", "channel": "messenger", "to": PSID},
            "content": {"type": "delete", "target": "m_1"},
            "author": "bot",
            "decided_at": NOW,
        }
    )
    with pytest.raises(ValueError, match="content"):
        channel.render(message, SendContext(connection(), SECRETS, "", NOW))


HUMAN = {"human_agent": True}
DAY = timedelta(hours=24)
SECOND = timedelta(seconds=1)
TAGGED = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
PLAIN = {"messaging_type": "RESPONSE"}


@pytest.mark.parametrize(
    ("settings", "author", "ago", "kind"),
    [
        (HUMAN, Author.AGENT, DAY + SECOND, TAGGED),
        (HUMAN, Author.AGENT, timedelta(days=6), TAGGED),
        (HUMAN, Author.AGENT, DAY, PLAIN),
        (HUMAN, Author.AGENT, None, PLAIN),
        (HUMAN, Author.BOT, DAY + SECOND, PLAIN),
        (HUMAN, Author.SYSTEM, DAY + SECOND, PLAIN),
        ({}, Author.AGENT, DAY + SECOND, PLAIN),
    ],
)
def test_tag_only_for_people_after_a_day(
    settings: dict[str, Any], author: Author, ago: timedelta | None, kind: dict[str, str]
) -> None:
    wrote_at = None if ago is None else NOW - ago
    (body,) = bodies(TextContent(text="x"), settings, author=author, customer_wrote_at=wrote_at)
    assert {name: value for name, value in body.items() if name not in ("recipient", "message")} == kind


@pytest.mark.parametrize(
    ("settings", "author", "hours"),
    [
        ({}, Author.BOT, 24),
        ({}, Author.AGENT, 24),
        (HUMAN, Author.AGENT, 24 * 7),
        (HUMAN, Author.BOT, 24),
        (HUMAN, Author.SYSTEM, 24),
    ],
)
def test_reply_window(settings: dict[str, Any], author: Author, hours: int) -> None:
    assert channel.reply_window(author, connection(**settings)) == timedelta(hours=hours)


def test_media_are_fetched_without_credentials() -> None:
    url = "https://cdn.fbsbx.com/v/a.pdf?oh=1&oe=2"
    assert channel.media_call(Media(url=url), connection(), SECRETS) == MediaCall(url=url)


@pytest.mark.parametrize("url", [None, "", "file:///etc/passwd", "ftp://cdn.example/a"])
def test_media_that_cannot_be_fetched(url: str | None) -> None:
    with pytest.raises(NoMedia, match=r"media\.url"):
        channel.media_call(Media(url=url), connection(), SECRETS)


@given(st.text(max_size=6000))
def test_no_words_are_lost(text: str) -> None:
    if not text.strip():
        with pytest.raises(NotShowable):
            calls(TextContent(text=text))
        return
    parts = [one["text"] for one in messages(TextContent(text=text))]
    assert all(0 < len(part) <= MAX_TEXT for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
