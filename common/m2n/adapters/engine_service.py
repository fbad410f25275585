"""The service around an engine adapter: turns come in, replies go out."""

from typing import Any

from m2n import clock
from m2n.adapters.engine import Engine, EngineAnswer, EngineContext
from m2n.events import Action, HandoverReason, Reply, Turn, engine_topic
from m2n.lanes import tell_lane
from m2n.message import Author, Hop
from m2n.service import Service
from m2n.telemetry import log
from m2n.tenants import UnknownConnection


def engine_service(engine: Engine, app_id: str) -> Service:
    """A service that answers the turns of topic ``engine.<name>`` with the engine.

    A turn may come twice; both answers name the same turn, and the lane takes the first.
    """
    service = Service(app_id)

    @service.on(engine_topic(engine.name), Turn)
    async def turns(turn: Turn) -> None:
        try:
            snapshot, connection = await service.tenants.connection(turn.connection or "")
        except UnknownConnection:
            return await tell_lane(service.dapr, _failed(turn, "the engine's connection does not exist any more"))
        if snapshot.tenant.id != turn.session.tenant:
            log().error("turn names a foreign connection", tenant=turn.session.tenant, turn=turn.id)
            return await tell_lane(service.dapr, _failed(turn, "the engine's connection is not the tenant's"))
        secrets = await service.tenants.secrets(connection)
        answer = await engine.answer(turn, EngineContext(connection, secrets, snapshot.version))
        await tell_lane(service.dapr, _reply(turn, answer, service.name))

    return service


def _reply(turn: Turn, answer: EngineAnswer, app_id: str) -> Reply:
    did = f"answered {answer.intent or 'nothing'}" + (f" ({answer.confidence:.2f})" if answer.confidence else "")
    return Reply(
        **_addressed(turn),
        action=Action.ANSWER,
        author=Author.BOT,
        messages=answer.messages,
        reason=HandoverReason.ENGINE if answer.handover else None,
        because=answer.because,
        intent=answer.intent,
        confidence=answer.confidence,
        language=answer.language,
        fallback=answer.fallback,
        end_session=answer.end_session,
        at=clock.now(),
        trail=(*turn.trail, Hop(service=app_id, did=did, at=clock.now())),
    )


def _failed(turn: Turn, because: str) -> Reply:
    return Reply(
        **_addressed(turn),
        action=Action.FAILED,
        author=Author.SYSTEM,
        because=because,
        at=clock.now(),
        trail=turn.trail,
    )


def _addressed(turn: Turn) -> dict[str, Any]:
    session = turn.session
    return {
        "id": f"{turn.id}.engine.{session.epoch}",
        "tenant": session.tenant,
        "profile_id": session.profile_id,
        "session_id": session.session_id,
        "epoch": session.epoch,
        "turn_id": turn.id,
    }
