"""Fetches a customer's piece of media from its vendor: with the vendor's credentials, within limits, never inside."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from mimetypes import guess_type
from urllib.parse import urljoin, urlsplit

import aiohttp
import httpx

from m2n.adapters.capabilities import MediaLimit
from m2n.adapters.channel import MediaCall, NoMedia
from m2n.guarded_http import GuardedHttp, blocked

HOPS = 6
"""Answers on the way to the bytes: redirects, and JSON that says where they are."""
MAX_JSON = 256 * 1024
UNTYPED = "application/octet-stream"
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+(\s*;[\x20-\x7e]*)?")
"""RFC 9110; what a vendor's server writes there is not believed to be one."""
CHUNK = 64 * 1024
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class MediaProblem(Exception):
    """The piece could not be fetched; the text says why to people. ``passes``: trying again may help."""

    def __init__(self, why: str, *, passes: bool = False) -> None:
        super().__init__(why)
        self.passes = passes


@dataclass(frozen=True)
class Fetched:
    content: bytes
    mime: str
    filename: str | None = None


async def fetch(http: GuardedHttp, call: MediaCall, limit: MediaLimit, within_s: float) -> Fetched:
    """The bytes that the call leads to. Raises MediaProblem."""
    try:
        async with asyncio.timeout(within_s):
            return await _followed(http, call, limit)
    except TimeoutError as late:
        raise MediaProblem(f"the vendor did not give it within {within_s:g} s", passes=True) from late
    except NoMedia as none:
        raise MediaProblem(str(none)) from none
    except aiohttp.ClientConnectorError as failed:
        if blocked(failed):
            raise MediaProblem("its address leads into a private network") from failed
        raise MediaProblem(f"the vendor could not be reached ({type(failed).__name__})", passes=True) from failed
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as bad:
        raise MediaProblem("its address is none that can be fetched") from bad
    except (aiohttp.ClientError, OSError, httpx.DecodingError) as failed:
        raise MediaProblem(f"the vendor broke off ({type(failed).__name__})", passes=True) from failed


async def _followed(http: GuardedHttp, call: MediaCall, limit: MediaLimit) -> Fetched:
    for _ in range(HOPS):
        if urlsplit(call.url).scheme not in ("http", "https"):
            raise MediaProblem("its address is none that can be fetched")
        async with http.session(call.url).get(call.url, headers=_headers(call), allow_redirects=False) as answer:
            if answer.status in (301, 302, 303, 307, 308):
                call = _redirected(call, answer.headers.get("location", ""))
            elif answer.status != 200:
                raise MediaProblem(f"the vendor answered {answer.status}", passes=answer.status in _PASSING)
            elif call.then is not None:
                call = call.then(await _read(answer, MAX_JSON))
            else:
                return await _media(answer, limit)
    raise MediaProblem("its address leads on and on")


def _headers(call: MediaCall) -> Mapping[str, str]:
    headers = {"accept": "*/*", "accept-encoding": "identity", **call.headers}
    if call.auth:
        headers["authorization"] = aiohttp.encode_basic_auth(*call.auth)
    return headers


def _redirected(call: MediaCall, location: str) -> MediaCall:
    """Credentials are the first host's: another one does not get them."""
    url = urljoin(call.url, location)
    if not location:
        raise MediaProblem("the vendor answered a redirect to nowhere")
    if _origin(url) == _origin(call.url):
        return MediaCall(url, call.headers, call.auth, call.then)
    return MediaCall(url, then=call.then)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


async def _media(answer: aiohttp.ClientResponse, limit: MediaLimit) -> Fetched:
    mime = answer.headers.get("content-type", UNTYPED).strip().lower()[:200]
    if not _TYPE.fullmatch(mime):
        mime = UNTYPED
    if mime == UNTYPED:  # Telegram's file server says nothing else
        mime = guess_type(answer.url.path)[0] or UNTYPED
    if not limit.takes(mime, None):
        raise MediaProblem(f"its type {mime.partition(';')[0]} is not taken on this channel")
    content = await _read(answer, limit.max_bytes)
    name = answer.content_disposition.filename if answer.content_disposition else None
    return Fetched(content, mime, name.encode("utf-8", "replace").decode()[:200] if name else None)


async def _read(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """All of it, unless it is longer than allowed; what the vendor says of the length is not believed."""
    if (answer.content_length or 0) > most:
        raise MediaProblem(f"it is larger than {most} bytes")
    parts, size = [], 0
    async for part in answer.content.iter_chunked(CHUNK):
        size += len(part)
        if size > most:
            raise MediaProblem(f"it is larger than {most} bytes")
        parts.append(part)
    return b"".join(parts)
