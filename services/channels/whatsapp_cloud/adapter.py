"""The channel adapter of WhatsApp through Meta's Cloud API."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import BaseModel

from m2n.adapters.capabilities import MIB, Capabilities, Choices, MediaLimit, OptOut, Rate
from m2n.adapters.channel import (
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
from m2n.message import Author, Media, Outbound, ReceiptStatus, TypingContent
from m2n.tenant import Connection
from services.channels.meta_core.handshake import is_genuine_handshake, is_handshake
from services.channels.meta_core.signature import is_genuine
from services.channels.whatsapp_cloud.calls import ACCESS_TOKEN, APP_SECRET, VERIFY_TOKEN, messages_call
from services.channels.whatsapp_cloud.errors import outcome
from services.channels.whatsapp_cloud.media import media_call
from services.channels.whatsapp_cloud.parse import CHANNEL, parse
from services.channels.whatsapp_cloud.render import message_body, message_id
from services.channels.whatsapp_cloud.settings import WhatsAppCloudSettings

WINDOW = timedelta(hours=24)
"""Free text is taken for so long after the customer's last message."""
MAX_TEXT, MAX_CHOICES_TEXT, MAX_CAPTION = 4096, 1024, 1024
KIB = 1024

SENT: Mapping[str, MediaLimit] = {
    "image": MediaLimit(5 * MIB, ("image/jpeg", "image/png")),
    "audio": MediaLimit(16 * MIB, ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg")),
    "video": MediaLimit(16 * MIB, ("video/mp4", "video/3gpp")),
    "file": MediaLimit(100 * MIB),
    "sticker": MediaLimit(100 * KIB, ("image/webp",)),
}
"""What Meta takes ("Media", supported types). A sticker that moves may have 500 KB, but a type does not tell."""
RECEIVED = dict.fromkeys(SENT, MediaLimit(100 * MIB))

CAN = Capabilities(
    text=MAX_TEXT,
    buttons=Choices(most=3, title=20, id=256, text=MAX_CHOICES_TEXT),
    list=Choices(most=10, title=24, id=200, description=72, text=MAX_CHOICES_TEXT),
    media=SENT,
    captions=dict.fromkeys(("image", "video", "file"), MAX_CAPTION),
    received=RECEIVED,
    location=True,
    contact_card=True,
    template=True,
    reaction=True,
    signals=frozenset({"typing", "read"}),
    receipts=frozenset(
        {ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.READ, ReceiptStatus.FAILED},
    ),
    opt_out=OptOut.OURS,
    rate=Rate(per_s=80, burst=80),
    pair_rate=Rate(per_s=1 / 6, burst=10),
)


class WhatsAppCloud(ChannelDefaults):
    name: str = CHANNEL
    settings: type[BaseModel] = WhatsAppCloudSettings
    secrets: tuple[str, ...] = (APP_SECRET, VERIFY_TOKEN, ACCESS_TOKEN)
    capabilities: Capabilities = CAN

    def verify(self, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str]) -> bool:
        if is_handshake(request):
            return is_genuine_handshake(request, secrets.get(VERIFY_TOKEN, ""))
        return is_genuine(request, secrets.get(APP_SECRET, ""))

    def parse(self, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        return parse(request, tenant, connection.id, _settings(connection), received_at)

    def render(self, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        """One call; of a typing sign one only if it names the message that is being answered."""
        if isinstance(message.content, TypingContent):
            shown = Signal("typing", message.address.to, message.reply_to)
            return self.signal(shown, context) if message.content.on else ()
        settings = _settings(context.connection)
        body = message_body(message, settings.template_language)
        return (messages_call(settings, context.secrets, body),)

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        return outcome(status, headers, body)

    def reply_window(self, author: Author, connection: Connection) -> timedelta | None:
        return WINDOW

    def media_call(self, media: Media, connection: Connection, secrets: Mapping[str, str]) -> MediaCall:
        return media_call(media, _settings(connection), secrets)

    def signal(self, signal: Signal, context: SendContext) -> tuple[VendorCall, ...]:
        """Both mark the customer's last message as read; who types is shown for at most 25 s."""
        if signal.vendor_message_id is None:
            return ()
        body: dict[str, object] = {"status": "read", "message_id": message_id(signal.vendor_message_id)}
        if signal.kind == "typing":
            body["typing_indicator"] = {"type": "text"}
        return (messages_call(_settings(context.connection), context.secrets, body, repeatable=True),)


def _settings(connection: Connection) -> WhatsAppCloudSettings:
    return WhatsAppCloudSettings.model_validate(connection.settings)


channel: Channel = WhatsAppCloud()
