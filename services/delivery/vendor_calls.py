"""Calls at the vendors' addresses, and of apps of ours through the sidecar."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import aiohttp
import httpx

from m2n.adapters.channel import VendorCall
from m2n.dapr import DaprClient
from m2n.guarded_http import GuardedHttp, blocked, guarded_http
from services.delivery.sending import CALL_S, NoAnswer, NotAllowed, NotReached

CONNECT_S = 2.0
"""Until there is a connection, the name's resolution included: nothing has gone out before."""
KEEP_ALIVE_S = 2.0
"""Shorter than servers keep an idle connection: one that is closed just as it is used makes a message ``uncertain``."""


class VendorCalls:
    """Makes calls. Raises NotReached, NotAllowed, NoAnswer, and of an app's call what the sidecar's client raises."""

    def __init__(self, vendors: GuardedHttp, dapr: DaprClient) -> None:
        self.http, self._dapr = vendors, dapr

    async def __call__(self, call: VendorCall) -> httpx.Response:
        headers, content = dict(call.headers), call.json
        if content is not None:
            headers["content-type"] = "application/json"
        if call.app_id:
            return await self._dapr.invoke(call.app_id, call.method, call.url, headers=headers, content=content)
        if call.form is not None:
            content = urlencode(call.form).encode()
            headers["content-type"] = "application/x-www-form-urlencoded"
        if call.auth:
            headers["authorization"] = aiohttp.encode_basic_auth(*call.auth)
        try:
            async with self.http.session(call.url).request(
                call.method, call.url, headers=headers, data=content, allow_redirects=False
            ) as answer:
                return httpx.Response(answer.status, headers=answer.raw_headers, content=await answer.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as failed:
            if isinstance(failed, aiohttp.ClientConnectorError) and blocked(failed):
                raise NotAllowed("the vendor's address leads into a private network") from failed
            raise NotReached(type(failed).__name__) from failed
        except (aiohttp.ClientError, TimeoutError, OSError, httpx.DecodingError) as failed:
            raise NoAnswer(type(failed).__name__) from failed


@asynccontextmanager
async def vendor_calls(dapr: DaprClient, private_hosts: str) -> AsyncIterator[VendorCalls]:
    """With pools of connections to the vendors; no redirect is followed."""
    patience = aiohttp.ClientTimeout(total=CALL_S - 2, connect=CONNECT_S)
    async with guarded_http(private_hosts, patience=patience, keep_alive_s=KEEP_ALIVE_S) as vendors:
        yield VendorCalls(vendors, dapr)
