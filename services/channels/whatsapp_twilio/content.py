"""What a WhatsApp message through Twilio holds: one content, or one for each piece of media."""

from m2n.adapters.channel import MalformedWebhook
from m2n.message import ChoiceContent, Content, LocationContent, TextContent, UnsupportedContent
from services.channels.twilio_core.form import Fields, required
from services.channels.twilio_core.media import media_contents

_IN_WORDS = frozenset({"", "text", "button", "interactive"})
"""Message types whose ``Body`` is what the customer said. The empty one: older senders name no type."""


def contents(found: Fields) -> tuple[Content, ...]:
    """The contents of an inbound message, at least one. Raises MalformedWebhook."""
    if found.get("Latitude") and found.get("Longitude"):
        return (_location(found),)
    choice = _choice(found)
    if choice is not None:
        return (choice,)
    return media_contents(found, stickers=True) or (_words(found),)


def _words(found: Fields) -> Content:
    kind = found.get("MessageType", "")
    if kind in _IN_WORDS:
        return TextContent(text=found.get("Body", ""))
    return UnsupportedContent(vendor_type=kind[:512], raw_ref=required(found, "MessageSid"))


def _location(found: Fields) -> LocationContent:
    return LocationContent(
        latitude=_degrees(found, "Latitude"),
        longitude=_degrees(found, "Longitude"),
        name=found.get("Label") or None,
        address=found.get("Address") or None,
    )


def _degrees(found: Fields, name: str) -> float:
    try:
        return float(found[name])
    except ValueError:
        raise MalformedWebhook(f"{name}: expected degrees as a decimal number") from None


def _choice(found: Fields) -> ChoiceContent | None:
    """The button or list item picked; a button without a payload is known by its label."""
    for id_field, title_field in (("ButtonPayload", "ButtonText"), ("ListId", "ListTitle")):
        title = found.get(title_field) or found.get("Body", "")
        picked = found.get(id_field) or found.get(title_field)
        if picked:
            return ChoiceContent(id=picked, title=title or picked)
    return None
