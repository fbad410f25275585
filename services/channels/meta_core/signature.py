"""Meta's proof of origin: HMAC-SHA256 over the raw body with the app's secret, in ``X-Hub-Signature-256``.

After Meta's "Create a webhook endpoint". The body is signed as it was sent, with what is not ASCII as ``\\uXXXX``:
JSON that was read and written again does not fit any more. The older ``X-Hub-Signature`` (SHA-1) is not looked at.
"""

import hashlib
import hmac

from m2n.adapters.channel import WebhookRequest

HEADER = "x-hub-signature-256"


def signature(app_secret: str, body: bytes) -> str:
    """The header's value for a body: ``sha256=`` and 64 hexadecimal digits."""
    return f"sha256={hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()}"


def is_genuine(request: WebhookRequest, app_secret: str) -> bool:
    """Whether the holder of the secret signed this body; false without a secret or without the header."""
    claimed = request.headers.get(HEADER, "").encode("utf-8", "replace")
    if not app_secret or not claimed:
        return False
    return hmac.compare_digest(signature(app_secret, request.body).encode(), claimed)
