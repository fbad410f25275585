"""The router: gives each turn to the engine or desk that the tenant's rules name."""

from m2n import clock
from m2n.events import TURNS, Action, Reply, Turn, desk_topic, engine_topic
from m2n.lanes import tell_lane
from m2n.message import Author, Content, Hop, TextContent
from m2n.routing import Closed, Decision, HandOver, Impossible, ToDesk, ToEngine, route
from m2n.service import Service
from m2n.telemetry import log
from m2n.tenant import Tenant
from m2n.tenants import UnknownTenant

service = Service("router")
app = service.app


@service.on(TURNS, Turn)
async def turns(turn: Turn) -> None:
    """A repeat is routed again: the lane takes one answer a turn, desks take a line once."""
    try:
        tenant = (await service.tenants.tenant(turn.session.tenant)).tenant
    except UnknownTenant:
        return await _reply(turn, Action.FAILED, "the tenant is not known any more")
    decision = route(turn, tenant, clock.now())
    log().info(
        "routed",
        tenant=tenant.id,
        turn=turn.id,
        decision=type(decision).__name__,
        why=decision.because.split(" phrase ")[0],
    )
    await _carry_out(turn, decision, tenant)


async def _carry_out(turn: Turn, decision: Decision, tenant: Tenant) -> None:
    match decision:
        case ToEngine() | ToDesk():
            await _hand_to(turn, decision, tenant)
        case HandOver():
            await _reply(turn, Action.HAND_OVER, decision.because, decision=decision)
        case Closed():
            text = tenant.texts.sentence("closed", turn.session.language)
            await _reply(turn, Action.ANSWER, decision.because, messages=(TextContent(text=text),))
        case Impossible():
            await _reply(turn, Action.FAILED, decision.because)


async def _hand_to(turn: Turn, decision: ToEngine | ToDesk, tenant: Tenant) -> None:
    connection = tenant.connection(decision.connection)
    if connection is None:
        return await _reply(turn, Action.FAILED, f"the connection {decision.connection!r} does not exist")
    is_engine = isinstance(decision, ToEngine)
    topic = engine_topic(connection.adapter) if is_engine else desk_topic(connection.adapter)
    changes = {
        "connection": connection.id,
        "routed_because": decision.because,
        "trail": (*turn.trail, Hop(service="router", did=f"to {connection.id}: {decision.because}", at=clock.now())),
    }
    await service.dapr.publish(topic, turn.model_copy(update=changes))


async def _reply(
    turn: Turn, action: Action, because: str, messages: tuple[Content, ...] = (), decision: HandOver | None = None
) -> None:
    reply = Reply(
        id=f"{turn.id}.router.{turn.session.epoch}.{action.value}",
        tenant=turn.session.tenant,
        profile_id=turn.session.profile_id,
        session_id=turn.session.session_id,
        epoch=turn.session.epoch,
        action=action,
        turn_id=turn.id,
        author=Author.SYSTEM,
        messages=messages,
        reason=decision.reason if decision else None,
        because=because,
        at=clock.now(),
        trail=(*turn.trail, Hop(service="router", did=f"{action.value}: {because}", at=clock.now())),
    )
    await tell_lane(service.dapr, reply)
