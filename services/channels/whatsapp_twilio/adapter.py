"""The channel adapter of WhatsApp through Twilio."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel

from m2n.adapters.channel import Acknowledgement, CallOutcome, Channel, Parsed, VendorCall, WebhookRequest
from m2n.message import Outbound
from m2n.tenant import Connection
from services.channels.twilio_core.errors import outcome
from services.channels.twilio_core.sending import message_call
from services.channels.twilio_core.signature import is_genuine
from services.channels.whatsapp_twilio.parse import CHANNEL, parse
from services.channels.whatsapp_twilio.render import forms
from services.channels.whatsapp_twilio.settings import WhatsAppSettings

AUTH_TOKEN = "auth-token"  # noqa: S105 - the secret's name
NO_REPLY = Acknowledgement(body="<Response/>", media_type="text/xml")
"""TwiML that answers nothing: replies go out through the send API."""


class WhatsAppTwilio:
    name: str = CHANNEL
    settings: type[BaseModel] = WhatsAppSettings
    secrets: tuple[str, ...] = (AUTH_TOKEN,)

    def verify(self, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str]) -> bool:
        return is_genuine(request, secrets.get(AUTH_TOKEN, ""), _settings(connection).public_url)

    def parse(self, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        return parse(request, tenant, connection.id, _settings(connection), received_at)

    def acknowledge(self, parsed: Parsed) -> Acknowledgement:
        return NO_REPLY

    def render(
        self, message: Outbound, connection: Connection, secrets: Mapping[str, str], callback_url: str
    ) -> tuple[VendorCall, ...]:
        settings, token = _settings(connection), secrets[AUTH_TOKEN]
        common = [("To", message.address.to), ("From", settings.sender), ("StatusCallback", callback_url)]
        return tuple(
            message_call(settings.base_url, settings.account_sid, token, [*common, *form])
            for form in forms(message.content)
        )

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        return outcome(status, headers, body)


def _settings(connection: Connection) -> WhatsAppSettings:
    return WhatsAppSettings.model_validate(connection.settings)


channel: Channel = WhatsAppTwilio()
