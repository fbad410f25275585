"""How a message from the business looks to the customer, for the ledger and the page."""

from collections.abc import Sequence
from typing import Any

from services.simulator.vendors import facts
from services.simulator.whatsapp_cloud.numbers import Number
from services.simulator.whatsapp_cloud.requests import (
    InteractiveButtons,
    InteractiveList,
    Linked,
    Send,
)

Choice = dict[str, Any]


def shown(number: Number, send: Send, id_: str) -> dict[str, Any]:
    media: Linked | None = getattr(send, send.type) if send.type in _PIECES else None
    links = [media.link] if media else []
    looks = send.type in ("image", "sticker")
    return facts(
        number.line,
        id_,
        text=_text(send),
        pictures=links if looks else (),
        files=() if looks else links,
        place=_place(send),
        choices=_choices(send, id_),
        type=send.type,
        reply_to=send.context.message_id if send.context else None,
        template=send.template.name if send.template else None,
        reaction=send.reaction.model_dump() if send.reaction else None,
        reference=send.biz_opaque_callback_data,
    )


_PIECES = ("image", "video", "audio", "document", "sticker")


def _text(send: Send) -> str:
    if send.text:
        return send.text.body
    if send.interactive:
        return send.interactive.body.text
    if send.template:
        return f"Template {send.template.name}: {', '.join(send.template.variables)}".removesuffix(": ")
    if send.contacts:
        return "\n\n".join(
            "\n".join([card.name.formatted_name, *(p.phone for p in card.phones), *(e.email for e in card.emails)])
            for card in send.contacts
        )
    if send.reaction:
        return send.reaction.emoji
    captioned = send.image or send.video or send.document
    return (captioned.caption or "") if captioned else ""


def _place(send: Send) -> dict[str, Any] | None:
    if send.location is None:
        return None
    place = send.location
    return {
        "latitude": place.latitude,
        "longitude": place.longitude,
        "label": place.name or "",
        "address": place.address or "",
    }


def _choices(send: Send, id_: str) -> Sequence[Choice]:
    """What is offered, each with what the customer says by picking it."""
    match send.interactive:
        case InteractiveButtons(action=action):
            return [_choice(one.reply.id, one.reply.title, "button_reply", id_) for one in action.buttons]
        case InteractiveList(action=action):
            rows = [row for section in action.sections for row in section.rows]
            return [
                _choice(row.id, row.title, "list_reply", id_) | ({"hint": row.description} if row.description else {})
                for row in rows
            ]
    return ()


def _choice(id_: str, title: str, kind: str, offered_in: str) -> Choice:
    says = {"choice": {"id": id_, "title": title}, "reply_to": offered_in, "extra": {"kind": kind}}
    return {"title": title, "says": says}
