"""What the webhooks service offers to a channel that needs more of it than a webhook: routes, sockets, jobs of its own.

Such a channel names a ``ChannelEdge`` in the entry-point group ``m2n.channel_edges``.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from m2n.adapters.channel import Channel, Parsed, WebhookRequest
from m2n.dapr import DaprClient
from m2n.database import Database
from m2n.media import MediaLibrary
from m2n.service import Service
from m2n.settings import Settings
from m2n.tenant import Connection, Tenant


@dataclass(frozen=True)
class Resolved:
    """A connection that may be posted to, with its adapter and secrets."""

    tenant: Tenant
    connection: Connection
    channel: Channel
    secrets: Mapping[str, str] = field(repr=False)


def as_received(site: str, request: HTTPConnection, method: str, body: bytes) -> WebhookRequest:
    """The request with the address that its sender signed: the public ``site``, then path and query as they came."""
    path, query = request.scope["raw_path"].decode("latin-1"), request.scope["query_string"].decode("latin-1")
    return WebhookRequest(
        method=method,
        url=site.rstrip("/") + path.partition("?")[0] + (f"?{query}" if query else ""),
        headers=dict(request.headers),
        body=body,
        remote=request.client.host if request.client else "",
    )


class EdgeHost(Protocol):
    """The webhooks service as a channel's own routes see it."""

    @property
    def app(self) -> FastAPI: ...
    @property
    def service(self) -> Service: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def redis(self) -> Redis: ...
    @property
    def dapr(self) -> DaprClient: ...
    @property
    def media(self) -> MediaLibrary: ...

    async def find(self, channel: str, connection_id: str) -> Resolved:
        """The connection, if it is one to this channel and has its secrets.

        Raises LookupError, and HTTPException 503 when the tenants cannot be asked now.
        """
        ...

    async def connections(self, channel: str) -> tuple[Resolved, ...]:
        """Every tenant's connections to the channel. Raises DaprUnavailable."""
        ...

    async def keep(self, parsed: Parsed, resolved: Resolved) -> None:
        """As for a webhook: onto the queue, receipts into the database, unreadable parts set aside.

        When it returns, nothing of it can be lost any more. Raises HTTPException 503 when it was not taken.
        """
        ...


class Find(Protocol):
    """``EdgeHost.find``, also where there is no host yet."""

    async def __call__(self, channel: str, connection_id: str) -> Resolved: ...


class ChannelEdge(Protocol):
    """What an entry point of ``m2n.channel_edges`` names an instance of."""

    def open(self, host: EdgeHost) -> AbstractAsyncContextManager[None]:
        """Open as long as the service runs: add routes, start jobs (``m2n.service.background``)."""
        ...

    def middleware(self, app: ASGIApp, find: Find) -> ASGIApp:
        """What stands before all requests of the service; ``app`` itself where that is nothing."""
        ...


class EdgeDefaults:
    def middleware(self, app: ASGIApp, find: Find) -> ASGIApp:
        return app
