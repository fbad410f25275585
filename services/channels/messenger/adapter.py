"""The channel adapter of Facebook Messenger."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import BaseModel

from m2n.adapters.capabilities import MIB, Capabilities, Choices, MediaLimit, OptOut, Rate
from m2n.adapters.channel import (
    Acknowledgement,
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
from m2n.message import Author, Media, Outbound, ReceiptStatus
from m2n.tenant import Connection
from services.channels.messenger.errors import outcome
from services.channels.messenger.parse import CHANNEL, parse
from services.channels.messenger.render import (
    APP_SECRET,
    HUMAN_AGENT_WINDOW,
    PAGE_TOKEN,
    VERIFY_TOKEN,
    WINDOW,
    call,
    rendered,
    sender_action,
)
from services.channels.messenger.settings import MessengerSettings
from services.channels.messenger.source import Source
from services.channels.meta_core.handshake import challenge, is_genuine_handshake, is_handshake
from services.channels.meta_core.signature import is_genuine

MAX_TEXT = 2000
RECEIVED = Acknowledgement(body="EVENT_RECEIVED")
_IMAGE, _ATTACHMENT = MediaLimit(8 * MIB, ("image/",)), MediaLimit(25 * MIB)
CAN = Capabilities(
    text=MAX_TEXT,
    buttons=Choices(most=13, title=20, id=1000, text=MAX_TEXT),
    media={
        "image": _IMAGE,
        "sticker": _IMAGE,
        "audio": MediaLimit(25 * MIB, ("audio/",)),
        "video": MediaLimit(25 * MIB, ("video/",)),
        "file": _ATTACHMENT,
    },
    received=dict.fromkeys(("image", "audio", "video", "file", "sticker"), _ATTACHMENT),
    template=True,
    reaction=True,
    signals=frozenset({"typing", "read"}),
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.READ}),
    receipts_by_vendor_id=True,
    opt_out=OptOut.OURS,
    rate=Rate(per_s=300, burst=300),
)


class Messenger(ChannelDefaults):
    name: str = CHANNEL
    settings: type[BaseModel] = MessengerSettings
    secrets: tuple[str, ...] = (APP_SECRET, VERIFY_TOKEN, PAGE_TOKEN)
    capabilities: Capabilities = CAN

    def verify(self, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str]) -> bool:
        """A webhook is signed with the app's secret; the handshake knows the verify token."""
        if is_handshake(request):
            return is_genuine_handshake(request, secrets.get(VERIFY_TOKEN, ""))
        return is_genuine(request, secrets.get(APP_SECRET, ""))

    def parse(self, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        if is_handshake(request):
            return Parsed(answer=challenge(request))
        settings = _settings(connection)
        return parse(request.body, Source(tenant, connection.id, settings.page_id, settings.app_id, received_at))

    def acknowledge(self, parsed: Parsed) -> Acknowledgement:
        return RECEIVED

    def render(self, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        return (rendered(message, context),)

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        return outcome(status, headers, body)

    def reply_window(self, author: Author, connection: Connection) -> timedelta | None:
        """24 hours; 7 days for people, where the app may send as a human agent."""
        as_person = author is Author.AGENT and _settings(connection).human_agent
        return HUMAN_AGENT_WINDOW if as_person else WINDOW

    def media_call(self, media: Media, connection: Connection, secrets: Mapping[str, str]) -> MediaCall:
        """Messenger's links are signed and open to anybody who has them, for a while: they get no credentials."""
        if not (media.url or "").startswith(("https://", "http://")):
            raise NoMedia("media.url: expected an http address")
        return MediaCall(url=media.url or "")

    def signal(self, signal: Signal, context: SendContext) -> tuple[VendorCall, ...]:
        action = sender_action("typing_on" if signal.kind == "typing" else "mark_seen")
        return (call(signal.to, action, context, repeatable=True),)


def _settings(connection: Connection) -> MessengerSettings:
    return MessengerSettings.model_validate(connection.settings)


channel: Channel = Messenger()
