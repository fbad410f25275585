"""A channel for verification: several customers' messages in one webhook, signed with the time.

Signature header: ``t=SECONDS,v1=HEX``, the HMAC-SHA256 of ``SECONDS.BODY``; good for five minutes around that time.
Body: ``{"messages": [{"id": ..., "from": "+1555...", "text": ...}, ...]}``. Replies go out as WhatsApp's do.
"""

import hashlib
import hmac

CHANNEL = "batches"
SIGNATURE = "x-batches-signature"
GOOD_FOR_S = 300


def signature(token: str, seconds: int, body: bytes) -> str:
    """The value of the signature header."""
    made = hmac.new(token.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={made}"
