"""The identification service: from the queue to the customer's profile and lane."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import ClientTimeout
from fastapi import HTTPException
from ulid import ULID

from m2n.api_errors import add_error_answers
from m2n.dapr import DaprUnavailable, NotTaken
from m2n.database import open_database
from m2n.guarded_http import guarded_http
from m2n.lanes import LaneAnswer, call_lane
from m2n.media import media_library
from m2n.message import Inbound
from m2n.queue import InboundQueue, open_queue
from m2n.service import Service, background
from services.identification import dead_letter_routes, media_intake
from services.identification.dead_letter_queue import DeadLetterQueue
from services.identification.intake import Intake, Passing
from services.identification.profiles import Profiles

service = Service("identification", follows_tenants=False)
app = service.app
_media: list[media_intake.MediaIntake] = []
"""Where media are kept, while the service runs."""
profiles = Profiles(service.dapr, lambda: str(ULID()))
_queues: list[InboundQueue] = []
"""The queue while it is received from."""


async def deliver(message: Inbound) -> LaneAnswer:
    """Bring a message to its customer's lane; the lane's word comes back."""
    try:
        profile_id = await profiles.profile_of(message)
        message = await _media[-1].with_media(message)
        return await call_lane(service.dapr, message.tenant, profile_id, "accept", message)
    except DaprUnavailable as failed:
        raise Passing(str(failed)) from failed
    except NotTaken as refused:
        return LaneAnswer(result="failed", why=str(refused))


@service.resource
@asynccontextmanager
async def media() -> AsyncIterator[None]:
    settings = service.settings
    client, database = open_database(settings)
    patience = ClientTimeout(total=None, sock_connect=5, sock_read=30)
    async with (
        client,
        media_library(settings, database) as library,
        guarded_http(settings.private_hosts, patience=patience, limit=64) as http,
    ):
        intake = media_intake.MediaIntake(library, http, service.tenants)
        _media.append(intake)
        async with (
            background("media put off", intake.try_again)(),
            background("old media", partial(intake.remove_old, settings.media_days))(),
        ):
            yield


async def receive() -> None:
    async with open_queue(service.settings) as queue:
        _queues.append(queue)
        try:
            await Intake(queue, deliver).run()
        finally:
            _queues.remove(queue)


async def collect_dead_letters() -> None:
    async with open_queue(service.settings) as queue:
        await DeadLetterQueue(queue, service.keeper.store).run()


def open_now() -> InboundQueue | None:
    return _queues[-1] if _queues else None


service.resource(background("intake", receive))
service.resource(background("dead-letter queue", collect_dead_letters))
app.state.returns = dead_letter_routes.Returns(service.dead_letters, open_now)
add_error_answers(app)
app.include_router(dead_letter_routes.router)


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    if open_now() is None:
        raise HTTPException(503, "not connected to the queue")
    return {"status": "ok"}
