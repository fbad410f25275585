"""How Meta posts webhooks: what is not ASCII is escaped, the body is signed, and anything but 200 brings it again."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

GAPS_S: Sequence[float] = (0.2, 1, 2, 4, 8, 16, 32, 60)
"""Before each further try. Meta goes on for days; here it ends after two minutes."""
_TIMEOUT = httpx.Timeout(20, connect=5)


@dataclass(frozen=True)
class Posted:
    """How a webhook went: the HTTP status, or the name of the error."""

    status: int | None
    tries: int
    took_ms: float
    error: str | None = None


def body_of(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=True, separators=(",", ":")).encode()


def sign(app_secret: str, body: bytes) -> str:
    """``X-Hub-Signature-256``."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


async def post(http: httpx.AsyncClient, app_secret: str, url: str, body: bytes, tries: int = 1) -> Posted:
    """Post one webhook once. ``tries``: the how manieth time it is."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "facebookexternalua",
        "X-Hub-Signature": "sha1=" + hmac.new(app_secret.encode(), body, hashlib.sha1).hexdigest(),
        "X-Hub-Signature-256": sign(app_secret, body),
    }
    began, status, error = time.perf_counter(), None, None
    try:
        status = (await http.post(url, content=body, headers=headers, timeout=_TIMEOUT)).status_code
    except httpx.HTTPError as broken:
        error = type(broken).__name__
    return Posted(status, tries, (time.perf_counter() - began) * 1000, error)
