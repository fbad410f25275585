"""What is the same in all webhooks of Meta's products."""

import hashlib
import hmac
from collections.abc import Mapping


def sign(app_secret: str, body: bytes) -> str:
    """``X-Hub-Signature-256`` (Meta, "Webhooks", validating payloads)."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def webhook_headers(app_secret: str, body: bytes) -> Mapping[str, str]:
    """With the older signature beside the present one, as Meta still sends it."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "facebookexternalua",
        "X-Hub-Signature": "sha1=" + hmac.new(app_secret.encode(), body, hashlib.sha1).hexdigest(),
        "X-Hub-Signature-256": sign(app_secret, body),
    }
