"""An app on a real port, for tests that talk to it over the network."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

Sockets = Literal["none", "websockets-sansio"]


@asynccontextmanager
async def served(app: ASGIApp, sockets: Sockets = "none") -> AsyncIterator[str]:
    """The app on a free port of loopback; its base address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws=sockets))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
