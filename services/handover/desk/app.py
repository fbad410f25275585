"""The built-in agent desk: turns become conversations, agents work on them through an API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from m2n.adapters.desk_service import serve_desk
from m2n.api_errors import add_error_answers
from m2n.database import open_database
from m2n.events import Reply
from m2n.lanes import LaneRefused, told_lane
from m2n.media import media_library
from m2n.media_store import MediaStoreUnavailable
from m2n.service import Service
from m2n.settings import Settings
from services.handover.desk import routes, uploads
from services.handover.desk.access import DeskApi
from services.handover.desk.adapter import BuiltinDesk
from services.handover.desk.replies import SERVICE
from services.handover.desk.shown import AgentView
from services.handover.desk.store import Conversations
from services.handover.desk.uploads import MAX_UPLOAD_BYTES
from services.handover.desk.work import AgentWork

client, database = open_database(Settings())  # pyright: ignore[reportCallIssue]
conversations = Conversations(database)


async def publish(reply: Reply) -> None:
    """Straight to the lane, not over a topic: one agent's messages keep the order in which they were answered 200."""
    answer = await told_lane(service.dapr, reply.tenant, reply.profile_id, "reply", reply)
    if answer.result == "refused":
        raise LaneRefused(answer.why)


service = Service(SERVICE, max_body_bytes=MAX_UPLOAD_BYTES)
serve_desk(service, BuiltinDesk(conversations, publish))
app = service.app
add_error_answers(app, MediaStoreUnavailable)
app.include_router(routes.router)
app.include_router(uploads.router)


@service.resource
@asynccontextmanager
async def opened_store() -> AsyncIterator[None]:
    async with client, media_library(service.settings, database) as library:
        await conversations.prepare()
        work, view = AgentWork(conversations, publish), AgentView(library, database)
        app.state.desk_api = DeskApi(service.tenants, conversations, work, view, library)
        yield
