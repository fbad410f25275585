"""A request of Twilio's to one of the connection's own routes: whose it is, that it is genuine, what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from fastapi import HTTPException
from starlette.requests import Request

from m2n.adapters.channel import MalformedWebhook
from m2n.adapters.edge_host import EdgeHost, Resolved, as_received
from m2n.telemetry import UNREADABLE, log
from services.channels.twilio_core.form import Fields, expect, fields, query, required
from services.channels.twilio_core.settings import AUTH_TOKEN
from services.channels.twilio_core.signature import is_genuine
from services.channels.voice.calls import CallKey
from services.channels.voice.parse import CHANNEL
from services.channels.voice.script import Script
from services.channels.voice.settings import VoiceSettings
from services.channels.voice.steps import Step


@dataclass(frozen=True)
class Line:
    """A voice connection with what its routes need of it."""

    resolved: Resolved
    settings: VoiceSettings
    script: Script

    @property
    def token(self) -> str:
        return self.resolved.secrets.get(AUTH_TOKEN, "")

    def key(self, call: str) -> CallKey:
        return CallKey(self.resolved.tenant.id, self.resolved.connection.id, call)


@dataclass(frozen=True)
class Asked:
    """A genuine request."""

    line: Line
    fields: Fields = field(repr=False)
    query: Mapping[str, str]
    spoken: str | None = None
    """The language that the caller was found to speak."""

    @property
    def script(self) -> Script:
        return self.line.script

    @property
    def call(self) -> str:
        return self.fields["CallSid"]

    @cached_property
    def step(self) -> Step:
        return Step.read(self.query)

    @property
    def language(self) -> str:
        """In which the call is held now."""
        named, settings = self.spoken or self.query.get("lang", ""), self.line.settings
        return self.script.known(named) or settings.language

    @cached_property
    def key(self) -> CallKey:
        return self.line.key(self.call)


async def find_line(host: EdgeHost, connection: str) -> Line:
    """Raises HTTPException 404, and 503 when the tenants cannot be asked now."""
    try:
        resolved = await host.find(CHANNEL, connection)
    except LookupError:
        raise HTTPException(404, "there is no voice connection of this id") from None
    settings = VoiceSettings.model_validate(resolved.connection.settings)
    site = (settings.public_url or host.settings.public_url).rstrip("/")
    return Line(resolved, settings, Script(settings, site, connection, resolved.tenant.name))


async def asked(host: EdgeHost, connection: str, request: Request, *, needs_call: bool = True) -> Asked:
    """Raises HTTPException: 404 unknown, 403 not genuine, 400 unreadable, 503 the tenants cannot be asked now."""
    line = await find_line(host, connection)
    webhook = as_received(line.script.site, request, request.method, await request.body())
    if not is_genuine(webhook, line.token):
        log().warning("voice request refused: signature", tenant=line.resolved.tenant.id, connection=connection)
        raise HTTPException(403, "the signature is missing or wrong")
    try:
        found = fields(webhook)
        expect(found, "AccountSid", line.settings.account_sid)
        if needs_call:
            required(found, "CallSid")
    except MalformedWebhook as bad:
        UNREADABLE.labels(CHANNEL).inc()
        raise HTTPException(400, str(bad)) from bad
    return Asked(line, found, query(webhook))
