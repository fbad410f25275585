"""The channel adapter of SMS through Twilio."""

from collections.abc import Mapping
from datetime import datetime

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
    VendorCall,
    WebhookRequest,
)
from m2n.message import Media, Outbound
from m2n.tenant import Connection
from services.channels.sms.capabilities import CAPABILITIES
from services.channels.sms.parse import CHANNEL, parse
from services.channels.sms.render import forms, sender_form
from services.channels.sms.settings import SmsSettings
from services.channels.twilio_core.errors import outcome
from services.channels.twilio_core.media import media_call
from services.channels.twilio_core.sending import NO_REPLY, message_call
from services.channels.twilio_core.settings import AUTH_TOKEN
from services.channels.twilio_core.signature import is_genuine


class Sms(ChannelDefaults):
    name: str = CHANNEL
    settings: type[BaseModel] = SmsSettings
    secrets: tuple[str, ...] = (AUTH_TOKEN,)
    capabilities: Capabilities = CAPABILITIES

    def verify(self, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str]) -> bool:
        return is_genuine(request, secrets.get(AUTH_TOKEN, ""), _settings(connection).public_url)

    def parse(self, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        return parse(request, tenant, connection.id, _settings(connection), received_at)

    def acknowledge(self, parsed: Parsed) -> Acknowledgement:
        return NO_REPLY

    def render(self, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        settings, token = _settings(context.connection), context.secrets[AUTH_TOKEN]
        common = [("To", message.address.to), *sender_form(settings), ("StatusCallback", context.callback_url)]
        return tuple(
            message_call(settings.base_url, settings.account_sid, token, [*common, *form])
            for form in forms(message.content, settings)
        )

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        return outcome(status, headers, body)

    def media_call(self, media: Media, connection: Connection, secrets: Mapping[str, str]) -> MediaCall:
        return media_call(media, _settings(connection), secrets[AUTH_TOKEN])


def _settings(connection: Connection) -> SmsSettings:
    return SmsSettings.model_validate(connection.settings)


channel: Channel = Sms()
"""SMS through Twilio."""
