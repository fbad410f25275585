"""Outbound messages as calls of the Bot API."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from m2n.adapters.channel import SendContext, Signal
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
from m2n.splitting import length, utf16_units
from m2n.tenant import Connection, ConnectionKind
from services.channels.telegram.adapter import channel
from services.channels.telegram.certification import certificate
from services.channels.telegram.settings import BOT_TOKEN

TOKEN = certificate.secrets[BOT_TOKEN]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CONNECTION = Connection(
    id="acme-telegram",
    kind=ConnectionKind.CHANNEL,
    adapter="telegram",
    settings={"base_url": "http://127.0.0.1:9000/telegram/"},
)
CONTEXT = SendContext(CONNECTION, certificate.secrets, "https://hooks.example/unused", NOON)
PICTURE = "https://cdn.example/a.jpg"


def message(content: Content, to: str = "7000042", reply_to: str | None = None) -> Outbound:
    return Outbound(
        id="p1.1.7",
        tenant="acme",
        profile_id="p1",
        session_id="p1.1",
        seq=7,
        address=Address(connection="acme-telegram", channel="telegram", to=to),
        content=content,
        author=Author.BOT,
        decided_at=NOON,
        reply_to=reply_to,
    )


def sent(content: Content, **options: Any) -> list[tuple[str, dict[str, Any]]]:
    """Method and arguments of each call, without the chat that all of them have."""
    found = [
        (call.url.rpartition("/")[2], orjson.loads(call.json or b""))
        for call in rendered_calls(channel, message(content, **options), CONTEXT)
    ]
    assert all(arguments.pop("chat_id") == 7000042 for _, arguments in found)
    return found


def test_call() -> None:
    (call,) = rendered_calls(channel, message(TextContent(text="Hello")), CONTEXT)
    assert (call.method, call.url) == ("POST", f"http://127.0.0.1:9000/telegram/bot{TOKEN}/sendMessage")
    assert orjson.loads(call.json or b"") == {"chat_id": 7000042, "text": "Hello"}
    assert (call.repeatable, call.auth, call.form) == (False, None, None)
    assert "Hello" not in repr(call)


def test_text_is_counted_in_utf16_units() -> None:
    assert [len(arguments["text"]) for _, arguments in sent(TextContent(text="x" * 4097))] == [4096, 1]
    assert [len(arguments["text"]) for _, arguments in sent(TextContent(text="😀" * 2049))] == [2048, 1]


def test_markup_in_a_text_is_text() -> None:
    ((_, arguments),) = sent(TextContent(text="<b>*_[x](y)_*</b>"))
    assert arguments == {"text": "<b>*_[x](y)_*</b>"}


def test_buttons_are_rows_of_an_inline_keyboard() -> None:
    buttons = (Button(id="y", title="Yes"), Button(id="n", title="No"))
    assert sent(ButtonsContent(text="Sure?", buttons=buttons)) == [
        (
            "sendMessage",
            {
                "text": "Sure?",
                "reply_markup": {
                    "inline_keyboard": [
                        [{"text": "Yes", "callback_data": "y"}],
                        [{"text": "No", "callback_data": "n"}],
                    ]
                },
            },
        )
    ]


def test_a_button_whose_id_is_too_long_becomes_a_number() -> None:
    fits, too_long = ("ä" * 32, "ä" * 32 + "x")
    for id_, keyboard in ((fits, True), (too_long, False)):
        ((_, arguments),) = sent(ButtonsContent(text="Sure?", buttons=(Button(id=id_, title="Yes"),)))
        assert ("reply_markup" in arguments) is keyboard
    assert arguments["text"] == "Sure?\n\n1. Yes"


def items(count: int, description: str | None) -> tuple[ListItem, ...]:
    return tuple(ListItem(id=f"i{number}", title=f"T{number}", description=description) for number in range(count))


def keys(arguments: dict[str, Any]) -> list[str]:
    return [key["callback_data"] for row in arguments["reply_markup"]["inline_keyboard"] for key in row]


def test_a_list_is_a_keyboard_with_its_descriptions_above() -> None:
    ((_, plain),) = sent(ListContent(text="How?", button="Choose", items=items(20, None)))
    assert (plain["text"], len(keys(plain))) == ("How?", 20)
    ((_, described),) = sent(ListContent(text="How?", button="Choose", items=items(2, "1 day")))
    assert (described["text"], keys(described)) == ("How?\n\nT0 - 1 day\nT1 - 1 day", ["i0", "i1"])


def test_more_than_twenty_items_are_numbered() -> None:
    ((_, arguments),) = sent(ListContent(text="How?", button="Choose", items=items(21, None)))
    assert "reply_markup" not in arguments
    assert arguments["text"].endswith("\n21. T20")


def test_descriptions_that_find_no_room_stand_in_a_message_before() -> None:
    wide = tuple(ListItem(id=str(n), title="😀" * 64, description="😀" * 72) for n in range(20))
    found = [arguments for _, arguments in sent(ListContent(text="How?", button="Choose", items=wide))]
    assert len(found) > 1
    assert (found[-1]["text"], len(keys(found[-1]))) == ("How?", 20)
    assert sum(arguments["text"].count(" - ") for arguments in found) == 20
    assert all(length(arguments["text"], utf16_units) <= 4096 for arguments in found)


@pytest.mark.parametrize(
    ("content", "method", "field"),
    [
        (ImageContent(media=Media(url=PICTURE)), "sendPhoto", "photo"),
        (AudioContent(media=Media(url=PICTURE, mime="audio/mpeg")), "sendAudio", "audio"),
        (AudioContent(media=Media(url=PICTURE)), "sendAudio", "audio"),
        (AudioContent(media=Media(url=PICTURE, voice=True)), "sendVoice", "voice"),
        (AudioContent(media=Media(url=PICTURE, mime="audio/ogg; codecs=opus")), "sendVoice", "voice"),
        (AudioContent(media=Media(url=PICTURE, mime="audio/mpeg", voice=True)), "sendAudio", "audio"),
        (VideoContent(media=Media(url=PICTURE, mime="video/mp4")), "sendVideo", "video"),
        (FileContent(media=Media(url=PICTURE, mime="application/pdf")), "sendDocument", "document"),
        (ImageContent(media=Media(url=PICTURE, mime="image/gif")), "sendDocument", "document"),
        (StickerContent(media=Media(url=PICTURE, mime="image/webp")), "sendSticker", "sticker"),
    ],
)
def test_media_go_by_address(content: Content, method: str, field: str) -> None:
    assert sent(content) == [(method, {field: PICTURE})]


@pytest.mark.parametrize(
    "content",
    [
        FileContent(media=Media(url=PICTURE, mime="text/csv")),
        VideoContent(media=Media(url=PICTURE, mime="video/webm")),
        AudioContent(media=Media(url=PICTURE, mime="audio/wav")),
        ImageContent(media=Media(url=PICTURE, mime="image/tiff")),
        ImageContent(media=Media(url=PICTURE, mime="image/jpeg", size_bytes=20_000_001)),
        StickerContent(media=Media(url=PICTURE, mime="application/x-tgsticker")),
    ],
)
def test_what_telegram_does_not_fetch_is_sent_as_a_link(content: Content) -> None:
    assert sent(content) == [("sendMessage", {"text": PICTURE})]


def test_captions_are_counted_in_utf16_units_and_go_on_as_text() -> None:
    media = Media(url=PICTURE)
    assert sent(ImageContent(media=media, caption="Look")) == [("sendPhoto", {"photo": PICTURE, "caption": "Look"})]
    (_, photo), (method, text) = sent(ImageContent(media=media, caption="😀" * 513))
    assert (photo["caption"], method, text["text"]) == ("😀" * 512, "sendMessage", "😀")


def test_media_that_only_the_store_knows_need_an_address() -> None:
    with pytest.raises(ValueError, match=r"media\.url"):
        sent(ImageContent(media=Media(id="m" * 32)))


def test_places() -> None:
    at: dict[str, Any] = {"latitude": 52.0907, "longitude": -5.0}
    assert sent(LocationContent(**at)) == [("sendLocation", at)]
    both = LocationContent(**at, name="Dom Tower", address="Domplein 29")
    assert sent(both) == [("sendVenue", at | {"title": "Dom Tower", "address": "Domplein 29"})]
    for one in (LocationContent(**at, name="Dom Tower"), LocationContent(**at, address="Dom Tower")):
        assert sent(one) == [("sendVenue", at | {"title": "Dom Tower", "address": "52.0907, -5"})]
    long = LocationContent(**at, name="x" * 257, address="y")
    assert sent(long) == [("sendLocation", at), ("sendMessage", {"text": "x" * 257 + "\ny"})]


def test_a_contact_with_one_number_is_a_contact() -> None:
    card = ContactCardContent(contacts=(Contact(name="Ann", phones=("+15550100003",)),))
    assert sent(card) == [("sendContact", {"phone_number": "+15550100003", "first_name": "Ann"})]


def test_all_that_is_known_of_a_contact_goes_along_as_a_vcard() -> None:
    ann = Contact(name="Ann; B, C\\D\nE", phones=("+15550100003", "+15550100004"), emails=("ann@example.com",))
    ((method, arguments),) = sent(ContactCardContent(contacts=(ann,)))
    assert method == "sendContact"
    assert arguments["vcard"].split("\r\n") == [
        "BEGIN:VCARD", "VERSION:3.0", "FN:Ann\\; B\\, C\\\\D\\nE", "N:;Ann\\; B\\, C\\\\D\\nE;;;", "TEL:+15550100003",
        "TEL:+15550100004", "EMAIL:ann@example.com", "END:VCARD", "",
    ]  # fmt: skip


def test_contacts_that_telegram_cannot_show_are_text() -> None:
    ben = Contact(name="Ben", emails=("ben@example.com",))
    many = Contact(name="Cy", phones=tuple(f"+1555010{number:04d}" for number in range(200)))
    found = sent(ContactCardContent(contacts=(ben, many)))
    assert [method for method, _ in found] == ["sendMessage", "sendMessage"]
    assert found[0][1]["text"] == "Ben\nben@example.com"
    assert found[1][1]["text"].count("+1555010") == 200


def test_reactions_edits_and_deletions_name_the_message() -> None:
    like = {"message_id": 7, "reaction": [{"type": "emoji", "emoji": "👍"}]}
    assert sent(ReactionContent(target="7000042:7", emoji="👍")) == [("setMessageReaction", like)]
    none = {"message_id": 7, "reaction": []}
    assert sent(ReactionContent(target="7000042:7")) == [("setMessageReaction", none)]
    edit = {"message_id": 7, "text": "new"}
    assert sent(EditContent(target="7000042:7", text="new")) == [("editMessageText", edit)]
    assert sent(DeleteContent(target="7000042:7")) == [("deleteMessage", {"message_id": 7})]


def test_a_heart_is_spelled_as_telegram_does() -> None:
    ((_, arguments),) = sent(ReactionContent(target="7000042:7", emoji="❤\ufe0f"))
    assert arguments["reaction"] == [{"type": "emoji", "emoji": "❤"}]


def test_only_what_is_done_twice_once_may_be_repeated() -> None:
    contents: list[Content] = [
        TextContent(text="x"),
        ImageContent(media=Media(url=PICTURE)),
        EditContent(target="7000042:7", text="x"),
        DeleteContent(target="7000042:7"),
        ReactionContent(target="7000042:7"),
    ]
    calls = [rendered_calls(channel, message(content), CONTEXT)[0] for content in contents]
    assert [call.repeatable for call in calls] == [False, False, True, True, True]


@pytest.mark.parametrize(
    "target", ["", "7", "7000043:7", "7000042:0", "update:7", "7000042:7:8", "7000042:" + "9" * 30]
)
def test_a_target_elsewhere_is_refused_by_name(target: str) -> None:
    for content in (ReactionContent(target=target), EditContent(target=target, text="x"), DeleteContent(target=target)):
        with pytest.raises(ValueError, match="target"):
            sent(content)


def test_an_answer_quotes_what_it_answers() -> None:
    quoted = {"reply_parameters": {"message_id": 5, "allow_sending_without_reply": True}}
    assert sent(TextContent(text="x"), reply_to="7000042:5") == [("sendMessage", {"text": "x"} | quoted)]
    for elsewhere in ("7000043:5", "update:810000026", "SM1"):
        assert sent(TextContent(text="x"), reply_to=elsewhere) == [("sendMessage", {"text": "x"})]


def test_typing() -> None:
    assert sent(TypingContent()) == [("sendChatAction", {"action": "typing"})]
    assert sent(TypingContent(on=False)) == []
    (call,) = channel.signal(Signal("typing", "7000042", "7000042:7"), CONTEXT)
    assert call.url.endswith("/sendChatAction")
    assert orjson.loads(call.json or b"") == {"chat_id": 7000042, "action": "typing"}
    assert channel.signal(Signal("read", "7000042"), CONTEXT) == ()


@pytest.mark.parametrize("to", ["", "@acme", "7 7", "+7", "--7", "٧", "7" * 40])
def test_an_address_that_is_no_chat_is_refused_by_name(to: str) -> None:
    with pytest.raises(ValueError, match=r"address\.to"):
        rendered_calls(channel, message(TextContent(text="x"), to=to), CONTEXT)


@pytest.mark.parametrize("content", [TemplateContent(template="t"), UnsupportedContent(vendor_type="x")])
def test_what_telegram_does_not_have_is_refused(content: Content) -> None:
    with pytest.raises(NotShowable):
        sent(content)
    with pytest.raises(ValueError, match=content.type):
        channel.render(message(content), CONTEXT)
