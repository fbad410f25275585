"""Tenants as the API takes them, with names that no other test has."""

import uuid
from typing import Any

CONTENT: dict[str, Any] = {
    "default_language": "en",
    "fallback": {"en": ["Sorry, I did not understand."]},
    "intents": {"hours": {"phrases": {"en": ["when are you open", "opening hours"]}, "answers": {"en": ["Always."]}}},
}


def unused_id(prefix: str = "t") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def tenant_document(tenant_id: str, **changes: Any) -> dict[str, Any]:
    """A tenant with an engine, a web chat and a desk; connections are named after it."""
    chat_secret = {"signing-key": {"key": "acme-webchat-key"}}
    connections = [
        {"id": f"{tenant_id}-bot", "kind": "engine", "adapter": "builtin", "settings": {"content": CONTENT}},
        {"id": f"{tenant_id}-web", "kind": "channel", "adapter": "webchat", "secrets": chat_secret},
        {"id": f"{tenant_id}-desk", "kind": "desk", "adapter": "builtin"},
    ]
    document = {
        "id": tenant_id,
        "name": "Test",
        "languages": ["en"],
        "rules": {"engine": f"{tenant_id}-bot", "handover": {"desk": f"{tenant_id}-desk"}},
        "connections": connections,
    }
    return document | changes
