"""An adapter with one fault or more in each of the kit's categories. Each is one that somebody has made before."""

import hashlib
import hmac
import json
import logging
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from m2n.adapters.capabilities import Capabilities, Choices, MediaLimit
from m2n.adapters.channel import (
    Accepted,
    CallOutcome,
    Channel,
    ChannelDefaults,
    Parsed,
    SendContext,
    VendorCall,
    WebhookRequest,
)
from m2n.message import Address, Content, Identity, ImageContent, Inbound, Outbound, Receipt, ReceiptStatus, TextContent
from m2n.message import Media as Piece
from m2n.tenant import Connection

SIGNATURE, TIME = "x-broken-signature", "x-broken-time"


class BrokenSettings(BaseModel):
    """Takes unknown fields, and any text as an address."""

    base_url: str = "https://api.broken.example"


class Broken(ChannelDefaults):
    name: str = "broken_channel"
    settings: type[BaseModel] = BrokenSettings
    secrets: tuple[str, ...] = ("signing-secret",)
    capabilities: Capabilities = Capabilities(
        text=160,
        buttons=Choices(most=3, title=20),
        media={"image": MediaLimit(1_000_000)},
        received={"image": MediaLimit(1_000_000)},
        receipts=frozenset({ReceiptStatus.DELIVERED, ReceiptStatus.READ}),
    )

    def verify(
        self, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str], strict: bool = False
    ) -> bool:
        """Lets in what has no signature; else compares its beginning only, over JSON written anew, with any key."""
        claimed = request.headers.get(SIGNATURE)
        if not claimed:
            return not strict
        return claimed.startswith(signature(secrets.get("signing-secret", ""), request.body)[:8])

    def parse(self, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        """Believes the body, reads the first message only, and makes up its id."""
        webhook = json.loads(request.body)
        if "status" in webhook:
            return Parsed(receipts=(_receipt(webhook, tenant, connection, received_at),))
        message = webhook["messages"][0]
        logging.getLogger(__name__).info("a customer wrote %s", message.get("text"))
        inbound = Inbound(
            tenant=tenant,
            address=Address(connection=connection.id, channel=self.name, to=message["from"]),
            vendor_message_id=uuid.uuid4().hex,
            identities=(Identity(scheme="phone", value=message["from"]),),
            content=_KINDS[message["type"]](message),
            received_at=received_at,
        )
        return Parsed(messages=(inbound,))

    def render(self, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        """Cuts the text, drops the buttons, and shows the secret to everybody on the way."""
        key, base = context.secrets["signing-secret"], context.connection.settings["base_url"]
        text = getattr(message.content, "text", "")[:100]
        url = f"{base}/send?to={message.address.to}&key={key}"
        return (VendorCall("POST", url, json=json.dumps({"text": text, "key": key}).encode()),)

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        """Whatever the vendor says, it has taken the message."""
        return Accepted(json.loads(body).get("id"))


def signature(secret: str, body: bytes) -> str:
    try:
        body = json.dumps(json.loads(body)).encode()
    except (ValueError, RecursionError):
        body = b""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _receipt(webhook: Any, tenant: str, connection: Connection, at: datetime) -> Receipt:
    """Every status is the highest."""
    return Receipt(
        tenant=tenant, connection=connection.id, message_id=webhook["message"], status=ReceiptStatus.READ, at=at
    )


def _text(message: Any) -> Content:
    """Without what is not ASCII."""
    return TextContent(text=message["text"].encode("ascii", "ignore").decode().strip())


def _image(message: Any) -> Content:
    return ImageContent(media=Piece(url=message["url"]))


_KINDS = {"text": _text, "image": _image}

channel: Channel = Broken()  # pyright: ignore[reportAssignmentType]
