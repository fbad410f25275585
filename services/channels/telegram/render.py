"""Outbound messages as calls of the Bot API. Text goes out as it is, without Telegram's markup."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from m2n.adapters.channel import VendorCall
from m2n.adapters.degradation import degrees
from m2n.message import (
    AudioContent,
    ButtonsContent,
    Contact,
    ContactCardContent,
    Content,
    DeleteContent,
    EditContent,
    FileContent,
    ImageContent,
    ListContent,
    LocationContent,
    Media,
    Outbound,
    ReactionContent,
    StickerContent,
    TextContent,
    TypingContent,
    VideoContent,
)
from m2n.splitting import length, split_lines, split_text, utf16_units
from services.channels.telegram.contact_card import MAX_VCARD, lines_of, vcard
from services.channels.telegram.references import Reference

MAX_TEXT = 4096
"""Longest text of a message in UTF-16 units, in which the Bot API counts; a caption's is ``MAX_CAPTION``."""
MAX_CAPTION = 1024
MAX_VENUE = 256
"""A longer name or address of a place is sent as text behind it."""
REPEATABLE = frozenset({"editMessageText", "deleteMessage", "setMessageReaction", "sendChatAction"})
"""Methods that do the same twice only once; a message that is sent twice is two messages."""

_CHAT = re.compile(r"-?[0-9]{1,18}")

Arguments = dict[str, Any]
Method = tuple[str, Arguments]


def call(base_url: str, token: str, method: str, arguments: Mapping[str, Any]) -> VendorCall:
    """The token is part of the address: that is how the Bot API has it."""
    return VendorCall(
        method="POST",
        url=f"{base_url.rstrip('/')}/bot{quote(token, safe=':')}/{method}",
        headers={"Accept": "application/json"},
        json=orjson.dumps(arguments),
        repeatable=method in REPEATABLE,
    )


def methods(message: Outbound) -> tuple[Method, ...]:
    """The methods that send the message, with their arguments, in order. Raises ValueError, which names the field."""
    chat = chat_number(message.address.to)
    sent = [(name, arguments | _quote(message.reply_to, chat)) for name, arguments in _sent(message.content)]
    found = sent or _done(message.content, chat)
    return tuple((name, {"chat_id": chat} | arguments) for name, arguments in found)


def chat_number(to: str) -> int:
    if not _CHAT.fullmatch(to):
        raise ValueError("address.to: expected the number of a Telegram chat")
    return int(to)


def _quote(reply_to: str | None, chat: int) -> Arguments:
    """What is answered to; a message that is gone does not hold up the answer."""
    quoted = Reference.read(reply_to)
    if quoted is None or quoted.chat != chat:
        return {}
    return {"reply_parameters": {"message_id": quoted.message, "allow_sending_without_reply": True}}


def _sent(content: Content) -> Iterable[Method]:
    """Messages of their own."""
    match content:
        case TextContent():
            return (_text(content.text),)
        case ButtonsContent():
            return (_text(content.text, [(button.id, button.title) for button in content.buttons]),)
        case ListContent():
            return _list(content)
        case ImageContent() | AudioContent() | VideoContent() | FileContent():
            return (_media(content),)
        case StickerContent():
            return (("sendSticker", {"sticker": _address(content.media)}),)
        case LocationContent():
            return _place(content)
        case ContactCardContent():
            return tuple(method for contact in content.contacts for method in _card(contact))
    return ()


def _done(content: Content, chat: int) -> Iterable[Method]:
    """What is done to messages that are there, and what is only shown. Raises ValueError for any other content."""
    match content:
        case ReactionContent():
            # Telegram writes its reactions without the selector that asks for the coloured form.
            emoji = (content.emoji or "").replace("\ufe0f", "")
            reaction = [{"type": "emoji", "emoji": emoji}] if emoji else []
            return (("setMessageReaction", {"message_id": _target(content.target, chat), "reaction": reaction}),)
        case EditContent():
            return (("editMessageText", {"message_id": _target(content.target, chat), "text": content.text}),)
        case DeleteContent():
            return (("deleteMessage", {"message_id": _target(content.target, chat)}),)
        case TypingContent():
            return (TYPING,) if content.on else ()
    raise ValueError(f"content: expected one that Telegram has, not {content.type}")


TYPING: Method = ("sendChatAction", {"action": "typing"})


def _target(target: str, chat: int) -> int:
    found = Reference.read(target)
    if found is None or found.chat != chat:
        raise ValueError("target: expected a message of this chat, as '<chat>:<message id>'")
    return found.message


def _text(text: str, choices: Iterable[tuple[str, str]] = ()) -> Method:
    """With choices as an inline keyboard, each on a row of its own."""
    keyboard = [[{"text": title, "callback_data": id_}] for id_, title in choices]
    return "sendMessage", {"text": text} | ({"reply_markup": {"inline_keyboard": keyboard}} if keyboard else {})


def _list(content: ListContent) -> Iterable[Method]:
    """Buttons have one line, so descriptions stand above them, in a message before if there is no room."""
    choices = [(item.id, item.title) for item in content.items]
    lines = [f"{item.title} - {item.description}" for item in content.items if item.description]
    whole = "\n".join([content.text, "", *lines]) if lines else content.text
    if length(whole, utf16_units) <= MAX_TEXT:
        return (_text(whole, choices),)
    before = split_lines(lines, MAX_TEXT, utf16_units)
    return (*map(_text, before), _text(content.text, choices))


def _media(content: ImageContent | AudioContent | VideoContent | FileContent) -> Method:
    method, field = _kind(content)
    caption = {"caption": content.caption} if content.caption else {}
    return method, {field: _address(content.media)} | caption


def _kind(content: ImageContent | AudioContent | VideoContent | FileContent) -> tuple[str, str]:
    match content:
        case ImageContent():
            return "sendPhoto", "photo"
        case AudioContent():
            return ("sendVoice", "voice") if _is_voice(content.media) else ("sendAudio", "audio")
        case VideoContent():
            return "sendVideo", "video"
    return "sendDocument", "document"


def _is_voice(media: Media) -> bool:
    """By address, only Ogg can be a voice note, and Ogg can be nothing else."""
    mime = (media.mime or "").lower()
    return mime.startswith("audio/ogg") or (not mime and media.voice)


def _address(media: Media) -> str:
    if not media.url:
        raise ValueError("media.url: expected an address from which Telegram can fetch the media")
    return media.url


def _place(content: LocationContent) -> Iterable[Method]:
    at = {"latitude": content.latitude, "longitude": content.longitude}
    known = [words for words in (content.name, content.address) if words]
    if not known:
        return (("sendLocation", at),)
    if any(length(words, utf16_units) > MAX_VENUE for words in known):
        texts = split_text("\n".join(known), MAX_TEXT, utf16_units)
        return (("sendLocation", at), *map(_text, texts))
    where = f"{degrees(content.latitude)}, {degrees(content.longitude)}"
    address = known[1] if len(known) > 1 else where
    return (("sendVenue", at | {"title": known[0], "address": address}),)


def _card(contact: Contact) -> Iterable[Method]:
    """With one number as such; what else is known goes along as a vCard, and as text if that is too long."""
    card, phone = vcard(contact), next(iter(contact.phones), "")
    if not phone or len(card.encode()) > MAX_VCARD:
        return map(_text, split_text("\n".join(lines_of(contact)), MAX_TEXT, utf16_units))
    more = len(contact.phones) > 1 or bool(contact.emails)
    shown = {"phone_number": phone, "first_name": contact.name or phone}
    return (("sendContact", shown | ({"vcard": card} if more else {})),)
