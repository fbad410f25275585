"""Outbound messages as the fields of Twilio's send calls."""

from m2n.adapters.degradation import degrees
from m2n.message import (
    AudioContent,
    Content,
    FileContent,
    ImageContent,
    LocationContent,
    StickerContent,
    TemplateContent,
    TextContent,
    VideoContent,
)
from m2n.splitting import split_text
from services.channels.twilio_core.sending import MAX_BODY, Form, media_form, template_form


def forms(content: Content) -> tuple[Form, ...]:
    """The fields of each message that shows the content, in order. Raises ValueError for what cannot be shown."""
    match content:
        case TextContent():
            return ([("Body", content.text)],)
        case TemplateContent():
            return (template_form(content),)
        case LocationContent():
            return _location(content)
        case ImageContent() | VideoContent():
            return (media_form(content.media, content.caption or ""),)
        case AudioContent() | FileContent() | StickerContent():
            return (media_form(content.media),)
    raise ValueError(f"{content.type}: WhatsApp through Twilio has no such message")


def _location(content: LocationContent) -> tuple[Form, ...]:
    """A pin: Twilio wants the name as body, and the address as the pin's label."""
    place = f"{degrees(content.latitude)},{degrees(content.longitude)}"
    name, *more = split_text(content.name or content.address or place, MAX_BODY) or (place,)
    label = (content.address or content.name or "").replace("|", " ")
    action = f"geo:{place}|{label}" if label else f"geo:{place}"
    return ([("Body", name), ("PersistentAction", action)], *([("Body", part)] for part in more))
