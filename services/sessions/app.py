"""The sessions service: hosts the session actors and brings them what the topics say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

from dapr.actor import ActorRuntime
from dapr.actor.runtime.config import ActorRuntimeConfig
from dapr.ext.fastapi import DaprActor
from fastapi import HTTPException, Query
from pydantic import Field

from m2n.dapr import DaprUnavailable, PooledActorClient
from m2n.database import Database, open_database
from m2n.events import RECEIPTS, REPLIES, ConsentReport, DeliveryReport, DeskNoted, Reply
from m2n.lanes import ACTOR_TYPE, LaneAnswer, bring_to_lane, call_lane
from m2n.message import Model
from m2n.serialization import JsonSerializer
from m2n.service import Service, background
from m2n.store_clock import database_time
from services.sessions.actor import SessionActor
from services.sessions.lane_store import LaneStore
from services.sessions.ports import Ports
from services.sessions.recordings import Recordings
from services.sessions.transcript import Transcript
from services.sessions.wake_ups import LaneWaker, WakeUps, keep_reminded

service = Service("sessions")
app = service.app


DRAIN = timedelta(milliseconds=500)
"""When lanes are given to other hosts, the sidecar waits so long for the calls that are under way. Those wait for it in
turn, because it lets no state call pass meanwhile: all lanes stand still until it cancels them, so this is short."""

END_WITHIN_S = 1.0

DaprActor(app)

ReceiptEvent = Annotated[DeliveryReport | DeskNoted | ConsentReport, Field(discriminator="kind")]


@service.resource
@asynccontextmanager
async def hosting() -> AsyncIterator[None]:
    client, database = open_database(service.settings)
    transcript, lanes = Transcript(database), LaneStore(database)
    await asyncio.gather(transcript.prepare(), lanes.prepare())
    SessionActor.ports = Ports(service.dapr, lanes, transcript, await _recordings(database))
    SessionActor.directory = service.tenants
    ActorRuntime.set_actor_config(
        ActorRuntimeConfig(
            actor_idle_timeout=timedelta(minutes=10),
            actor_scan_interval=timedelta(seconds=30),
            drain_ongoing_call_timeout=DRAIN,
            drain_rebalanced_actors=True,
            actor_type_configs=[],
        )
    )
    LaneWaker.wake_ups = WakeUps(lanes, wake)
    serializer, actors = JsonSerializer(), PooledActorClient(service.dapr)
    for actor in (SessionActor, LaneWaker):
        await ActorRuntime.register_actor(
            actor, message_serializer=serializer, state_serializer=serializer, actor_client=actors
        )
    app.state.transcript = transcript
    async with database_time(database, service.settings):
        yield
    await _written()
    await client.close()


async def wake(lane: str) -> LaneAnswer:
    tenant, _, profile_id = lane.partition(":")
    return await call_lane(service.dapr, tenant, profile_id, "wake", Model())


service.resource(background("waker", partial(keep_reminded, service.dapr)))


async def _written() -> None:
    """What is not written now is written by the lanes' next host."""
    with suppress(TimeoutError):
        async with asyncio.timeout(END_WITHIN_S):
            await SessionActor.ports.beside.finish()


async def _recordings(database: Database) -> Recordings | None:
    days = service.settings.recordings_days
    if days == 0:
        return None
    recordings = Recordings(database, timedelta(days=days))
    await recordings.prepare()
    return recordings


@service.on(REPLIES, Reply)
async def replies(reply: Reply) -> None:
    """What could not be brought to its lane directly (see m2n.lanes.tell_lane)."""
    await bring_to_lane(service.dapr, reply)


@service.on(RECEIPTS, ReceiptEvent)
async def receipts(event: DeliveryReport | DeskNoted | ConsentReport) -> None:
    await bring_to_lane(service.dapr, event)


@app.get("/internal/tenants/{tenant}/sessions/{session_id}/messages")
async def transcript(
    tenant: str,
    session_id: str,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> list[dict[str, Any]]:
    """A session's transcript, in order, for the other services."""
    return await app.state.transcript.of_session(tenant, session_id, after, limit)


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    """Whether the actors can be reached: the sidecar has told placement of this host."""
    try:
        answer = await service.dapr.request("GET", "/metadata")
    except DaprUnavailable as down:
        raise HTTPException(503, "the sidecar is not ready") from down
    types = [entry.get("type") for entry in answer.json().get("actorRuntime", {}).get("activeActors", [])]
    if ACTOR_TYPE not in types:
        raise HTTPException(503, "the actor type is not registered yet")
    return {"status": "ok"}
