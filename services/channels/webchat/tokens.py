"""Visitor tokens: who a visitor is and until when, signed, so that nothing about them is kept.

A token is ``base64url(visitor.expiry) . base64url(HMAC-SHA256)``, with ``.base64url(user)`` behind the expiry for a
visitor who has proved which user of the site they are. The signature covers the connection, whose id is unique in the
whole installation, so a token of one tenant's chat opens no other.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

SIGNING_KEY = "signing-key"
_CLAIM = re.compile(r"([A-Za-z0-9_-]{1,64})\.([0-9]{1,12})(?:\.([A-Za-z0-9_-]{2,700}))?")


@dataclass(frozen=True)
class Visitor:
    id: str
    expires_at: datetime
    user: str | None = None
    """The site's own id of a user who is logged in there, proved."""


def new_visitor_id() -> str:
    """128 random bits: a visitor's id cannot be guessed and meets no other."""
    return secrets.token_urlsafe(16)


def issue(visitor: Visitor, connection: str, key: str) -> str:
    """The token of a visitor. Raises ValueError for an empty key, which anybody could sign with."""
    if not key:
        raise ValueError(f"the secret {SIGNING_KEY!r} is empty; set it to a long random text")
    claim = f"{visitor.id}.{int(visitor.expires_at.timestamp())}"
    if visitor.user is not None:
        claim += f".{encoded(visitor.user.encode())}"
    return f"{encoded(claim.encode())}.{encoded(_mac(claim.encode(), connection, key))}"


def check(token: str, connection: str, key: str, now: datetime) -> Visitor | None:
    """The visitor whom the token names, in constant time; None when it is forged, another connection's or over."""
    claim, _, mac = token.partition(".")
    raw, signed = decoded(claim), decoded(mac)
    if not key or raw is None or signed is None:
        return None
    genuine = hmac.compare_digest(_mac(raw, connection, key), signed)
    visitor = _read(raw)
    return visitor if genuine and visitor is not None and now < visitor.expires_at else None


def claimed(token: str) -> Visitor | None:
    """The visitor whom a token names that was checked before; None when it cannot be read."""
    raw = decoded(token.partition(".")[0])
    return None if raw is None else _read(raw)


def bearer(headers: Mapping[str, str]) -> str:
    """The token of an ``Authorization: Bearer`` header, else ''."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _mac(claim: bytes, connection: str, key: str) -> bytes:
    return hmac.new(key.encode(), b"webchat\0" + connection.encode() + b"\0" + claim, hashlib.sha256).digest()


def _read(raw: bytes) -> Visitor | None:
    found = _CLAIM.fullmatch(raw.decode("ascii", "replace"))
    if found is None:
        return None
    user = decoded(found[3]) if found[3] else None
    try:
        return Visitor(found[1], datetime.fromtimestamp(int(found[2]), UTC), user.decode() if user else None)
    except (ValueError, OverflowError, OSError):
        return None


def encoded(raw: bytes) -> str:
    """As base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes | None:
    """Strictly base64url without padding, so that a token has one spelling."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if encoded(raw) == text else None
