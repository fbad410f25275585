"""Outbound messages as calls of the Cloud API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2n.adapters.channel import NoMedia, SendContext, Signal, VendorCall
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
from services.channels.meta_core.graph import appsecret_proof
from services.channels.whatsapp_cloud.adapter import channel

SECRETS = {"app-secret": "the-app-secret", "verify-token": "the-verify-token", "access-token": "the-access-token"}
PICTURE = Media(url="https://cdn.example/a.jpg")
WAMID = "wamid.HBgLMTU1NTAxMDAwMDIVAgASGBQA"


def connection(**settings: Any) -> Connection:
    return Connection(
        id="acme-whatsapp-cloud",
        kind=ConnectionKind.CHANNEL,
        adapter="whatsapp_cloud",
        settings={"phone_number_id": "2000", "base_url": "http://127.0.0.1:9000/whatsapp_cloud/"} | settings,
    )


def context(**settings: Any) -> SendContext:
    return SendContext(connection(**settings), SECRETS, "https://hooks.example/x", datetime(2026, 3, 2, tzinfo=UTC))


def outbound(content: Content, to: str = "15550100002", **more: Any) -> Outbound:
    return Outbound(
        id="P1.1.7",
        tenant="acme",
        profile_id="P1",
        session_id="P1.1",
        seq=7,
        address=Address(connection="acme-whatsapp-cloud", channel="whatsapp_cloud", to=to),
        content=content,
        author=Author.BOT,
        decided_at=datetime(2026, 3, 2, tzinfo=UTC),
        **more,
    )


def calls(content: Content, to: str = "15550100002", **more: Any) -> tuple[VendorCall, ...]:
    return rendered(channel, outbound(content, to, **more), context())


def bodies(content: Content, **more: Any) -> list[dict[str, Any]]:
    return [orjson.loads(call.json or b"") for call in calls(content, **more)]


def body(content: Content, **more: Any) -> dict[str, Any]:
    (only,) = bodies(content, **more)
    return only


def test_call_of_a_text() -> None:
    (call,) = calls(TextContent(text="Hi 👋"))
    assert (call.method, call.url) == ("POST", "http://127.0.0.1:9000/whatsapp_cloud/v23.0/2000/messages")
    assert call.headers["Authorization"] == "Bearer the-access-token"
    assert not call.repeatable
    assert orjson.loads(call.json or b"") == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "15550100002",
        "type": "text",
        "text": {"body": "Hi 👋", "preview_url": False},
        "biz_opaque_callback_data": "P1.1.7",
    }


def test_version_and_number_come_from_the_settings() -> None:
    (call,) = channel.render(outbound(TextContent(text="Hi")), context(graph_version="v24.0", phone_number_id="77"))
    assert call.url.endswith("/v24.0/77/messages")


def test_proof_of_the_app_secret_only_where_it_is_wanted() -> None:
    (call,) = channel.render(outbound(TextContent(text="Hi")), context(require_app_secret_proof=True))
    assert call.url.endswith(f"?appsecret_proof={appsecret_proof('the-app-secret', 'the-access-token')}")
    assert "proof" not in calls(TextContent(text="Hi"))[0].url


@pytest.mark.parametrize(
    ("to", "wanted"),
    [
        ("15550100002", {"to": "15550100002"}),
        ("+15550100002", {"to": "15550100002"}),
        ("US.13490000000000000003", {"recipient": "US.13490000000000000003"}),
    ],
)
def test_number_or_bsuid(to: str, wanted: dict[str, str]) -> None:
    found = body(TextContent(text="Hi"), to=to)
    assert {name: found[name] for name in ("to", "recipient") if name in found} == wanted


def test_answer_quotes_the_customers_message() -> None:
    assert body(TextContent(text="Hi"), reply_to=WAMID)["context"] == {"message_id": WAMID}
    assert body(TextContent(text="Hi"), reply_to=f"{WAMID}#2")["context"] == {"message_id": WAMID}
    assert "context" not in body(TextContent(text="Hi"))


def test_long_text_goes_in_parts_that_share_our_id() -> None:
    text = "word " * 1700
    found = bodies(TextContent(text=text))
    assert len(found) == 3
    assert all(len(one["text"]["body"]) <= 4096 for one in found)
    assert " ".join(one["text"]["body"] for one in found).split() == text.split()
    assert {one["biz_opaque_callback_data"] for one in found} == {"P1.1.7"}


@pytest.mark.parametrize(
    ("content", "kind", "wanted"),
    [
        (ImageContent(media=PICTURE, caption="Look"), "image", {"link": PICTURE.url, "caption": "Look"}),
        (VideoContent(media=Media(url="https://cdn.example/a.mp4", mime="video/mp4")), "video", None),
        (AudioContent(media=Media(url="https://cdn.example/a.ogg", mime="audio/ogg; codecs=opus")), "audio", None),
        (StickerContent(media=Media(url="https://cdn.example/a.webp", mime="image/webp")), "sticker", None),
        (
            FileContent(media=Media(url="https://cdn.example/1.pdf", filename="invoice.pdf"), caption="Yours"),
            "document",
            {"link": "https://cdn.example/1.pdf", "caption": "Yours", "filename": "invoice.pdf"},
        ),
    ],
)
def test_media_by_link(content: Any, kind: str, wanted: dict[str, str] | None) -> None:
    found = body(content)
    assert (found["type"], found[kind]) == (kind, wanted or {"link": content.media.url})


@pytest.mark.parametrize(
    "content",
    [
        ImageContent(media=Media(url="https://cdn.example/a.gif", mime="image/gif")),
        ImageContent(media=Media(url="https://cdn.example/a.png", mime="image/png", size_bytes=6 * 1024 * 1024)),
        StickerContent(media=Media(url="https://cdn.example/a.webp", mime="image/webp", size_bytes=200_000)),
        VideoContent(media=Media(url="https://cdn.example/a.webm", mime="video/webm")),
    ],
)
def test_what_meta_does_not_take_as_its_kind_goes_as_a_document(content: Any) -> None:
    assert body(content)["document"]["link"] == content.media.url


def test_words_below_a_sound_follow_it() -> None:
    found = bodies(AudioContent(media=Media(url="https://cdn.example/a.ogg", mime="audio/ogg"), caption="Listen"))
    assert [one["type"] for one in found] == ["audio", "text"]


def test_long_caption_goes_on_as_text() -> None:
    found = bodies(ImageContent(media=PICTURE, caption="word " * 300))
    assert [one["type"] for one in found] == ["image", "text"]
    assert len(found[0]["image"]["caption"]) <= 1024


def test_media_without_an_address_are_not_rendered() -> None:
    with pytest.raises(ValueError, match=r"media\.url: expected an address"):
        channel.render(outbound(ImageContent(media=Media(vendor_id="1"))), context())


def buttons(count: int, title: str = "Yes", text: str = "Sure?") -> ButtonsContent:
    return ButtonsContent(
        text=text, buttons=tuple(Button(id=f"id-{number}", title=f"{title}{number}") for number in range(count))
    )


def test_buttons() -> None:
    assert body(buttons(2))["interactive"] == {
        "type": "button",
        "body": {"text": "Sure?"},
        "action": {
            "buttons": [
                {"type": "reply", "reply": {"id": "id-0", "title": "Yes0"}},
                {"type": "reply", "reply": {"id": "id-1", "title": "Yes1"}},
            ]
        },
    }


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (buttons(3), "button"),
        (buttons(3, "t" * 19), "button"),
        (buttons(3, "t" * 20), "list"),
        (buttons(4), "list"),
        (buttons(10, "t" * 23), "list"),
    ],
)
def test_more_or_longer_buttons_become_a_list(content: ButtonsContent, kind: str) -> None:
    assert body(content)["interactive"]["type"] == kind


@pytest.mark.parametrize("content", [buttons(11), buttons(4, "t" * 24)])
def test_what_no_list_holds_is_written_out(content: ButtonsContent) -> None:
    lines = body(content)["text"]["body"].splitlines()
    assert lines[2:] == [f"{number}. {one.title}" for number, one in enumerate(content.buttons, 1)]


def test_long_text_above_buttons_goes_before_them() -> None:
    found = bodies(buttons(2, text="word " * 300))
    assert [one["type"] for one in found] == ["text", "interactive"]
    assert len(found[1]["interactive"]["body"]["text"]) <= 1024


def test_list() -> None:
    items = (ListItem(id="a", title="Express", description="Tomorrow"), ListItem(id="b", title="Standard"))
    assert body(ListContent(text="How?", button="Choose", items=items))["interactive"] == {
        "type": "list",
        "body": {"text": "How?"},
        "action": {
            "button": "Choose",
            "sections": [
                {
                    "rows": [
                        {"id": "a", "title": "Express", "description": "Tomorrow"},
                        {"id": "b", "title": "Standard"},
                    ]
                }
            ],
        },
    }


def test_location() -> None:
    place = LocationContent(latitude=52.0907, longitude=-5.1, name="Dom", address="Utrecht")
    expected = {"latitude": 52.0907, "longitude": -5.1, "name": "Dom", "address": "Utrecht"}
    assert body(place)["location"] == expected
    assert body(LocationContent(latitude=0, longitude=0))["location"] == {"latitude": 0, "longitude": 0}


def test_contacts() -> None:
    card = ContactCardContent(contacts=(Contact(name="Dee", phones=("+15550100005",), emails=("d@example.com",)),))
    assert body(card)["contacts"] == [
        {
            "name": {"formatted_name": "Dee", "first_name": "Dee"},
            "phones": [{"phone": "+15550100005"}],
            "emails": [{"email": "d@example.com"}],
        }
    ]


@pytest.mark.parametrize(("emoji", "sent"), [("👍", "👍"), (None, "")])
def test_reaction_and_taking_it_back(emoji: str | None, sent: str) -> None:
    found = body(ReactionContent(target=WAMID, emoji=emoji), reply_to=WAMID)
    assert found["reaction"] == {"message_id": WAMID, "emoji": sent}
    assert "context" not in found


def test_template_with_numbered_variables_in_their_order() -> None:
    content = TemplateContent(template="order", language="pt-BR", variables=(("2", "Monday"), ("1", "Ann")))
    assert body(content)["template"] == {
        "name": "order",
        "language": {"code": "pt_BR"},
        "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "Ann"}, {"type": "text", "text": "Monday"}]}
        ],
    }


def test_template_with_named_variables() -> None:
    content = TemplateContent(template="order", language="en", variables=(("name", "Ann"), ("day", "Monday")))
    assert body(content)["template"]["components"][0]["parameters"] == [
        {"type": "text", "text": "Ann", "parameter_name": "name"},
        {"type": "text", "text": "Monday", "parameter_name": "day"},
    ]


def test_template_without_variables_or_language() -> None:
    message = outbound(TemplateContent(template="hello"))
    (call,) = channel.render(message, context(template_language="de"))
    assert orjson.loads(call.json or b"")["template"] == {"name": "hello", "language": {"code": "de"}}


@pytest.mark.parametrize(
    "content",
    [
        EditContent(target=WAMID, text="new"),
        DeleteContent(target=WAMID),
        UnsupportedContent(vendor_type="hologram"),
    ],
)
def test_what_the_channel_does_not_have(content: Content) -> None:
    with pytest.raises(ValueError, match="the channel has no such message"):
        channel.render(outbound(content), context())
    with pytest.raises(ValueError, match="the channel has no such message"):
        calls(content)


def signal_body(signal: Signal) -> dict[str, Any]:
    (call,) = channel.signal(signal, context())
    assert call.repeatable
    assert call.url.endswith("/2000/messages")
    return orjson.loads(call.json or b"")


def test_signals() -> None:
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": WAMID}
    assert signal_body(Signal("read", "15550100002", f"{WAMID}#1")) == read
    assert signal_body(Signal("typing", "15550100002", WAMID)) == read | {"typing_indicator": {"type": "text"}}
    assert channel.signal(Signal("typing", "15550100002"), context()) == ()


def test_typing_sign_needs_the_message_that_is_answered() -> None:
    assert body(TypingContent(), reply_to=WAMID)["typing_indicator"] == {"type": "text"}
    assert calls(TypingContent()) == calls(TypingContent(on=False), reply_to=WAMID) == ()


def test_window_is_a_day_for_everybody() -> None:
    assert {channel.reply_window(author, connection()) for author in Author} == {timedelta(hours=24)}


@given(st.text(min_size=1, max_size=80))
def test_no_address_changes_where_the_call_goes(to: str) -> None:
    (call,) = channel.render(outbound(TextContent(text="Hi"), to), context())
    assert call.url == "http://127.0.0.1:9000/whatsapp_cloud/v23.0/2000/messages"


# -- customers' media ----------------------------------------------------------------------------------------------


def test_media_are_fetched_in_two_steps_with_the_token() -> None:
    call = channel.media_call(Media(vendor_id="300000000001"), connection(), SECRETS)
    assert call.url == "http://127.0.0.1:9000/whatsapp_cloud/v23.0/300000000001"
    assert call.headers == {"Authorization": "Bearer the-access-token"}
    assert call.then is not None
    at = call.then(b'{"url":"https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1","id":"300000000001"}')
    assert at.url == "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1"
    assert (at.headers, at.then) == ({"Authorization": "Bearer the-access-token"}, None)


def test_media_id_cannot_lead_elsewhere() -> None:
    call = channel.media_call(Media(vendor_id="../me?x=1#"), connection(), SECRETS)
    assert call.url == "http://127.0.0.1:9000/whatsapp_cloud/v23.0/..%2Fme%3Fx%3D1%23"


def test_media_without_an_id_cannot_be_fetched() -> None:
    with pytest.raises(NoMedia, match="vendor_id"):
        channel.media_call(Media(url="https://cdn.example/a.jpg"), connection(), SECRETS)


@pytest.mark.parametrize("url", ["https://lookaside.fbsbx.com/a", "https://FBSBX.com/a", "http://127.0.0.1:9000/a"])
def test_token_goes_to_metas_hosts_and_the_graphs_own(url: str) -> None:
    then = channel.media_call(Media(vendor_id="1"), connection(), SECRETS).then
    assert then is not None
    assert then(orjson.dumps({"url": url})).url == url


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b'{"error":{"code":100}}',
        *(
            orjson.dumps({"url": url})
            for url in (
                "https://evil.example/a",
                "https://evilfbsbx.com/a",
                "https://fbsbx.com.evil.example/a",
                "https://lookaside.fbsbx.com@evil.example/a",
                "http://lookaside.fbsbx.com/a",
                "http://127.0.0.1:9001/a",
                "https://[fbsbx.com/a",
                "file:///etc/passwd",
                "",
            )
        ),
    ],
)
def test_token_goes_nowhere_else(answer: bytes) -> None:
    then = channel.media_call(Media(vendor_id="1"), connection(), SECRETS).then
    assert then is not None
    with pytest.raises(NoMedia):
        then(answer)
