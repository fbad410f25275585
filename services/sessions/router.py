"""Who gets a turn: the engine or desk that the tenant's rules name, or the lane itself.

No service of its own: it decides from what the lane has in its hands when the turn opens, and a hop would cost each
message more than the decision.
"""

from dataclasses import dataclass
from datetime import datetime

from m2n.events import Action, Reply, Turn, desk_topic, engine_topic
from m2n.message import Author, Content, Hop, TextContent
from m2n.routing import Closed, HandOver, Impossible, ToDesk, ToEngine, route
from m2n.tenant import Tenant

SERVICE = "sessions"


@dataclass(frozen=True)
class Routed:
    """The turn as it is given to whoever listens to the topic."""

    topic: str
    turn: Turn


def routed(turn: Turn, tenant: Tenant, now: datetime) -> Routed | Reply:
    """Where the turn goes, or what the lane is to do with it: hand over, say that it is closed, take a failure."""
    match route(turn, tenant, now):
        case ToEngine() | ToDesk() as chosen:
            return _given_to(turn, chosen, tenant, now)
        case HandOver(reason, because):
            return _reply(turn, Action.HAND_OVER, because, now).model_copy(update={"reason": reason})
        case Closed(because):
            text = tenant.texts.sentence("closed", turn.session.language)
            return _reply(turn, Action.ANSWER, because, now, TextContent(text=text))
        case Impossible(because):
            return _reply(turn, Action.FAILED, because, now)


def _given_to(turn: Turn, chosen: ToEngine | ToDesk, tenant: Tenant, now: datetime) -> Routed | Reply:
    connection = tenant.connection(chosen.connection)
    if connection is None:
        return _reply(turn, Action.FAILED, f"the connection {chosen.connection!r} does not exist", now)
    topic = engine_topic(connection.adapter) if isinstance(chosen, ToEngine) else desk_topic(connection.adapter)
    hop = Hop(service=SERVICE, did=f"to {connection.id}: {chosen.because}", at=now)
    changes = {"connection": connection.id, "routed_because": chosen.because, "trail": (*turn.trail, hop)}
    return Routed(topic, turn.model_copy(update=changes))


def _reply(turn: Turn, action: Action, because: str, now: datetime, *messages: Content) -> Reply:
    return Reply(
        id=f"{turn.id}.router.{turn.session.epoch}.{action.value}",
        tenant=turn.session.tenant,
        profile_id=turn.session.profile_id,
        session_id=turn.session.session_id,
        epoch=turn.session.epoch,
        action=action,
        turn_id=turn.id,
        author=Author.SYSTEM,
        messages=messages,
        because=because,
        at=now,
        trail=(*turn.trail, Hop(service=SERVICE, did=f"{action.value}: {because}", at=now)),
    )
