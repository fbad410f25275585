"""Outbound messages in the words of the Cloud API's messages endpoint (Meta, "Send messages"; API version 23.0)."""

from collections.abc import Mapping
from typing import Any

from m2n.message import (
    AudioContent,
    ButtonsContent,
    Contact,
    ContactCardContent,
    Content,
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
    VideoContent,
)

Body = Mapping[str, Any]


def message_body(message: Outbound, template_language: str) -> Body:
    """The request without ``messaging_product``. Raises ValueError for what the channel does not have.

    ``biz_opaque_callback_data`` is our id of the message and comes back with its statuses; the parts of a long message
    share it.
    """
    body: dict[str, Any] = {
        "recipient_type": "individual",
        **recipient(message.address.to),
        **_content(message.content, template_language),
        "biz_opaque_callback_data": message.id,
    }
    if message.reply_to and body["type"] != "reaction":
        body["context"] = {"message_id": message_id(message.reply_to)}
    return body


def recipient(to: str) -> Body:
    """A number in digits goes as ``to``, a business-scoped user id as ``recipient``."""
    digits = to.removeprefix("+")
    return {"to": digits} if digits.isascii() and digits.isdigit() else {"recipient": to}


def message_id(ours: str) -> str:
    """Meta's id of a message of which we made several."""
    return ours.partition("#")[0]


def _content(content: Content, template_language: str) -> Body:
    match content:
        case TextContent():
            return _typed("text", {"body": content.text, "preview_url": False})
        case ButtonsContent():
            return _typed("interactive", _buttons(content))
        case ListContent():
            return _typed("interactive", _list(content))
        case TemplateContent():
            return _typed("template", _template(content, template_language))
        case LocationContent():
            return _typed("location", _location(content))
        case ContactCardContent():
            return _typed("contacts", [_contact(contact) for contact in content.contacts])
        case ReactionContent():
            return _typed("reaction", {"message_id": message_id(content.target), "emoji": content.emoji or ""})
    return _media_content(content)


def _media_content(content: Content) -> Body:
    match content:
        case ImageContent() | VideoContent():
            return _typed(content.type, _link(content.media, caption=content.caption))
        case FileContent():
            return _typed("document", _link(content.media, caption=content.caption, filename=content.media.filename))
        case AudioContent() | StickerContent():
            return _typed(content.type, _link(content.media))
    raise ValueError(f"{content.type}: the channel has no such message")


def _typed(kind: str, value: Any) -> Body:
    return {"type": kind, kind: value}


def _link(media: Media, **more: str | None) -> Body:
    """Meta fetches the piece from its address."""
    if media.url is None:
        raise ValueError("media.url: expected an address that Meta can fetch")
    return {"link": media.url, **{name: value for name, value in more.items() if value}}


def _buttons(content: ButtonsContent) -> Body:
    buttons = [{"type": "reply", "reply": {"id": one.id, "title": one.title}} for one in content.buttons]
    return {"type": "button", "body": {"text": content.text}, "action": {"buttons": buttons}}


def _list(content: ListContent) -> Body:
    section = {"rows": [_row(item) for item in content.items]}
    action = {"button": content.button, "sections": [section]}
    return {"type": "list", "body": {"text": content.text}, "action": action}


def _row(item: ListItem) -> Body:
    described = {"description": item.description} if item.description else {}
    return {"id": item.id, "title": item.title, **described}


def _template(content: TemplateContent, default_language: str) -> Body:
    code = (content.language or default_language).replace("-", "_")
    parameters = [_parameter(name, text) for name, text in _in_order(content.variables)]
    components = {"components": [{"type": "body", "parameters": parameters}]} if parameters else {}
    return {"name": content.template, "language": {"code": code}, **components}


def _in_order(variables: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """Numbered variables in the order of their numbers, named ones as they stand."""
    if all(_is_number(name) for name, _ in variables):
        return sorted(variables, key=lambda variable: int(variable[0]))
    return list(variables)


def _parameter(name: str, text: str) -> Body:
    named = {} if _is_number(name) else {"parameter_name": name}
    return {"type": "text", "text": text, **named}


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) <= 4


def _location(content: LocationContent) -> Body:
    words = {"name": content.name, "address": content.address}
    return {
        "latitude": round(content.latitude, 7),
        "longitude": round(content.longitude, 7),
        **{name: value for name, value in words.items() if value},
    }


def _contact(contact: Contact) -> Body:
    """Meta wants a part of the name beside the whole; which part is not known, so it is the whole again."""
    name = contact.name or next(iter((*contact.phones, *contact.emails)), "?")
    card: dict[str, Any] = {"name": {"formatted_name": name, "first_name": name}}
    if contact.phones:
        card["phones"] = [{"phone": phone} for phone in contact.phones]
    if contact.emails:
        card["emails"] = [{"email": email} for email in contact.emails]
    return card
