"""Telegram's proof of origin: the constant text that ``setWebhook`` was given, in a header of each update."""

import hmac

from m2n.adapters.channel import WebhookRequest

HEADER = "x-telegram-bot-api-secret-token"


def is_genuine(request: WebhookRequest, secret: str) -> bool:
    """Whether the request has the secret; false for every request where there is none to compare with."""
    claimed = request.headers.get(HEADER, "").encode("utf-8", "replace")
    return bool(secret) and hmac.compare_digest(claimed, secret.encode())
