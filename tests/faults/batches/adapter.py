"""The adapter of the channel for verification."""

import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, Field, ValidationError

from m2n import clock
from m2n.adapters.channel import (
    Acknowledgement,
    Channel,
    MalformedWebhook,
    Parsed,
    UnreadablePart,
    WebhookRequest,
)
from m2n.message import Address, Hop, Identity, Inbound, TextContent
from m2n.tenant import Connection
from services.channels.whatsapp_twilio.adapter import AUTH_TOKEN, WhatsAppTwilio
from tests.faults.batches import CHANNEL, GOOD_FOR_S, SIGNATURE, signature

_SIGNED = re.compile(r"t=(\d{1,12}),v1=[0-9a-f]{64}")


class Entry(BaseModel):
    id: Annotated[str, Field(pattern=r"^[\w-]{1,64}$")]
    from_: Annotated[str, Field(alias="from", pattern=r"^\+[1-9][0-9]{5,14}$")]
    text: str


class Batches(WhatsAppTwilio):
    name: str = CHANNEL

    def verify(self, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str]) -> bool:
        sent = request.headers.get(SIGNATURE, "")
        signed = _SIGNED.fullmatch(sent)
        if signed is None or abs(clock.now().timestamp() - int(signed[1])) > GOOD_FOR_S:
            return False
        return hmac.compare_digest(sent, signature(secrets[AUTH_TOKEN], int(signed[1]), request.body))

    def parse(self, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        """An entry that does not fit is set aside, the others are taken."""
        messages: list[Inbound] = []
        unreadable: list[UnreadablePart] = []
        for number, found in enumerate(_entries(request.body)):
            try:
                messages.append(_message(Entry.model_validate(found), tenant, connection.id, received_at))
            except ValidationError as bad:
                field = bad.errors(include_input=False, include_url=False, include_context=False)[0]
                where = ".".join(map(str, (number, *field["loc"])))
                body = orjson.dumps({"messages": [found]})
                unreadable.append(UnreadablePart(body, f"messages.{where}: {field['msg']}"))
        return Parsed(messages=tuple(messages), unreadable=tuple(unreadable))

    def acknowledge(self, parsed: Parsed) -> Acknowledgement:
        return Acknowledgement()


def _entries(body: bytes) -> list[Any]:
    try:
        entries = orjson.loads(body)["messages"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as bad:
        raise MalformedWebhook("messages: expected an object with a list of messages") from bad
    if not isinstance(entries, list):
        raise MalformedWebhook("messages: expected a list")
    return entries  # pyright: ignore[reportUnknownVariableType]


def _message(entry: Entry, tenant: str, connection: str, received_at: datetime) -> Inbound:
    return Inbound(
        tenant=tenant,
        address=Address(connection=connection, channel=CHANNEL, to=f"whatsapp:{entry.from_}"),
        vendor_message_id=entry.id,
        identities=(Identity(scheme="phone", value=entry.from_),),
        content=TextContent(text=entry.text),
        received_at=received_at,
        trail=(Hop(service="webhooks", did="received", at=received_at),),
    )


channel: Channel = Batches()
