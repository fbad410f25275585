"""The channel adapter of web chat."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit

from pydantic import BaseModel

from m2n.adapters.channel import (
    Accepted,
    Acknowledgement,
    CallOutcome,
    Channel,
    MalformedWebhook,
    Parsed,
    Refused,
    Retry,
    VendorCall,
    WebhookRequest,
)
from m2n.clock import Clock, now
from m2n.message import Outbound, VendorError
from m2n.serialization import to_json
from m2n.tenant import Connection
from services.channels.webchat.browser import shown
from services.channels.webchat.origins import is_allowed
from services.channels.webchat.parse import CHANNEL, parse
from services.channels.webchat.settings import WebChatSettings
from services.channels.webchat.tokens import SIGNING_KEY, bearer, check, claimed

ACCEPTED = Acknowledgement(body='{"status":"accepted"}', media_type="application/json")
_NOT_SHOWN = frozenset({"typing", "unsupported"})


@dataclass
class WebChat:
    clock: Clock = now
    name: str = CHANNEL
    settings: type[BaseModel] = WebChatSettings
    secrets: tuple[str, ...] = (SIGNING_KEY,)

    def verify(self, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str]) -> bool:
        """A visitor's token that has not run out, from a page of an allowed site."""
        allowed = WebChatSettings.model_validate(connection.settings).allowed_origins
        headers = {"host": urlsplit(request.url).netloc, **request.headers}
        token = bearer(request.headers)
        visitor = check(token, connection.id, secrets.get(SIGNING_KEY, ""), self.clock())
        return visitor is not None and is_allowed(headers, allowed)

    def parse(self, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        visitor = claimed(bearer(request.headers))
        if visitor is None:
            raise MalformedWebhook("authorization: expected 'Bearer ' and the visitor's token")
        return Parsed(messages=(parse(request.body, visitor.id, tenant, connection.id, received_at),))

    def acknowledge(self, parsed: Parsed) -> Acknowledgement:
        return ACCEPTED

    def render(
        self, message: Outbound, connection: Connection, secrets: Mapping[str, str], callback_url: str
    ) -> tuple[VendorCall, ...]:
        """One call that puts the message into the visitor's inbox, which takes each id once."""
        if message.content.type in _NOT_SHOWN:
            return ()
        visitor = quote(message.address.to, safe="")
        call = VendorCall(
            method="POST",
            url=f"/internal/webchat/{connection.id}/visitors/{visitor}/messages",
            headers={"content-type": "application/json"},
            json=to_json(shown(message)),
            app_id="webhooks",
            repeatable=True,
        )
        return (call,)

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        """2xx: in the inbox. 4xx: it never will be. Anything else: try again, the inbox takes each id once."""
        if 200 <= status < 300:
            return Accepted(None)
        error = VendorError(code=f"http_{status}", reason=f"the web chat inbox answered {status}")
        return Refused(error) if 400 <= status < 500 else Retry(error)


channel: Channel = WebChat()
