"""The service around a desk adapter: turns and notices come in, the lane hears what was taken."""

from typing import Annotated, Any

from pydantic import Field

from m2n import clock
from m2n.adapters.desk import ConversationOver, Desk, DeskContext
from m2n.events import Action, DeskNoted, DeskNotice, Reply, Turn, desk_topic
from m2n.lanes import tell_lane
from m2n.message import Author, Hop
from m2n.service import Service
from m2n.telemetry import log
from m2n.tenant import Connection, ConnectionKind
from m2n.tenants import TenantDirectory, UnknownConnection

DeskEvent = Annotated[Turn | DeskNotice, Field(discriminator="kind")]


class MisroutedTurn(Exception):
    """The turn names a connection that is not a connection of its tenant to this desk."""


def desk_service(desk: Desk, app_id: str) -> Service:
    """A service of the desk's own."""
    service = Service(app_id)
    serve_desk(service, desk)
    return service


def serve_desk(service: Service, desk: Desk) -> None:
    """Let the service give the turns of topic ``desk.<name>`` to the desk.

    A turn may come twice; the desk takes it once, and both answers have one id. While the desk is unavailable the
    turn comes again.
    """

    @service.on(desk_topic(desk.name), DeskEvent)
    async def events(event: Turn | DeskNotice) -> None:
        if isinstance(event, DeskNotice):
            await desk.notice(event)
            return await tell_lane(service.dapr, _noted(event))
        reply = await _offered(desk, event, service.tenants, service.name)
        if reply:
            await tell_lane(service.dapr, reply)


def _noted(notice: DeskNotice) -> DeskNoted:
    return DeskNoted(tenant=notice.tenant, profile_id=notice.profile_id, notice_id=notice.id)


async def _offered(desk: Desk, turn: Turn, tenants: TenantDirectory, app_id: str) -> Reply | None:
    """What the lane is to hear; None when it hears of the conversation's end instead."""
    try:
        connection = await _connection(desk, turn, tenants)
    except MisroutedTurn as misrouted:
        log().error("turn not for this desk", tenant=turn.session.tenant, turn=turn.id, why=str(misrouted))
        return failed(turn, str(misrouted))
    try:
        await desk.take(turn, DeskContext(connection, await tenants.secrets(connection)))
    except ConversationOver:
        session = turn.session
        log().info("turn of an ended conversation", tenant=session.tenant, session=session.session_id, turn=turn.id)
        return None
    return taken(turn, app_id)


async def _connection(desk: Desk, turn: Turn, tenants: TenantDirectory) -> Connection:
    """Raises MisroutedTurn."""
    try:
        snapshot, connection = await tenants.connection(turn.connection or "")
    except UnknownConnection as unknown:
        raise MisroutedTurn("the desk's connection does not exist any more") from unknown
    if snapshot.tenant.id != turn.session.tenant:
        raise MisroutedTurn("the desk's connection is not the tenant's")
    if connection.kind is not ConnectionKind.DESK or connection.adapter != desk.name:
        raise MisroutedTurn("the connection is not one to this desk")
    return connection


def taken(turn: Turn, app_id: str) -> Reply:
    hop = Hop(service=app_id, did="shown to the agents", at=clock.now())
    id_ = f"{turn.id}.taken.{turn.session.epoch}"
    return Reply(**_addressed(turn), id=id_, action=Action.TAKEN, at=hop.at, trail=(*turn.trail, hop))


def failed(turn: Turn, because: str) -> Reply:
    id_ = f"{turn.id}.desk_failed.{turn.session.epoch}"
    return Reply(**_addressed(turn), id=id_, action=Action.FAILED, because=because, at=clock.now(), trail=turn.trail)


def _addressed(turn: Turn) -> dict[str, Any]:
    session = turn.session
    return {
        "tenant": session.tenant,
        "profile_id": session.profile_id,
        "session_id": session.session_id,
        "epoch": session.epoch,
        "turn_id": turn.id,
        "author": Author.SYSTEM,
    }
