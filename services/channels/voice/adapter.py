"""The channel adapter of telephone calls through Twilio. What a call asks in between is in ``routes`` and ``relay``."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel

from m2n.adapters.capabilities import Capabilities
from m2n.adapters.channel import (
    Accepted,
    Acknowledgement,
    CallOutcome,
    Channel,
    ChannelDefaults,
    Parsed,
    Refused,
    Retry,
    SendContext,
    VendorCall,
    WebhookRequest,
)
from m2n.keys import digest
from m2n.message import MAX_TEXT, CallContent, Content, Outbound, TextContent, VendorError
from m2n.serialization import to_json
from m2n.tenant import Connection
from services.channels.twilio_core.form import query
from services.channels.twilio_core.settings import AUTH_TOKEN
from services.channels.twilio_core.signature import is_genuine
from services.channels.voice import twiml
from services.channels.voice.calls import NewLine
from services.channels.voice.parse import CHANNEL, parsed
from services.channels.voice.script import Script
from services.channels.voice.settings import VoiceSettings
from services.channels.voice.steps import Step

NOTHING = Acknowledgement(body=twiml.document(), media_type="text/xml")
OVER = 410
"""What the call's inbox answers when the caller has hung up."""


class Voice(ChannelDefaults):
    name: str = CHANNEL
    settings: type[BaseModel] = VoiceSettings
    secrets: tuple[str, ...] = (AUTH_TOKEN,)
    capabilities = Capabilities(text=MAX_TEXT)
    """Long texts are split where they are said, so that a message is one entry of the call's inbox."""

    def verify(self, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str]) -> bool:
        return is_genuine(request, secrets.get(AUTH_TOKEN, ""), _settings(connection).public_url)

    def parse(self, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        """A call that comes in is answered with its greeting, for which Twilio waits; words with a wait for more."""
        settings = _settings(connection)
        found = parsed(request, tenant, connection.id, settings, received_at)
        script = Script(settings, settings.public_url or _site(request.url), connection.id)
        answers = [_answer(message.content, script, request) for message in found.messages]
        body = next(filter(None, answers), None)
        return replace(found, answer=Acknowledgement(body=body, media_type="text/xml")) if body else found

    def acknowledge(self, parsed: Parsed) -> Acknowledgement:
        return NOTHING

    def render(self, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        """One call that puts the message into the call's inbox, which takes each part of it once."""
        if not isinstance(message.content, TextContent):
            raise ValueError(f"{message.content.type}: only words can be said")
        call, text = quote(message.address.to, safe=""), message.content.text
        line = NewLine(
            key=f"{message.id}:{digest(text, length=8)}",
            message=message.id,
            text=text,
            author=message.author,
            language=message.language,
            at=message.decided_at,
        )
        made = VendorCall(
            method="POST",
            url=f"/internal/voice/{context.connection.id}/calls/{call}/messages",
            headers={"content-type": "application/json"},
            json=to_json(line),
            app_id="webhooks",
            repeatable=True,
        )
        return (made,)

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        """2xx: in the inbox. 4xx: it never will be. Anything else: try again, the inbox takes each message once."""
        if 200 <= status < 300:
            return Accepted(None)
        if status == OVER:
            return Refused(VendorError(code="call-over", reason="the call is over"))
        error = VendorError(code=f"http_{status}", reason=f"the call's inbox answered {status}")
        return Refused(error) if 400 <= status < 500 and status != 429 else Retry(error, _seconds(headers))


def _seconds(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` in seconds; None where it is missing or says no number of them."""
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else None


def _answer(content: Content, script: Script, request: WebhookRequest) -> str | None:
    if isinstance(content, CallContent):
        return script.begin() if content.event == "started" else None
    return script.say_and_look(Step.read(query(request)).next_look(), (), script.settings.language)


def _site(url: str) -> str:
    """The public address of the installation, of one of its webhooks' addresses."""
    return url.partition("?")[0].rpartition(f"/webhooks/{CHANNEL}/")[0]


def _settings(connection: Connection) -> VoiceSettings:
    return VoiceSettings.model_validate(connection.settings)


channel: Channel = Voice()
