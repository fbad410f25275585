"""What a channel's own routes get of this service (``m2n.adapters.edge_host``)."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points

from fastapi import FastAPI, HTTPException
from redis.asyncio import Redis

from m2n.adapters.channel import Parsed
from m2n.adapters.edge_host import ChannelEdge, Resolved
from m2n.dapr import DaprClient
from m2n.database import Database
from m2n.media import MediaLibrary
from m2n.service import Service
from m2n.settings import Settings
from m2n.tenant import ConnectionKind
from m2n.tenants import UnknownConnection
from services.webhooks.edge import Edge

GROUP = "m2n.channel_edges"


@dataclass(frozen=True)
class Host:
    service: Service
    edge: Edge
    database: Database
    redis: Redis
    media: MediaLibrary

    @property
    def app(self) -> FastAPI:
        return self.service.app

    @property
    def settings(self) -> Settings:
        return self.service.settings

    @property
    def dapr(self) -> DaprClient:
        return self.service.dapr

    async def find(self, channel: str, connection_id: str) -> Resolved:
        return await find(self.edge, channel, connection_id)

    async def connections(self, channel: str) -> tuple[Resolved, ...]:
        """Those that cannot be used, for want of a secret or of its tenant, are left out."""
        found: list[Resolved] = []
        for connection_id in await self.service.tenants.connection_ids(ConnectionKind.CHANNEL, channel):
            try:
                found.append(await self.edge.resolve(channel, connection_id))
            except HTTPException:
                continue
        return tuple(found)

    async def keep(self, parsed: Parsed, resolved: Resolved) -> None:
        await self.edge.keep(parsed, resolved)


async def find(edge: Edge, channel: str, connection_id: str) -> Resolved:
    """Raises UnknownConnection, and HTTPException 503."""
    try:
        return await edge.resolve(channel, connection_id)
    except HTTPException as refused:
        if refused.status_code == 404:
            raise UnknownConnection(connection_id) from refused
        raise


def installed_edges() -> tuple[ChannelEdge, ...]:
    return tuple(point.load() for point in sorted(entry_points(group=GROUP), key=lambda found: found.name))


@asynccontextmanager
async def opened(edges: Iterable[ChannelEdge], host: Host) -> AsyncIterator[None]:
    """Open whatever the channels need beside their webhooks."""
    async with AsyncExitStack() as stack:
        for edge in edges:
            await stack.enter_async_context(edge.open(host))
        yield
