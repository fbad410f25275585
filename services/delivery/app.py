"""The delivery service: messages to the vendors, results back to the lanes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from m2n import clock
from m2n.adapters.registry import UnknownAdapter, channel
from m2n.crash_points import crash_point
from m2n.dapr import NotTaken
from m2n.database import open_database
from m2n.events import OUTBOUND, OutboundBatch
from m2n.lanes import tell_lane
from m2n.message import Outbound
from m2n.service import Service, background
from m2n.store_clock import database_time
from m2n.telemetry import log
from m2n.tenants import UnknownConnection, UnknownTenant
from services.delivery.batch import BatchSender, NoRoute, Route
from services.delivery.sending import Sender
from services.delivery.sent_store import SentStore
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

    async with AsyncExitStack() as opened:
        await opened.enter_async_context(client)
        await opened.enter_async_context(database_time(database, service.settings))
        await opened.enter_async_context(background("index of what was sent", index)())
        calls = await opened.enter_async_context(vendor_calls(service.dapr))
        app.state.batches = BatchSender(Sender(store, calls, clock.now), find_route, service.settings.public_url)
        yield


async def find_route(message: Outbound) -> Route:
    try:
        snapshot, connection = await service.tenants.connection(message.address.connection)
        if snapshot.tenant.id != message.tenant:
            raise NoRoute("the connection is another tenant's")
        return Route(channel(connection.adapter), connection, await service.tenants.secrets(connection))
    except (UnknownConnection, UnknownTenant) as gone:
        raise NoRoute("the connection does not exist any more") from gone
    except (UnknownAdapter, NotTaken) as missing:
        raise NoRoute(f"the connection is not complete: {type(missing).__name__}") from missing


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
