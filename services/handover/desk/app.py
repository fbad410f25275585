"""The built-in agent desk: turns become conversations, agents work on them through an API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from m2n.adapters.desk_service import desk_service
from m2n.api_errors import add_error_answers
from m2n.database import open_database
from m2n.events import Reply
from m2n.lanes import LaneRefused, told_lane
from m2n.settings import Settings
from services.handover.desk import routes
from services.handover.desk.access import DeskApi
from services.handover.desk.adapter import BuiltinDesk
from services.handover.desk.replies import SERVICE
from services.handover.desk.store import Conversations
from services.handover.desk.work import AgentWork

client, database = open_database(Settings())  # pyright: ignore[reportCallIssue]
conversations = Conversations(database)


async def publish(reply: Reply) -> None:
    """Straight to the lane, not over a topic: one agent's messages keep the order in which they were answered 200."""
    answer = await told_lane(service.dapr, reply.tenant, reply.profile_id, "reply", reply)
    if answer.result == "refused":
        raise LaneRefused(answer.why)


@asynccontextmanager
async def opened_store() -> AsyncIterator[None]:
    try:
        await conversations.prepare()
        yield
    finally:
        await client.close()


service = desk_service(BuiltinDesk(conversations, publish), SERVICE)
service.resource(opened_store)
app = service.app
app.state.desk_api = DeskApi(service.tenants, conversations, AgentWork(conversations, publish))
add_error_answers(app)
app.include_router(routes.router)
