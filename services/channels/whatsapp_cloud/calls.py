"""Calls of the Graph API that are a connection's own: its address, its token, its proof."""

from collections.abc import Mapping
from typing import Any

import orjson

from m2n.adapters.channel import VendorCall
from services.channels.meta_core.graph import appsecret_proof
from services.channels.whatsapp_cloud.settings import WhatsAppCloudSettings

APP_SECRET = "app-secret"  # noqa: S105 - the secret's name
VERIFY_TOKEN = "verify-token"  # noqa: S105 - the secret's name
ACCESS_TOKEN = "access-token"  # noqa: S105 - the secret's name


def graph_url(settings: WhatsAppCloudSettings, path: str, secrets: Mapping[str, str]) -> str:
    """The address of a node of the graph, with the proof where the app wants it."""
    url = f"{settings.base_url.rstrip('/')}/{settings.graph_version}/{path}"
    if not settings.require_app_secret_proof:
        return url
    return f"{url}?appsecret_proof={appsecret_proof(secrets[APP_SECRET], secrets[ACCESS_TOKEN])}"


def bearer(secrets: Mapping[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {secrets[ACCESS_TOKEN]}"}


def messages_call(
    settings: WhatsAppCloudSettings, secrets: Mapping[str, str], body: Mapping[str, Any], *, repeatable: bool = False
) -> VendorCall:
    """POST to the number's messages. A message is not ``repeatable``: the Cloud API has no idempotency key."""
    return VendorCall(
        method="POST",
        url=graph_url(settings, f"{settings.phone_number_id}/messages", secrets),
        headers={"Accept": "application/json", **bearer(secrets)},
        json=orjson.dumps({"messaging_product": "whatsapp", **body}),
        repeatable=repeatable,
    )
