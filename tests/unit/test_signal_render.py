"""Messages and signals to Signal's customers as calls of the gateway."""

import base64
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from m2n.adapters.channel import SendContext, Signal, VendorCall
from m2n.adapters.degradation import NotShowable, rendered
from m2n.message import (
    Address,
    AudioContent,
    Author,
    Button,
    ButtonsContent,
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
)
from m2n.tenant import Connection, ConnectionKind
from services.channels.signal.adapter import channel

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NUMBER, UUID = "+15550100001", "00000000-0000-4000-8000-000000000001"
PICTURE = "https://shop.example/scratch.png"
FILES = {PICTURE: b"\x89PNG picture"}


def context(secrets: dict[str, str] | None = None, **settings: Any) -> SendContext:
    connection = Connection(
        id="acme-signal",
        kind=ConnectionKind.CHANNEL,
        adapter="signal",
        settings={"number": NUMBER, "base_url": "http://signal:8080/", **settings},
    )
    return SendContext(connection, secrets or {"path-secret": "s3cret"}, "https://hooks.example/x?ref=1", NOW, FILES)


def outbound(content: Content, reply_to: str | None = None) -> Outbound:
    return Outbound(
        id="p1.1.7",
        tenant="acme",
        profile_id="P1",
        session_id="p1.1",
        seq=7,
        address=Address(connection="acme-signal", channel="signal", to=UUID),
        content=content,
        author=Author.BOT,
        decided_at=NOW,
        reply_to=reply_to,
    )


def calls(content: Content, reply_to: str | None = None, **more: Any) -> tuple[VendorCall, ...]:
    return rendered(channel, outbound(content, reply_to), context(**more))


def body(call: VendorCall) -> dict[str, Any]:
    return orjson.loads(call.json or b"null")


def sent(content: Content, reply_to: str | None = None) -> dict[str, Any]:
    (call,) = calls(content, reply_to)
    assert (call.method, call.url, call.repeatable) == ("POST", "http://signal:8080/v2/send", False)
    return body(call)


def test_text() -> None:
    assert sent(TextContent(text="Grüß Gott 👋")) == {
        "number": NUMBER,
        "recipients": [UUID],
        "message": "Grüß Gott 👋",
    }


def test_long_text_is_split_by_bytes() -> None:
    text = "Ein schöner Satz. " * 200
    parts = [body(call)["message"] for call in calls(TextContent(text=text))]
    assert all(0 < len(part.encode()) <= 2000 for part in parts)
    assert " ".join(parts).split() == text.split()
    assert len(calls(TextContent(text="é" * 1000))) == 1
    assert len(calls(TextContent(text="é" * 1001))) == 2


def test_buttons_and_lists_are_numbered_lines() -> None:
    buttons = ButtonsContent(text="Sure?", buttons=(Button(id="y", title="Yes"), Button(id="n", title="No")))
    assert sent(buttons)["message"] == "Sure?\n\n1. Yes\n2. No"
    items = (ListItem(id="a", title="Alpha", description="the first"), ListItem(id="b", title="Beta"))
    listed = sent(ListContent(text="Which?", button="Show", items=items))
    assert listed["message"] == "Which?\n\n1. Alpha - the first\n2. Beta"


def test_location_is_a_link() -> None:
    message = sent(LocationContent(latitude=52.0907, longitude=5.1214, name="Dom Tower"))["message"]
    assert message == "Dom Tower\nhttps://www.openstreetmap.org/?mlat=52.0907&mlon=5.1214"


def test_media_go_out_as_bytes_with_their_caption() -> None:
    found = sent(ImageContent(media=Media(url=PICTURE, mime="image/png", filename="scratch.png"), caption="Here"))
    assert found["message"] == "Here"
    head, encoded = found["base64_attachments"][0].split(",")
    assert head == "data:image/png;filename=scratch.png;base64"
    assert base64.b64decode(encoded, validate=True) == FILES[PICTURE]


@pytest.mark.parametrize(
    ("name", "mime", "head"),
    [
        (None, "audio/ogg; codecs=opus", "data:audio/ogg;base64,"),
        ("a;b,c.ogg", "audio/ogg", "data:audio/ogg;filename=a_b_c.ogg;base64,"),
        ("../../etc/passwd", None, "data:application/octet-stream;filename=_.._etc_passwd;base64,"),
        ("x;base64,QUJD.png", "image/png;x=y", "data:image/png;filename=x_base64_QUJD.png;base64,"),
        ("naïve 文.png", "no mime", "data:application/octet-stream;filename=naïve 文.png;base64,"),
        ("...", "image/png", "data:image/png;base64,"),
    ],
)
def test_names_and_types_that_could_be_read_as_something_else(name: str | None, mime: str | None, head: str) -> None:
    found = sent(FileContent(media=Media(url=PICTURE, mime=mime, filename=name)))
    assert found["base64_attachments"][0].startswith(head)
    assert found["base64_attachments"][0].count(",") == 1


def test_long_file_name_keeps_its_end() -> None:
    media = Media(url=PICTURE, mime="image/png", filename="文" * 100 + ".png")
    name = sent(FileContent(media=media))["base64_attachments"][0].split(";")[1].removeprefix("filename=")
    assert name.endswith("文.png")
    assert 190 < len(name.encode()) <= 200


def test_long_caption_goes_on_as_text() -> None:
    first, second = calls(AudioContent(media=Media(url=PICTURE, mime="audio/mpeg"), caption="a" * 1999 + " bcd"))
    assert body(first)["message"] == "a" * 1999
    assert body(second) == {"number": NUMBER, "recipients": [UUID], "message": "bcd"}


def test_sticker_is_a_picture() -> None:
    found = sent(StickerContent(media=Media(url=PICTURE, mime="image/webp")))
    assert found["base64_attachments"][0].startswith("data:image/webp;base64,")


def test_media_without_bytes_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match=r"^media: "):
        calls(ImageContent(media=Media(url="https://shop.example/gone.png")))


def test_media_without_an_address_are_named() -> None:
    assert sent(FileContent(media=Media(vendor_id="x", filename="order.pdf")))["message"] == "order.pdf"


@pytest.mark.parametrize(
    ("reply_to", "author"),
    [(f"{UUID}:1700000000000", UUID), (f"{UUID}:1700000000000#2", UUID), ("self:1700000000000", NUMBER)],
)
def test_quote(reply_to: str, author: str) -> None:
    found = sent(TextContent(text="yes"), reply_to)
    assert (found["quote_timestamp"], found["quote_author"]) == (1700000000000, author)


@pytest.mark.parametrize("reply_to", ["SM1", "", "x:y", f"{UUID}:99999999999999999", None])
def test_no_quote_of_what_is_no_message_of_signals(reply_to: str | None) -> None:
    assert set(sent(TextContent(text="yes"), reply_to)) == {"number", "recipients", "message"}


@pytest.mark.parametrize(("emoji", "method"), [("👍", "POST"), (None, "DELETE")])
def test_reaction(emoji: str | None, method: str) -> None:
    (call,) = calls(ReactionContent(target=f"{UUID}:1700000000000", emoji=emoji))
    assert (call.method, call.url) == (method, "http://signal:8080/v1/reactions/+15550100001")
    wanted = {"reaction": emoji or "", "recipient": UUID, "target_author": UUID, "timestamp": 1700000000000}
    assert body(call) == wanted


def test_edit_and_delete_are_of_our_own_messages() -> None:
    assert sent(EditContent(target="self:1700000000000", text="better"))["edit_timestamp"] == 1700000000000
    (call,) = calls(DeleteContent(target="self:1700000000000"))
    assert (call.method, call.url) == ("DELETE", "http://signal:8080/v1/remote-delete/+15550100001")
    assert body(call) == {"recipient": UUID, "timestamp": 1700000000000}


@pytest.mark.parametrize(
    "content",
    [
        EditContent(target=f"{UUID}:1700000000000", text="x"),
        DeleteContent(target=f"{UUID}:1700000000000"),
        ReactionContent(target="SM1", emoji="👍"),
    ],
)
def test_what_points_at_no_message_that_it_could_change(content: Content) -> None:
    with pytest.raises(ValueError, match=r"^target: "):
        calls(content)


def test_template_has_no_counterpart() -> None:
    with pytest.raises(NotShowable):
        calls(TemplateContent(template="HX1"))


@pytest.mark.parametrize(("on", "method"), [(True, "PUT"), (False, "DELETE")])
def test_typing(on: bool, method: str) -> None:
    (call,) = calls(TypingContent(on=on))
    assert (call.method, call.url) == (method, "http://signal:8080/v1/typing-indicator/+15550100001")
    assert body(call) == {"recipient": UUID}


def test_signals() -> None:
    (typing,) = channel.signal(Signal("typing", UUID), context())
    assert (typing.method, body(typing)) == ("PUT", {"recipient": UUID})
    (read,) = channel.signal(Signal("read", UUID, f"{UUID}:1700000000000#1"), context())
    assert (read.method, read.url) == ("POST", "http://signal:8080/v1/receipts/+15550100001")
    assert body(read) == {"receipt_type": "read", "recipient": UUID, "timestamp": 1700000000000}


def test_no_read_receipt_where_there_is_none_to_give() -> None:
    read = Signal("read", UUID, f"{UUID}:1700000000000")
    assert channel.signal(read, context(read_receipts=False)) == ()
    assert channel.signal(Signal("read", UUID), context()) == ()
    assert channel.signal(Signal("read", UUID, f"{UUID}:1700000000000:typing"), context()) == ()


def test_token_of_the_proxy_before_the_gateway() -> None:
    secrets = {"path-secret": "s3cret", "gateway-token": "t0ken"}
    (call,) = calls(TextContent(text="x"), secrets=secrets)
    assert call.headers["Authorization"] == "Bearer t0ken"
    assert "t0ken" not in (call.json or b"").decode()
    (without,) = calls(TextContent(text="x"))
    assert "Authorization" not in without.headers
    assert "s3cret" not in repr(without)


def test_gateway_below_a_path() -> None:
    (call,) = calls(ReactionContent(target="self:5", emoji="👍"), base_url="https://inside.example/signal/")
    assert call.url == "https://inside.example/signal/v1/reactions/+15550100001"
