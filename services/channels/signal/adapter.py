"""The channel adapter of Signal through the REST gateway signal-cli-rest-api."""

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel

from m2n.adapters.capabilities import MIB, Capabilities, MediaLimit, OptOut, Rate
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
from m2n.message import Media, Outbound, ReceiptStatus
from m2n.splitting import utf8_bytes
from m2n.tenant import Connection
from services.channels.signal.content import MAX_BODY
from services.channels.signal.errors import outcome
from services.channels.signal.gateway import address, headers
from services.channels.signal.parse import CHANNEL, Place, parse
from services.channels.signal.render import calls, signal_calls
from services.channels.signal.settings import SignalSettings
from services.channels.signal.verify import PATH_SECRET, is_genuine

TAKEN = Acknowledgement(status=200)
"""The gateway takes 200 and 201 for success, and any other 2xx for a failure."""
_FILE = MediaLimit(150 * MIB)
_KINDS = ("image", "audio", "video", "file")
_ATTACHMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")


class SignalChannel(ChannelDefaults):
    name: str = CHANNEL
    settings: type[BaseModel] = SignalSettings
    secrets: tuple[str, ...] = (PATH_SECRET,)
    capabilities = Capabilities(
        text=MAX_BODY,
        measure=utf8_bytes,
        media=dict.fromkeys(_KINDS, _FILE),
        captions=dict.fromkeys(_KINDS, MAX_BODY),
        needs_files=True,
        received=dict.fromkeys(_KINDS, _FILE),
        reaction=True,
        edit=True,
        delete=True,
        signals=frozenset({"typing", "read"}),
        receipts=frozenset({ReceiptStatus.DELIVERED, ReceiptStatus.READ}),
        receipts_by_vendor_id=True,
        opt_out=OptOut.OURS,
        # Signal publishes no limit and answers too much with a captcha that a person has to solve: be modest.
        rate=Rate(per_s=1, burst=10),
    )

    def verify(self, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str]) -> bool:
        return is_genuine(request, secrets.get(PATH_SECRET, ""), _settings(connection))

    def parse(self, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        return parse(request.body, _settings(connection).number, Place(tenant, connection.id, received_at))

    def acknowledge(self, parsed: Parsed) -> Acknowledgement:
        return TAKEN

    def render(self, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        return calls(message, context, _settings(context.connection))

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        return outcome(status, headers, body)

    def media_call(self, media: Media, connection: Connection, secrets: Mapping[str, str]) -> MediaCall:
        """A sticker is named by its pack, and the gateway has no call that gives its picture."""
        if not _ATTACHMENT.fullmatch(media.vendor_id or ""):
            raise NoMedia("the gateway has no file of that id")
        path = f"/v1/attachments/{quote(media.vendor_id or '', safe='')}"
        return MediaCall(address(_settings(connection), path), headers(secrets))

    def signal(self, signal: Signal, context: SendContext) -> tuple[VendorCall, ...]:
        return signal_calls(signal, context, _settings(context.connection))


def _settings(connection: Connection) -> SignalSettings:
    return SignalSettings.model_validate(connection.settings)


channel: Channel = SignalChannel()
