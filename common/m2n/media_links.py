"""Addresses of stored media that anybody may open who has them, for a while: desks, vendors, customers' browsers.

``<base>/media/<tenant>/<media id>?until=<epoch s>&sig=<HMAC-SHA256>``; the signature covers tenant, id and end.
"""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

FOR_PEOPLE = timedelta(minutes=15)
"""A desk or page asks for a fresh link each time it shows a piece."""
FOR_VENDORS = timedelta(hours=25)
"""A vendor may fetch a piece late; a message is not sent for longer than a day."""


def link(base_url: str, tenant: str, media_id: str, key: str, until: datetime) -> str:
    """Raises ValueError for an empty key, which anybody could sign with."""
    if not key:
        raise ValueError("the key of media links is empty; set M2N_LINK_KEY to a long random text")
    end = int(until.timestamp())
    signature = _signature(tenant, media_id, end, key)
    return (
        f"{base_url.rstrip('/')}/media/{quote(tenant, safe='')}/{quote(media_id, safe='')}?until={end}&sig={signature}"
    )


def is_good(tenant: str, media_id: str, until: str, signature: str, key: str, now: datetime) -> bool:
    """Whether the link is ours and not over; in constant time."""
    if not key or not (until.isascii() and until.isdigit() and len(until) <= 12):
        return False
    genuine = hmac.compare_digest(
        _signature(tenant, media_id, int(until), key).encode(), signature.encode("utf-8", "replace")
    )
    return genuine and now < datetime.fromtimestamp(int(until), UTC)


def _signature(tenant: str, media_id: str, end: int, key: str) -> str:
    signed = f"media\0{tenant}\0{media_id}\0{end}".encode()
    return base64.urlsafe_b64encode(hmac.new(key.encode(), signed, hashlib.sha256).digest()).rstrip(b"=").decode()
