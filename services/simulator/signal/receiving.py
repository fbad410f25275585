"""How the gateway tells what was received: each envelope once, one after the other, to whoever is there.

By webhook it posts and waits for the answer, however long that takes, and nothing else is received meanwhile; 200 and
201 are successes and nothing is posted twice. Through sockets it tells all that are open; where none is, the message
is lost.
"""

import time
from collections.abc import Mapping
from typing import Any

import httpx
import orjson
from starlette.websockets import WebSocketDisconnect

from services.simulator.posted import Posted
from services.simulator.signal.memory import Account

SUCCESSES = (200, 201)
NOBODY = "NobodyConnected"


async def tell(http: httpx.AsyncClient, account: Account, envelope: Mapping[str, Any]) -> Posted:
    params = {"envelope": envelope, "account": account.number}
    async with account.turn:
        began = time.perf_counter()
        reached = await _through_sockets(account, params)
        status, error = None, None if reached else NOBODY
        if account.receive == "webhook":
            status, error = await _post(http, account.webhook_url, params)
        tries = 1 if account.receive == "webhook" else reached
        return Posted(status, tries, (time.perf_counter() - began) * 1000, error)


async def _through_sockets(account: Account, params: Mapping[str, Any]) -> int:
    """How many were told."""
    reached, frame = 0, orjson.dumps(params).decode()
    for socket in tuple(account.sockets):
        try:
            await socket.send_text(frame)
            reached += 1
        except (RuntimeError, WebSocketDisconnect):
            account.sockets.discard(socket)
    return reached


async def _post(http: httpx.AsyncClient, url: str, params: Mapping[str, Any]) -> tuple[int | None, str | None]:
    notification = {"jsonrpc": "2.0", "method": "receive", "params": params}
    headers = {"Content-Type": "application/json", "User-Agent": "Go-http-client/1.1"}
    try:
        answer = await http.post(url, content=orjson.dumps(notification) + b"\n", headers=headers, timeout=None)
    except httpx.HTTPError as broken:
        return None, type(broken).__name__
    return answer.status_code, None if answer.status_code in SUCCESSES else "UnexpectedStatus"
