"""The handshake with which Meta makes sure that an endpoint is the app's own.

``GET <address>?hub.mode=subscribe&hub.challenge=<digits>&hub.verify_token=<token>``; the answer is the challenge, as
it came, when the token is the one that was entered at Meta (Meta, "Create a webhook endpoint").
"""

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from m2n.adapters.channel import Acknowledgement, MalformedWebhook, WebhookRequest


def is_handshake(request: WebhookRequest) -> bool:
    """Webhooks are POST; the handshake is the only thing that Meta asks with GET."""
    return request.method.upper() == "GET"


def is_genuine_handshake(request: WebhookRequest, verify_token: str) -> bool:
    """Whether it asks for a subscription and knows the token; false while no token is set."""
    asked = _query(request)
    claimed = asked.get("hub.verify_token", "").encode("utf-8", "replace")
    known = bool(verify_token) and hmac.compare_digest(claimed, verify_token.encode())
    return known and asked.get("hub.mode") == "subscribe"


def challenge(request: WebhookRequest) -> Acknowledgement:
    """The answer that Meta wants. Raises MalformedWebhook when the request holds no challenge."""
    wanted = _query(request).get("hub.challenge")
    if not wanted:
        raise MalformedWebhook("hub.challenge: expected a value; Meta sends it with every handshake")
    return Acknowledgement(body=wanted)


def _query(request: WebhookRequest) -> Mapping[str, str]:
    """The address's parameters; of a repeated one the first. Bytes that are no UTF-8 are replaced."""
    _, _, encoded = request.url.partition("#")[0].partition("?")
    found: dict[str, str] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True, errors="replace"):
        found.setdefault(name, value)
    return found
