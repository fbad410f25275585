"""Invented tenants and messages for the unit tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from m2n.events import Action, Reply
from m2n.message import Address, Author, Content, Identity, Inbound, TextContent
from m2n.tenant import Connection, ConnectionKind, HandoverRules, Rules, Tenant

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday."""


def tenant(*, handover: dict[str, Any] | None = None, rules: dict[str, Any] | None = None, **changes: Any) -> Tenant:
    handover_rules = HandoverRules.model_validate(
        {"desk": "acme-desk", "phrases": {"en": ["human"]}} | (handover or {})
    )
    connections = (
        Connection(id="acme-whatsapp", kind=ConnectionKind.CHANNEL, adapter="whatsapp_twilio"),
        Connection(id="acme-bot", kind=ConnectionKind.ENGINE, adapter="builtin"),
        Connection(id="acme-bot-de", kind=ConnectionKind.ENGINE, adapter="builtin"),
        Connection(id="acme-desk", kind=ConnectionKind.DESK, adapter="builtin"),
    )
    values: dict[str, Any] = {
        "id": "acme",
        "name": "Acme",
        "languages": ("en", "de"),
        "rules": Rules.model_validate({"engine": "acme-bot", "handover": handover_rules} | (rules or {})),
        "connections": connections,
    }
    return Tenant(**(values | changes))


def inbound(text: str = "hello", *, number: int = 1, at: datetime = NOON, content: Content | None = None) -> Inbound:
    return Inbound(
        tenant="acme",
        address=Address(connection="acme-whatsapp", channel="whatsapp_twilio", to="whatsapp:+15550100002"),
        vendor_message_id=f"SM{number:032d}",
        identities=(Identity(scheme="phone", value="+15550100002"),),
        content=content or TextContent(text=text),
        received_at=at,
    )


def reply(session_id: str, turn_id: str | None, epoch: int, *texts: str, **changes: Any) -> Reply:
    values: dict[str, Any] = {
        "id": f"{turn_id}.engine.{epoch}",
        "tenant": "acme",
        "profile_id": "P1",
        "session_id": session_id,
        "epoch": epoch,
        "turn_id": turn_id,
        "action": Action.ANSWER,
        "author": Author.BOT,
        "messages": tuple(TextContent(text=text) for text in texts),
        "at": NOON,
    }
    return Reply(**(values | changes))


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)
