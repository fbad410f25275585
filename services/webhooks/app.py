"""The webhooks service: the vendors' way in, and what the installed channels open beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request, Response
from redis.asyncio import Redis

from m2n.adapters.edge_host import Resolved
from m2n.database import open_database
from m2n.dead_letter_returns import ROUTE, letter_under_way
from m2n.deadletters import Source
from m2n.media import media_library
from m2n.message_statuses import MessageStatuses
from m2n.queue import open_queue
from m2n.sent_receipts import SentReceipts
from m2n.service import Service, background
from m2n.store_clock import database_time
from services.webhooks import media_routes
from services.webhooks.edge import Edge
from services.webhooks.host import Host, find, installed_edges, opened
from services.webhooks.receipts import Receipts

MAX_WEBHOOK_BYTES = 3 * 1024 * 1024
"""Meta's batches are up to 3 MB, the largest of the vendors'."""

service = Service("webhooks", max_body_bytes=MAX_WEBHOOK_BYTES)
app = service.app
EDGES = installed_edges()


@service.resource
@asynccontextmanager
async def edge() -> AsyncIterator[None]:
    settings = service.settings
    client, database = open_database(settings)
    async with (
        client,
        open_queue(settings) as queue,
        database_time(database, settings),
        Redis.from_url(settings.redis_url.get_secret_value()) as redis,
        media_library(settings, database) as media,
    ):
        await media.prepare()
        sent = SentReceipts(database)
        await sent.prepare()
        receipts = Receipts(MessageStatuses(database), sent, service.dapr)
        app.state.edge = Edge(service.tenants, receipts, queue, service.keeper, settings.public_url)
        app.include_router(media_routes.router(media, settings.link_key.get_secret_value()))
        host = Host(service, app.state.edge, database, redis, media)
        async with background("receipts that wait", receipts.settle_waiting)(), opened(EDGES, host):
            yield


async def find_connection(channel: str, connection_id: str) -> Resolved:
    return await find(app.state.edge, channel, connection_id)


for channel_edge in EDGES:
    app.add_middleware(channel_edge.middleware, find=find_connection)  # pyright: ignore[reportArgumentType]


@app.api_route("/webhooks/{channel}/{connection_id}", methods=["GET", "POST"])
async def webhook(channel: str, connection_id: str, request: Request) -> Response:
    """A vendor's request: 2xx only after the queue has its messages."""
    return await app.state.edge.take(channel, connection_id, request)


@app.post(ROUTE, status_code=204)
async def put_back(letter_id: str, redrive_id: str) -> Response:
    """Read a part of a webhook again that was set aside, for the service that redrives. May be repeated."""
    letter = await letter_under_way(service.dead_letters, Source.WEBHOOK, letter_id, redrive_id)
    channel, _, connection_id = letter.topic.partition("/")
    await app.state.edge.take_again(channel, connection_id, letter.body)
    return Response(status_code=204)
