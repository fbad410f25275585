"""The delivery service: messages to the vendors, results back to the lanes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from redis.asyncio import Redis

from m2n import clock
from m2n.adapters.registry import UnknownAdapter, channel
from m2n.crash_points import crash_point
from m2n.dapr import NotTaken
from m2n.database import open_database
from m2n.events import OUTBOUND, SIGNALS, CustomerSignal, OutboundBatch
from m2n.lanes import tell_lane
from m2n.media import media_library
from m2n.service import Service, background
from m2n.store_clock import database_time
from m2n.telemetry import log
from m2n.tenants import UnknownConnection, UnknownTenant
from services.delivery.batch import BatchSender, NoRoute, Route
from services.delivery.outgoing_media import OutgoingMedia
from services.delivery.rates import Rates
from services.delivery.sending import Sender
from services.delivery.sent_store import SentStore
from services.delivery.signals import Signals
from services.delivery.vendor_calls import vendor_calls

service = Service("delivery")
app = service.app


@service.resource
@asynccontextmanager
async def sending() -> AsyncIterator[None]:
    client, database = open_database(service.settings)
    store = SentStore(database)

    async def index() -> None:
        """Beside the start, which does not wait for MongoDB: what comes meanwhile waits in its topic."""
        await store.prepare()
        await asyncio.Event().wait()

    settings = service.settings
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(client)
        await opened.enter_async_context(database_time(database, settings))
        await opened.enter_async_context(background("index of what was sent", index)())
        vendors = await opened.enter_async_context(vendor_calls(service.dapr, settings.private_hosts))
        redis = await opened.enter_async_context(Redis.from_url(settings.redis_url.get_secret_value()))
        library = await opened.enter_async_context(media_library(settings, database))
        media, sender = OutgoingMedia(library, vendors.http), Sender(store, vendors, clock.now)
        app.state.batches = BatchSender(sender, find_route, settings.public_url, Rates(redis), media)
        app.state.signals = Signals(vendors, find_route)
        yield


async def find_route(tenant: str, connection_id: str) -> Route:
    try:
        snapshot, connection = await service.tenants.connection(connection_id)
        if snapshot.tenant.id != tenant:
            raise NoRoute("the connection is another tenant's")
        return Route(channel(connection.adapter), connection, await service.tenants.secrets(connection))
    except (UnknownConnection, UnknownTenant) as gone:
        raise NoRoute("the connection does not exist any more") from gone
    except (UnknownAdapter, NotTaken) as missing:
        raise NoRoute(f"the connection is not complete: {type(missing).__name__}") from missing


@service.on(SIGNALS, CustomerSignal)
async def signals(event: CustomerSignal) -> None:
    await app.state.signals.show(event)


@service.on(OUTBOUND, OutboundBatch)
async def outbound(batch: OutboundBatch) -> None:
    """A repeat finds the records of the first try and only reports again."""
    report = await app.state.batches.send(batch)
    for result in report.results:
        if result.error:
            log().warning(
                "message not accepted",
                tenant=batch.tenant,
                message=result.message_id,
                code=result.error.code,
                outcome=result.outcome.value,
            )
    crash_point("delivery.before-report")
    if report.results or report.retry_after_s is not None:
        await tell_lane(service.dapr, report)
