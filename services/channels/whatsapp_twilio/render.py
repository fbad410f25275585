"""Outbound messages as calls of Twilio's send API."""

from collections.abc import Iterable

import orjson

from m2n.message import (
    AudioContent,
    ButtonsContent,
    ChoiceContent,
    Contact,
    ContactCardContent,
    Content,
    FileContent,
    ImageContent,
    ListContent,
    ListItem,
    LocationContent,
    Media,
    StickerContent,
    TemplateContent,
    TextContent,
    VideoContent,
)
from services.channels.twilio_core.sending import MAX_BODY
from services.channels.twilio_core.splitting import split_text

Form = list[tuple[str, str]]


def forms(content: Content) -> tuple[Form, ...]:
    """The fields of each message that shows the content, in order; none for what WhatsApp through Twilio cannot do."""
    match content:
        case TextContent():
            return _texts(content.text)
        case ButtonsContent():
            return _texts(_numbered(content.text, (button.title for button in content.buttons)))
        case ListContent():
            return _texts(_numbered(content.text, map(_item, content.items)))
        case ChoiceContent():
            return _texts(content.title)
        case ContactCardContent():
            return _texts("\n\n".join(map(_contact, content.contacts)))
        case TemplateContent():
            return (_template(content),)
        case LocationContent():
            return _location(content)
        case ImageContent() | VideoContent() | FileContent():
            return _captioned(content.media, content.caption or "", content.type)
        case AudioContent():
            return _apart(content.media, content.caption or "", content.type)
        case StickerContent():
            return _apart(content.media, "", content.type)
    return ()


def _texts(text: str) -> tuple[Form, ...]:
    return tuple([("Body", part)] for part in split_text(text, MAX_BODY))


def _numbered(text: str, titles: Iterable[str]) -> str:
    """Choices as numbered lines: the customer answers with the number or the words."""
    lines = [f"{number}. {title}" for number, title in enumerate(titles, start=1)]
    return "\n".join([text, "", *lines])


def _item(item: ListItem) -> str:
    return f"{item.title} - {item.description}" if item.description else item.title


def _contact(contact: Contact) -> str:
    return "\n".join([contact.name, *contact.phones, *contact.emails])


def _template(content: TemplateContent) -> Form:
    form = [("ContentSid", content.template)]
    if content.variables:
        form.append(("ContentVariables", orjson.dumps(dict(content.variables)).decode()))
    return form


def _location(content: LocationContent) -> tuple[Form, ...]:
    """A pin: Twilio wants the name as body, and the address as the pin's label."""
    place = f"{_degrees(content.latitude)},{_degrees(content.longitude)}"
    name, *more = split_text(content.name or content.address or place, MAX_BODY) or (place,)
    label = (content.address or content.name or "").replace("|", " ")
    action = f"geo:{place}|{label}" if label else f"geo:{place}"
    return ([("Body", name), ("PersistentAction", action)], *([("Body", part)] for part in more))


def _degrees(value: float) -> str:
    return f"{value:.7f}".rstrip("0").rstrip(".")


def _captioned(media: Media, caption: str, kind: str) -> tuple[Form, ...]:
    """Media with the caption's first part under it; the rest follows as text."""
    if media.url is None:
        return _texts(caption or media.filename or f"[{kind}]")
    first, *more = split_text(caption, MAX_BODY) or ("",)
    body = [("Body", first)] if first else []
    return ([*body, ("MediaUrl", media.url)], *([("Body", part)] for part in more))


def _apart(media: Media, caption: str, kind: str) -> tuple[Form, ...]:
    """Sounds and stickers carry no caption on WhatsApp: the words follow as a message."""
    if media.url is None:
        return _captioned(media, caption, kind)
    return ([("MediaUrl", media.url)], *_texts(caption))
