"""How Meta posts webhooks: what is not ASCII is escaped, the body is signed, and anything but 200 brings it again."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from services.simulator.meta_webhooks import webhook_headers
from services.simulator.posted import Posted

GAPS_S: Sequence[float] = (0.2, 1, 2, 4, 8, 16, 32, 60)
"""Before each further try. Meta goes on for days; here it ends after two minutes."""
_TIMEOUT = httpx.Timeout(20, connect=5)


def body_of(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=True, separators=(",", ":")).encode()


async def post(http: httpx.AsyncClient, app_secret: str, url: str, body: bytes, tries: int = 1) -> Posted:
    """Post one webhook once. ``tries``: the how manieth time it is."""
    began, status, error = time.perf_counter(), None, None
    try:
        status = (
            await http.post(url, content=body, headers=webhook_headers(app_secret, body), timeout=_TIMEOUT)
        ).status_code
    except httpx.HTTPError as broken:
        error = type(broken).__name__
    return Posted(status, tries, (time.perf_counter() - began) * 1000, error)
