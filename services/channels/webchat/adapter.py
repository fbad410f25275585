"""The channel adapter of web chat."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit

from pydantic import BaseModel

from m2n.adapters.capabilities import Capabilities, Choices, MediaLimit
from m2n.adapters.channel import (
    Accepted,
    Acknowledgement,
    CallOutcome,
    Channel,
    ChannelDefaults,
    MalformedWebhook,
    Parsed,
    Refused,
    Retry,
    SendContext,
    Signal,
    VendorCall,
    WebhookRequest,
)
from m2n.clock import Clock, now
from m2n.media import MAX_BYTES
from m2n.message import MAX_TEXT, Author, Outbound, TypingContent, VendorError
from m2n.serialization import to_json
from m2n.tenant import Connection
from services.channels.webchat.attachments import is_genuine
from services.channels.webchat.browser import SignalBody, Typing, shown
from services.channels.webchat.origins import is_allowed
from services.channels.webchat.parse import CHANNEL, SEEN, attachment_ticket, parse
from services.channels.webchat.settings import WebChatSettings
from services.channels.webchat.tokens import SIGNING_KEY, bearer, check, claimed

ACCEPTED = Acknowledgement(body='{"status":"accepted"}', media_type="application/json")

_BUTTONS = Choices(most=20, title=512, id=2048, text=MAX_TEXT)
_LIST = Choices(most=100, title=512, id=2048, description=MAX_TEXT, text=MAX_TEXT)
_MEDIA = MediaLimit(MAX_BYTES)
_KINDS = ("image", "audio", "video", "file", "sticker")


CAN = Capabilities(
    text=MAX_TEXT,
    buttons=_BUTTONS,
    list=_LIST,
    media=dict.fromkeys(_KINDS, _MEDIA),
    captions=dict.fromkeys(_KINDS, MAX_TEXT),
    location=True,
    contact_card=True,
    signals=frozenset({"typing", "read"}),
    receipts=SEEN,
)


@dataclass
class WebChat(ChannelDefaults):
    clock: Clock = now
    name: str = CHANNEL
    settings: type[BaseModel] = WebChatSettings
    secrets: tuple[str, ...] = (SIGNING_KEY,)
    capabilities: Capabilities = CAN

    def verify(self, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str]) -> bool:
        """A visitor's token that has not run out, from a page of an allowed site, and no file but the visitor's own."""
        key = secrets.get(SIGNING_KEY, "")
        allowed = WebChatSettings.model_validate(connection.settings).allowed_origins
        headers = {"host": urlsplit(request.url).netloc, **request.headers}
        token = bearer(request.headers)
        visitor = check(token, connection.id, key, self.clock())
        if visitor is None or not is_allowed(headers, allowed):
            return False
        ticket = attachment_ticket(request.body)
        return ticket is None or is_genuine(ticket, connection.id, visitor.id, key)

    def parse(self, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        visitor = claimed(bearer(request.headers))
        if visitor is None:
            raise MalformedWebhook("authorization: expected 'Bearer ' and the visitor's token")
        users = WebChatSettings.model_validate(connection.settings).users
        return parse(request.body, visitor, tenant, connection.id, users, received_at)

    def acknowledge(self, parsed: Parsed) -> Acknowledgement:
        return ACCEPTED

    def render(self, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        """One call that puts the message into the visitor's inbox, which takes each id once."""
        if isinstance(message.content, TypingContent):
            typing = Typing(on=message.content.on, author=message.author, author_name=message.author_name)
            return (_call(context, message.address.to, "signals", SignalBody(typing=typing)),)
        return (_call(context, message.address.to, "messages", shown(message)),)

    def signal(self, signal: Signal, context: SendContext) -> tuple[VendorCall, ...]:
        """Typing is shown for a while and kept nowhere; what was read is remembered."""
        if signal.kind == "typing":
            author = Author.AGENT if signal.author_name else Author.BOT
            typing = Typing(author=author, author_name=signal.author_name)
            return (_call(context, signal.to, "signals", SignalBody(typing=typing)),)
        if signal.vendor_message_id is None:
            return ()
        return (_call(context, signal.to, "signals", SignalBody(read=signal.vendor_message_id)),)

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        """2xx: in the inbox. 4xx: it never will be. Anything else: try again, the inbox takes each id once."""
        if 200 <= status < 300:
            return Accepted(None)
        error = VendorError(code=f"http_{status}", reason=f"the web chat inbox answered {status}")
        if 400 <= status < 500 and status not in (408, 429):
            return Refused(error)
        return Retry(error, _seconds(headers))


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Of Retry-After, whatever the spelling of its name; None where it is no number of seconds."""
    told = next((value.strip() for name, value in headers.items() if name.lower() == "retry-after"), "")
    return float(told) if told.isascii() and told.isdigit() and len(told) <= 6 else None


def _call(context: SendContext, visitor: str, what: str, body: BaseModel) -> VendorCall:
    return VendorCall(
        method="POST",
        url=f"/internal/webchat/{context.connection.id}/visitors/{quote(visitor, safe='')}/{what}",
        headers={"content-type": "application/json"},
        json=to_json(body),
        app_id="webhooks",
        repeatable=True,
    )


channel: Channel = WebChat()
