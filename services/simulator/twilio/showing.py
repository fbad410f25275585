"""What a customer sees of a message of ours, in the ledger's shape for all channels."""

import re
from collections.abc import Sequence
from typing import Any

from services.simulator.twilio.message import Message
from services.simulator.twilio.numbers import Number
from services.simulator.twilio.sending import variables
from services.simulator.twilio.vendor import Template, Vendor
from services.simulator.vendors import PressedChoice, Said, facts

_NUMBERED = re.compile(r"\s*(\d{1,3})\. (.+)")
_PIN = re.compile(r"geo:(-?[0-9.]+),(-?[0-9.]+)(?:\|(.*))?", re.DOTALL)


def shown(vendor: Vendor, number: Number, message: Message, types: Sequence[str], *, seen: bool) -> dict[str, Any]:
    template = _template(vendor, message)
    pairs = list(zip(message.media, types, strict=False))
    return facts(
        number.line,
        message.sid,
        text=template.body if template else _text(message),
        pictures=[url for url, kind in pairs if kind.startswith("image/")],
        files=[url for url, kind in pairs if not kind.startswith("image/")],
        place=_place(message.action),
        choices=[*_offered(template)] if template else _numbered(message.body),
        seen=seen,
    )


def _template(vendor: Vendor, message: Message) -> Template | None:
    known = vendor.templates.get(message.content_sid or "")
    return known.filled(variables(message.content_variables or "{}") or {}) if known else None


def _text(message: Message) -> str:
    if message.content_sid:
        return f"Template {message.content_sid} {message.content_variables or ''}".strip()
    return message.body


def _offered(template: Template) -> list[dict[str, Any]]:
    buttons = [_choice(button, Said(choice=button)) for button in template.buttons]
    return buttons + [_choice(item, _list_pick(item)) for item in template.items]


def _list_pick(item: PressedChoice) -> Said:
    """Twilio names a list item otherwise than a button."""
    extra = {"MessageType": "interactive", "ListId": item.id, "ListTitle": item.title}
    return Said(text=item.title, extra=extra)


def _choice(choice: PressedChoice, says: Said) -> dict[str, Any]:
    return {"title": choice.title, "says": says.model_dump(exclude_defaults=True)}


def _numbered(text: str) -> list[dict[str, Any]]:
    """Numbered lines at the end of a text are offered answers; a customer answers with the number."""
    found: list[dict[str, Any]] = []
    for line in reversed(text.rstrip().splitlines()):
        numbered = _NUMBERED.fullmatch(line)
        if not numbered:
            break
        found.insert(0, {"title": numbered[2], "says": {"text": numbered[1]}})
    return found


def _place(action: str | None) -> dict[str, Any] | None:
    pin = _PIN.fullmatch(action or "")
    if pin is None:
        return None
    return {"latitude": float(pin[1]), "longitude": float(pin[2]), "label": pin[3] or ""}
