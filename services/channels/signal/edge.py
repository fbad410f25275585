"""What Signal needs beside its webhook: the sockets of the connections that receive through one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from m2n.adapters.edge_host import ChannelEdge, EdgeDefaults, EdgeHost
from m2n.service import background
from services.channels.signal.receivers import Receivers


class SignalEdge(EdgeDefaults):
    @asynccontextmanager
    async def open(self, host: EdgeHost) -> AsyncIterator[None]:
        receivers = Receivers(host)
        try:
            async with background("signal sockets", receivers.follow)():
                yield
        finally:
            await receivers.close()


edge: ChannelEdge = SignalEdge()
