"""Renders what a channel cannot show as it can. Nothing is cut in silence: it is split, written out, or refused."""

from collections.abc import Iterable, Sequence

from m2n.adapters.capabilities import Capabilities, Choices
from m2n.adapters.channel import Channel, SendContext, VendorCall
from m2n.message import (
    AudioContent,
    Button,
    ButtonsContent,
    ChoiceContent,
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
    VideoContent,
)
from m2n.splitting import length, split_lines, split_text

LIST_BUTTON = "☰"
"""What opens a list that was made of buttons: the words are the tenant's, so there are none."""
MediaContent = ImageContent | AudioContent | VideoContent | FileContent | StickerContent


class NotShowable(ValueError):
    """The channel has nothing that could stand for the message; its text says why, without the message's words."""


def rendered(channel: Channel, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
    """All calls that send a message, as the channel can show it. Raises NotShowable, and ValueError of the adapter."""
    parts = degraded(message.content, channel.capabilities)
    return tuple(
        call for part in parts for call in channel.render(message.model_copy(update={"content": part}), context)
    )


def degraded(content: Content, can: Capabilities) -> tuple[Content, ...]:
    """The content as one or more contents that the channel can show, in order. Raises NotShowable."""
    shown = tuple(_shown(content, can))
    if not shown:
        raise NotShowable(f"{content.type}: there is no text in it")
    return shown


def _shown(content: Content, can: Capabilities) -> Iterable[Content]:
    match content:
        case TextContent():
            return _texts(content.text, can)
        case ButtonsContent():
            items = [ListItem(id=button.id, title=button.title) for button in content.buttons]
            return _choices(content.text, LIST_BUTTON, items, can)
        case ListContent():
            return _choices(content.text, content.button, content.items, can)
        case ChoiceContent():
            return _texts(content.title, can)
        case ImageContent() | AudioContent() | VideoContent() | FileContent() | StickerContent():
            return _media(content, can)
        case LocationContent():
            return (content,) if can.location else _texts(_place(content), can)
        case ContactCardContent():
            return (content,) if can.contact_card else _texts("\n\n".join(map(_contact, content.contacts)), can)
    return (_as_it_is(content, can),)


def _as_it_is(content: Content, can: Capabilities) -> Content:
    possible = {
        TemplateContent: can.template,
        ReactionContent: can.reaction,
        EditContent: can.edit,
        DeleteContent: can.delete,
        TypingContent: "typing" in can.signals,
    }
    if not possible.get(type(content), False):
        raise NotShowable(f"{content.type}: the channel has no such message")
    if isinstance(content, EditContent) and length(content.text, can.measure) > can.text:
        raise NotShowable(f"edit: the text is longer than the channel's {can.text}")
    return content


def _texts(text: str, can: Capabilities) -> tuple[Content, ...]:
    return tuple(TextContent(text=part) for part in split_text(text, can.text, can.measure))


def _choices(text: str, button: str, items: Sequence[ListItem], can: Capabilities) -> tuple[Content, ...]:
    """As buttons if they fit, as a list if that does, else as numbered lines: a title is never shortened."""
    if can.buttons and _fit(items, can.buttons):
        *before, last = _above(text, can.buttons, can)
        buttons = tuple(Button(id=item.id, title=item.title) for item in items)
        return (*before, ButtonsContent(text=last, buttons=buttons))
    if can.list and _fit(items, can.list) and len(button) <= 20:
        *before, last = _above(text, can.list, can)
        return (*before, ListContent(text=last, button=button, items=tuple(items)))
    lines = [f"{number}. {_item(item)}" for number, item in enumerate(items, start=1)]
    whole = "\n".join([text, "", *lines])
    if length(whole, can.measure) <= can.text:
        return (TextContent(text=whole),)
    return (*_texts(text, can), *(TextContent(text=part) for part in split_lines(lines, can.text, can.measure)))


def _above(text: str, shape: Choices, can: Capabilities) -> tuple[*tuple[Content, ...], str]:
    """What is said above the choices: its last part stands with them."""
    *before, last = split_text(text, min(shape.text, can.text), can.measure) or (text or "…",)
    return (*(TextContent(text=part) for part in before), last)


def _fit(items: Sequence[ListItem], shape: Choices) -> bool:
    return len(items) <= shape.most and all(
        len(item.title) <= shape.title
        and len(item.id.encode()) <= shape.id
        and len(item.description or "") <= shape.description
        for item in items
    )


def _item(item: ListItem) -> str:
    return f"{item.title} - {item.description}" if item.description else item.title


def _media(content: MediaContent, can: Capabilities) -> tuple[Content, ...]:
    """The piece as its kind, else as a file, else as its address in the words."""
    caption = "" if isinstance(content, StickerContent) else content.caption or ""
    kind = next((kind for kind in (content.type, "file") if _takes(kind, content.media, can)), None)
    if kind is None:
        return _texts("\n".join(filter(None, (caption, _pointer(content)))), can)
    room = can.captions.get(kind, 0)
    under, *after = split_text(caption, room, can.measure) or ("",) if room else ("", caption)
    return (_as_kind(content, kind, under), *(part for text in after for part in _texts(text, can)))


def _takes(kind: str, media: Media, can: Capabilities) -> bool:
    limit = can.media.get(kind)
    return limit is not None and (media.url or media.id) is not None and limit.takes(media.mime, media.size_bytes)


def _as_kind(content: MediaContent, kind: str, caption: str) -> Content:
    if isinstance(content, StickerContent):
        return content if kind == "sticker" else FileContent(media=content.media)
    if kind == content.type:
        return content.model_copy(update={"caption": caption or None})
    return FileContent(media=content.media, caption=caption or None)


def _pointer(content: MediaContent) -> str:
    """Where the piece can be looked at; where nobody can, what it is."""
    emoji = content.emoji if isinstance(content, StickerContent) else None
    return emoji or content.media.url or content.media.filename or f"[{content.type}]"


def _place(content: LocationContent) -> str:
    latitude, longitude = degrees(content.latitude), degrees(content.longitude)
    link = f"https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}"
    return "\n".join(filter(None, (content.name, content.address, link)))


def degrees(value: float) -> str:
    """Degrees with all that a place needs (7 digits are a centimetre) and no more."""
    return f"{value:.7f}".rstrip("0").rstrip(".")


def _contact(contact: Contact) -> str:
    return "\n".join([contact.name, *contact.phones, *contact.emails])
