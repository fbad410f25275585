"""The webhooks service: the vendors' way in, and the web chat's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request, Response
from redis.asyncio import Redis

from m2n.dapr import DaprUnavailable, NotTaken
from m2n.database import Database, open_database
from m2n.dead_letter_returns import ROUTE, letter_under_way
from m2n.deadletters import Source
from m2n.message_statuses import MessageStatuses
from m2n.queue import open_queue
from m2n.service import Service, background
from m2n.store_clock import database_time
from m2n.tenants import UnknownConnection
from services.channels.webchat.cors import WebChatCors
from services.channels.webchat.inbox import VisitorInbox
from services.channels.webchat.routes import Resolved as Chat
from services.channels.webchat.routes import router as webchat_router
from services.channels.webchat.wakeups import WakeUps
from services.webhooks.edge import TRY_AGAIN, Edge

MAX_WEBHOOK_BYTES = 3 * 1024 * 1024
"""Meta's batches are up to 3 MB, the largest of the vendors'."""

service = Service("webhooks", max_body_bytes=MAX_WEBHOOK_BYTES)
app = service.app


@service.resource
@asynccontextmanager
async def edge() -> AsyncIterator[None]:
    client, database = open_database(service.settings)
    async with client, open_queue(service.settings) as queue, database_time(database, service.settings):
        statuses, public_url = MessageStatuses(database), service.settings.public_url
        app.state.edge = Edge(service.tenants, statuses, queue, service.keeper, public_url)
        async with webchat(database):
            yield


@asynccontextmanager
async def webchat(database: Database) -> AsyncIterator[None]:
    async with Redis.from_url(service.settings.redis_url.get_secret_value()) as redis:
        wakeups = WakeUps(redis)
        inbox = VisitorInbox(database, wakeups)
        await inbox.prepare()
        app.include_router(webchat_router(find_chat, inbox))
        async with background("webchat wake-ups", wakeups.listen)():
            yield


async def find_chat(connection_id: str) -> Chat:
    try:
        snapshot, connection = await service.tenants.connection(connection_id)
        return Chat(snapshot.tenant.id, connection, await service.tenants.secrets(connection))
    except NotTaken as missing:
        raise UnknownConnection(connection_id) from missing
    except DaprUnavailable as down:
        raise TRY_AGAIN from down


app.add_middleware(WebChatCors, lookup=find_chat)


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
