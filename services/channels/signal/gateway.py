"""The gateway's addresses, and the token that a proxy before it may want."""

from collections.abc import Mapping
from urllib.parse import quote

import orjson

from m2n.adapters.channel import VendorCall
from services.channels.signal.settings import SignalSettings

GATEWAY_TOKEN = "gateway-token"  # noqa: S105 - the secret's name


def address(settings: SignalSettings, path: str) -> str:
    """Where that path of the gateway is; ``{number}`` in it stands for our own number."""
    return settings.base_url.rstrip("/") + path.replace("{number}", quote(settings.number, safe="+"))


def socket_address(settings: SignalSettings) -> str:
    """The socket on which the gateway tells what was received: ``ws``, or ``wss`` where the gateway has ``https``."""
    return "ws" + address(settings, "/v1/receive/{number}").removeprefix("http")


def headers(secrets: Mapping[str, str]) -> dict[str, str]:
    """The gateway itself has no authentication; a proxy in front of it may take a bearer token."""
    token = secrets.get(GATEWAY_TOKEN)
    return {"Authorization": f"Bearer {token}"} if token else {}


def call(
    method: str, path: str, body: Mapping[str, object], settings: SignalSettings, secrets: Mapping[str, str]
) -> VendorCall:
    """Not repeatable: the gateway has no idempotency key, the same call twice sends two messages."""
    return VendorCall(
        method=method,
        url=address(settings, path),
        headers={"Content-Type": "application/json", **headers(secrets)},
        json=orjson.dumps(body),
    )
