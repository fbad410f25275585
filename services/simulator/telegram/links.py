"""Media that a bot sends by address: Telegram fetches them itself, by type and up to a size."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from services.simulator.telegram.problems import bad

MB = 1_000_000
_LIMITS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "photo": (5 * MB, ("image/",)),
    "sticker": (512 * 1024, ("image/webp",)),
    "audio": (20 * MB, ("audio/",)),
    "voice": (20 * MB, ("audio/ogg",)),
    "video": (20 * MB, ("video/", "image/gif")),
    "document": (20 * MB, ("application/pdf", "application/zip", "image/gif")),
}
"""Bot API, "Sending files": bytes and types that go by address."""
_NEAR = frozenset({"127.0.0.1", "localhost", "::1"})
_TIMEOUT = httpx.Timeout(10, connect=3)


async def check_link(http: httpx.AsyncClient, field: str, url: str) -> None:
    """Only addresses of this machine are fetched: others may well be invented, or out of reach from here."""
    if not url:
        raise bad(f"there is no {field} in the request")
    host = _host(url)
    if not host:
        raise bad("wrong file identifier/HTTP URL specified")
    if host in _NEAR:
        await _fetch(http, field, url)


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        return (parts.hostname or "") if parts.scheme in ("http", "https") else ""
    except ValueError:
        return ""


async def _fetch(http: httpx.AsyncClient, field: str, url: str) -> None:
    most, types = _LIMITS[field]
    try:
        answer = await http.get(url, follow_redirects=True, timeout=_TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL):
        raise bad("failed to get HTTP URL content") from None
    if answer.status_code != 200:
        raise bad("failed to get HTTP URL content")
    if not answer.headers.get("content-type", "").lower().startswith(types):
        raise bad("wrong type of the web page content")
    if len(answer.content) > most:
        raise bad("wrong file identifier/HTTP URL specified")
