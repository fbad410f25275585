"""What a message holds, by its type: one content, or several where it is more than one content can carry."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from m2n.adapters.channel import MalformedWebhook, explained
from m2n.message import (
    MAX_TEXT,
    AudioContent,
    ChoiceContent,
    Contact,
    ContactCardContent,
    Content,
    DeleteContent,
    EditContent,
    FileContent,
    ImageContent,
    LocationContent,
    Media,
    ReactionContent,
    StickerContent,
    TextContent,
    UnsupportedContent,
    VideoContent,
)
from services.channels.whatsapp_cloud.shapes import (
    Card,
    Edited,
    FlowAnswer,
    Interactive,
    Order,
    OrderItem,
    Piece,
    Place,
    Pressed,
    Reacted,
    Revoked,
    Words,
)

CARDS = 50
"""So many contact cards one content carries; what is above becomes further messages."""
MAX_NAME = 512
FLOW_TOKEN = "flow_token"  # noqa: S105 - the name of a field of Meta's
_CARDS = TypeAdapter(tuple[Card, ...])

Raw = Mapping[str, Any]


def contents(message: Raw, kind: str, id_: str, *, failed: bool = False) -> tuple[Content, ...]:
    """The contents of a message of that type, at least one.

    ``failed``: Meta says that it could not pass the message on as it is. Raises MalformedWebhook.
    """
    reader = _READERS.get(kind)
    if reader is None or (failed and kind not in message):
        return (UnsupportedContent(vendor_type=kind[:MAX_NAME], raw_ref=id_),)
    if kind not in message:
        raise MalformedWebhook(f"{kind}: expected what the message's type names")
    try:
        found = reader(message[kind])
    except ValidationError as invalid:
        raise MalformedWebhook(explained(invalid, kind)) from None
    if found is None:
        return (UnsupportedContent(vendor_type=_kind_within(message[kind], kind), raw_ref=id_),)
    return found if isinstance(found, tuple) else (found,)


def _kind_within(value: Any, kind: str) -> str:
    """``interactive.<its own type>``: what it was that is not known here."""
    inner = value.get("type") if isinstance(value, dict) else None
    return f"{kind}.{inner}"[:MAX_NAME] if isinstance(inner, str) else kind


def _text(value: Any) -> Content:
    return TextContent(text=Words.model_validate(value).body)


def _media(piece: Piece) -> Media:
    return Media(
        vendor_id=piece.id,
        mime=piece.mime_type,
        filename=(piece.filename or "")[:MAX_NAME] or None,
        sha256=piece.sha256,
        voice=piece.voice,
    )


def _image(value: Any) -> Content:
    piece = Piece.model_validate(value)
    return ImageContent(media=_media(piece), caption=piece.caption)


def _video(value: Any) -> Content:
    piece = Piece.model_validate(value)
    return VideoContent(media=_media(piece), caption=piece.caption)


def _document(value: Any) -> Content:
    piece = Piece.model_validate(value)
    return FileContent(media=_media(piece), caption=piece.caption)


def _audio(value: Any) -> Content:
    return AudioContent(media=_media(Piece.model_validate(value)))


def _sticker(value: Any) -> Content:
    return StickerContent(media=_media(Piece.model_validate(value)))


def _location(value: Any) -> Content:
    return LocationContent(**Place.model_validate(value).model_dump())


def _contacts(value: Any) -> tuple[Content, ...]:
    cards = [_contact(card) for card in _CARDS.validate_python(value)]
    if not cards:
        raise MalformedWebhook("contacts: expected at least one")
    starts = range(0, len(cards), CARDS)
    return tuple(ContactCardContent(contacts=tuple(cards[start : start + CARDS])) for start in starts)


def _contact(card: Card) -> Contact:
    phones = tuple(number[:MAX_NAME] for one in card.phones if (number := one.phone or one.wa_id))
    emails = tuple(one.email[:MAX_NAME] for one in card.emails if one.email)
    name = card.name.formatted_name or card.name.first_name or next(iter((*phones, *emails)), "")
    return Contact(name=name[:MAX_NAME], phones=phones, emails=emails)


def _reaction(value: Any) -> Content:
    reacted = Reacted.model_validate(value)
    return ReactionContent(target=reacted.message_id, emoji=reacted.emoji or None)


def _button(value: Any) -> Content:
    pressed = Pressed.model_validate(value)
    return ChoiceContent(id=pressed.payload or pressed.text[:MAX_NAME], title=pressed.text)


def _interactive(value: Any) -> Content | None:
    answer = Interactive.model_validate(value)
    picked = answer.button_reply or answer.list_reply
    if picked is not None:
        return ChoiceContent(id=picked.id, title=picked.title)
    return _flow(answer.nfm_reply) if answer.nfm_reply is not None else None


def _flow(answer: FlowAnswer) -> Content:
    """A completed form as lines of name and value, for engines and people alike; as it is, if it is no object."""
    try:
        fields = orjson.loads(answer.response_json)
        lines = [f"{name}: {_plain(value)}" for name, value in fields.items() if name != FLOW_TOKEN]
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, AttributeError):
        return TextContent(text=answer.response_json)
    return TextContent(text="\n".join(lines) or answer.body)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _order(value: Any) -> Content:
    order = Order.model_validate(value)
    return TextContent(text="\n".join(_order_lines(order))[:MAX_TEXT])


def _order_lines(order: Order) -> Iterator[str]:
    if order.text:
        yield order.text
    yield from map(_order_line, order.product_items)


def _order_line(item: OrderItem) -> str:
    price = "" if item.item_price is None else f" ({item.item_price:.15g} {item.currency}".rstrip() + ")"
    return f"{item.quantity:.15g} × {item.product_retailer_id}{price}"


def _revoke(value: Any) -> Content:
    return DeleteContent(target=Revoked.model_validate(value).original_message_id)


def _edit(value: Any) -> Content | None:
    """The new text, or the new caption of what has one."""
    edited = Edited.model_validate(value)
    kind = edited.message.get("type")
    if kind == "text":
        text = Words.model_validate(edited.message.get("text")).body
    elif kind in ("image", "video", "document"):
        text = Piece.model_validate(edited.message.get(kind)).caption or ""
    else:
        return None
    return EditContent(target=edited.original_message_id, text=text)


_READERS: Mapping[str, Callable[[Any], Content | tuple[Content, ...] | None]] = {
    "text": _text,
    "image": _image,
    "video": _video,
    "document": _document,
    "audio": _audio,
    "sticker": _sticker,
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "button": _button,
    "interactive": _interactive,
    "order": _order,
    "revoke": _revoke,
    "edit": _edit,
}
