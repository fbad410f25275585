"""Outbound messages as the fields of Twilio's send calls."""

from m2n.adapters.capabilities import Capabilities
from m2n.adapters.degradation import degraded
from m2n.message import (
    AudioContent,
    Content,
    FileContent,
    ImageContent,
    TemplateContent,
    TextContent,
    VideoContent,
)
from services.channels.sms.capabilities import CAPABILITIES
from services.channels.sms.segments import split
from services.channels.sms.settings import SmsSettings
from services.channels.twilio_core.sending import Form, media_form, template_form

_WORDS_ONLY = Capabilities(text=CAPABILITIES.text, measure=CAPABILITIES.measure)


def forms(content: Content, settings: SmsSettings) -> tuple[Form, ...]:
    """The fields of each message that shows the content, in order. Raises ValueError for what cannot be shown."""
    match content:
        case TextContent():
            return tuple([("Body", part)] for part in split(content.text, settings.max_segments))
        case TemplateContent():
            return (template_form(content),)
        case ImageContent() | AudioContent() | VideoContent() | FileContent():
            if settings.sends_media:
                return (media_form(content.media, content.caption or ""),)
            return tuple(form for part in degraded(content, _WORDS_ONLY) for form in forms(part, settings))
    raise ValueError(f"{content.type}: SMS has no such message")


def sender_form(settings: SmsSettings) -> Form:
    """Who sends it: a number of the account's, a messaging service, or one of the service's numbers."""
    named = (("From", settings.sender), ("MessagingServiceSid", settings.messaging_service_sid))
    form = [(name, value) for name, value in named if value is not None]
    return [*form, ("SmartEncoded", "true")] if settings.smart_encoding else form
