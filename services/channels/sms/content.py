"""What an SMS or MMS through Twilio holds: its words, or one content for each piece of media."""

from m2n.message import Content, TextContent, UnsupportedContent
from services.channels.twilio_core.form import Fields, required
from services.channels.twilio_core.media import media_contents

_PLAIN = frozenset({"", "text", "sms", "mms"})


def contents(found: Fields) -> tuple[Content, ...]:
    """The contents of an inbound message, at least one. Raises MalformedWebhook.

    Twilio names no type for SMS. Should it name one that is not known here, words are words all the same.
    """
    return media_contents(found) or (_words(found),)


def _words(found: Fields) -> Content:
    words, kind = found.get("Body", ""), found.get("MessageType", "")
    if words or kind in _PLAIN:
        return TextContent(text=words)
    return UnsupportedContent(vendor_type=kind[:512], raw_ref=required(found, "MessageSid"))
