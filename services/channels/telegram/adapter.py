"""The channel adapter of Telegram."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel

from m2n.adapters.capabilities import MIB, Capabilities, Choices, MediaLimit, OptOut, Rate
from m2n.adapters.channel import (
    CallOutcome,
    Channel,
    ChannelDefaults,
    MediaCall,
    NoMedia,
    Parsed,
    SendContext,
    Signal,
    VendorCall,
    WebhookRequest,
)
from m2n.message import Media, Outbound
from m2n.splitting import utf16_units
from m2n.tenant import Connection
from services.channels.telegram.errors import outcome
from services.channels.telegram.media import media_call
from services.channels.telegram.parse import CHANNEL, parse
from services.channels.telegram.render import MAX_CAPTION, MAX_TEXT, TYPING, call, chat_number, methods
from services.channels.telegram.settings import BOT_TOKEN, SECRET_TOKEN, TelegramSettings, settings_of
from services.channels.telegram.verify import is_genuine

MB = 1_000_000
_FETCHED = MediaLimit(20 * MIB)
"""``getFile`` offers no larger files."""

CAN = Capabilities(
    text=MAX_TEXT,
    measure=utf16_units,
    buttons=Choices(most=20, title=64, id=64, text=MAX_TEXT),
    list=Choices(most=20, title=64, id=64, description=72, text=1024),
    # By address Telegram takes these types and sizes only (Bot API, "Sending files").
    media={
        "image": MediaLimit(5 * MB, ("image/jpeg", "image/png", "image/webp")),
        "audio": MediaLimit(20 * MB, ("audio/mpeg", "audio/mp4", "audio/m4a", "audio/x-m4a", "audio/ogg")),
        "video": MediaLimit(20 * MB, ("video/mp4",)),
        "file": MediaLimit(20 * MB, ("application/pdf", "application/zip", "image/gif")),
        "sticker": MediaLimit(512 * 1024, ("image/webp",)),
    },
    captions=dict.fromkeys(("image", "audio", "video", "file"), MAX_CAPTION),
    received=dict.fromkeys(("image", "audio", "video", "file", "sticker"), _FETCHED),
    location=True,
    contact_card=True,
    reaction=True,
    edit=True,
    delete=True,
    signals=frozenset({"typing"}),
    opt_out=OptOut.OURS,
    # About 30 messages a second of a bot, one a second to a chat; short bursts are let through (Bots FAQ).
    rate=Rate(per_s=30, burst=30),
    pair_rate=Rate(per_s=1, burst=3),
)


class Telegram(ChannelDefaults):
    name: str = CHANNEL
    settings: type[BaseModel] = TelegramSettings
    secrets: tuple[str, ...] = (BOT_TOKEN, SECRET_TOKEN)
    capabilities: Capabilities = CAN

    def verify(self, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str]) -> bool:
        return is_genuine(request, secrets.get(SECRET_TOKEN, ""))

    def parse(self, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        return parse(request, tenant, connection.id, received_at)

    def render(self, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        return tuple(_call(context, name, arguments) for name, arguments in methods(message))

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        return outcome(status, headers, body)

    def media_call(self, media: Media, connection: Connection, secrets: Mapping[str, str]) -> MediaCall:
        if not media.vendor_id:
            raise NoMedia("vendor_id: expected Telegram's id of the file")
        return media_call(settings_of(connection).base_url, secrets[BOT_TOKEN], media.vendor_id)

    def signal(self, signal: Signal, context: SendContext) -> tuple[VendorCall, ...]:
        """``typing`` shows for five seconds or until a message comes; Telegram has no ``read`` of a bot."""
        if signal.kind != "typing":
            return ()
        name, arguments = TYPING
        return (_call(context, name, {"chat_id": chat_number(signal.to)} | arguments),)


def _call(context: SendContext, method: str, arguments: Mapping[str, object]) -> VendorCall:
    return call(settings_of(context.connection).base_url, context.secrets[BOT_TOKEN], method, arguments)


channel: Channel = Telegram()
