"""How Twilio fetches the media that a message is sent with, and what it finds wrong with them."""

import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from services.simulator.twilio.problems import (
    HTTP_RETRIEVAL,
    MEDIA_NOT_FETCHED,
    PICTURE_TOO_LARGE,
    TOO_LARGE,
    WRONG_TYPE,
    Failure,
)

MMS_BYTES, WHATSAPP_BYTES, WHATSAPP_PICTURE_BYTES = 5_000_000, 16 * 1024 * 1024, 5 * 1024 * 1024
_WITHIN = httpx.Timeout(5, connect=2)
_NOWHERE = (".example", ".test", ".invalid", "example.com", "example.net", "example.org")
"""Hosts that exist for examples only (RFC 2606): what lies there counts as fetched, of the type of its ending."""
_OFFICE = ("application/pdf", "application/msword", "application/vnd.", "text/vcard", "text/x-vcard")
_WHATSAPP_TYPES = ("image/jpeg", "image/jpg", "image/png", "image/webp", "audio/", "video/mp4", *_OFFICE)
_MMS_TYPES = (
    *("image/jpeg", "image/jpg", "image/png", "image/gif", "image/bmp", "image/tiff", "audio/", "video/"),
    *("application/vcard", "text/csv", "text/rtf", "text/richtext", "text/calendar", "text/directory", *_OFFICE),
)


@dataclass(frozen=True)
class Looked:
    """What is behind addresses: their content types, and why the message cannot be sent, if it cannot."""

    types: tuple[str, ...] = ()
    failure: Failure | None = None


async def look_at(http: httpx.AsyncClient, urls: Sequence[str], *, whatsapp: bool) -> Looked:
    types: list[str] = []
    room = WHATSAPP_BYTES if whatsapp else MMS_BYTES
    for url in urls:
        try:
            kind, size = await _fetched(http, url, room)
        except httpx.HTTPError:
            return Looked(tuple(types), MEDIA_NOT_FETCHED if whatsapp else HTTP_RETRIEVAL)
        types.append(kind)
        room -= size
        failure = _failure(kind, size, room, whatsapp)
        if failure:
            return Looked(tuple(types), failure)
    return Looked(tuple(types))


def _failure(kind: str, size: int, room: int, whatsapp: bool) -> Failure | None:
    if not kind.startswith(_WHATSAPP_TYPES if whatsapp else _MMS_TYPES):
        return WRONG_TYPE
    if room < 0:
        return TOO_LARGE
    if whatsapp and kind.startswith("image/") and size > WHATSAPP_PICTURE_BYTES:
        return PICTURE_TOO_LARGE
    return None


async def _fetched(http: httpx.AsyncClient, url: str, room: int) -> tuple[str, int]:
    """Content type and bytes, of a large piece only that it is too large. Raises httpx.HTTPError."""
    parts = urlsplit(url)
    if (parts.hostname or "").endswith(_NOWHERE):
        return mimetypes.guess_type(parts.path)[0] or "image/jpeg", 0
    size = 0
    async with http.stream("GET", url, timeout=_WITHIN, follow_redirects=True) as answer:
        answer.raise_for_status()
        async for part in answer.aiter_bytes():
            size += len(part)
            if size > room:
                break
    return answer.headers.get("content-type", "application/octet-stream").lower(), size
