"""The channel adapter of WhatsApp through Twilio."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import BaseModel

from m2n.adapters.capabilities import Capabilities
from m2n.adapters.channel import (
    Acknowledgement,
    CallOutcome,
    Channel,
    ChannelDefaults,
    MediaCall,
    Parsed,
    SendContext,
    Signal,
    VendorCall,
    WebhookRequest,
)
from m2n.message import Author, Media, Outbound, TypingContent
from m2n.tenant import Connection
from services.channels.twilio_core.errors import outcome
from services.channels.twilio_core.media import media_call
from services.channels.twilio_core.sending import NO_REPLY, message_call
from services.channels.twilio_core.settings import AUTH_TOKEN
from services.channels.twilio_core.signature import is_genuine
from services.channels.whatsapp_twilio.capabilities import CAPABILITIES
from services.channels.whatsapp_twilio.parse import CHANNEL, parse
from services.channels.whatsapp_twilio.render import forms
from services.channels.whatsapp_twilio.settings import WhatsAppSettings
from services.channels.whatsapp_twilio.signals import indicator_call

WINDOW = timedelta(hours=24)
"""Free text is taken for so long after the customer's last message."""


class WhatsAppTwilio(ChannelDefaults):
    name: str = CHANNEL
    settings: type[BaseModel] = WhatsAppSettings
    secrets: tuple[str, ...] = (AUTH_TOKEN,)
    capabilities: Capabilities = CAPABILITIES

    def verify(self, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str]) -> bool:
        return is_genuine(request, secrets.get(AUTH_TOKEN, ""), _settings(connection).public_url)

    def parse(self, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        return parse(request, tenant, connection.id, _settings(connection), received_at)

    def acknowledge(self, parsed: Parsed) -> Acknowledgement:
        return NO_REPLY

    def render(self, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        settings, token, content = _settings(context.connection), context.secrets[AUTH_TOKEN], message.content
        if isinstance(content, TypingContent):
            return self._indicator(message.reply_to if content.on else None, context)
        common = [("To", message.address.to), ("From", settings.sender), ("StatusCallback", context.callback_url)]
        return tuple(
            message_call(settings.base_url, settings.account_sid, token, [*common, *form]) for form in forms(content)
        )

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        return outcome(status, headers, body)

    def reply_window(self, author: Author, connection: Connection) -> timedelta | None:
        return WINDOW

    def media_call(self, media: Media, connection: Connection, secrets: Mapping[str, str]) -> MediaCall:
        return media_call(media, _settings(connection), secrets[AUTH_TOKEN])

    def signal(self, signal: Signal, context: SendContext) -> tuple[VendorCall, ...]:
        return self._indicator(signal.vendor_message_id, context)

    def _indicator(self, vendor_message_id: str | None, context: SendContext) -> tuple[VendorCall, ...]:
        """None without a message of the customer's: Twilio shows it at one."""
        if vendor_message_id is None:
            return ()
        return (indicator_call(_settings(context.connection), context.secrets[AUTH_TOKEN], vendor_message_id),)


def _settings(connection: Connection) -> WhatsAppSettings:
    return WhatsAppSettings.model_validate(connection.settings)


channel: Channel = WhatsAppTwilio()
"""WhatsApp through Twilio."""
