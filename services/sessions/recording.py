"""Recording a step of a lane, precise enough to do it again from the record and compare. Pure functions."""

from typing import Any

from pydantic_core import to_json as any_to_json

from m2n.events import ConsentReport, DeliveryReport, DeskNoted, Reply
from m2n.keys import digest, vendor_key
from m2n.message import Content, Inbound, Model
from m2n.tenant import TenantSnapshot
from services.sessions.domain import Result, Step, StepOutcome, applied_key, next_due
from services.sessions.lane import EventEntry, Handover, Lane, OpenTurn, Session, TranscriptLine
from services.sessions.step_record import Kind, StepRecord

Event = Inbound | Reply | DeliveryReport | DeskNoted | ConsentReport
KINDS: dict[type[Event], Kind] = {
    Inbound: "accept",
    Reply: "reply",
    DeliveryReport: "delivered",
    DeskNoted: "noted",
    ConsentReport: "consent",
}
IN_MIND_AT_MOST = 16
"""So many records of steps without effect wait in memory for the lane's next save; more are not made."""
WITHOUT_EFFECT_BYTES = 8_000
"""Longest event of a step without effect that is recorded, in characters of JSON."""
LONGEST_KEPT = 200_000
"""Longest event and longest state that are kept, in characters of JSON: a lane's document has to stay far below
MongoDB's 16 MB. A step whose event is longer is recorded without it, and cannot be replayed."""
Named = list[tuple[str, Content]]


class TenantUsed(Model):
    """The tenant that a step was decided by: the version, and the digest of what its decisions may look at."""

    version: int
    digest: str
    document: str


def tenant_used(snapshot: TenantSnapshot) -> TenantUsed:
    """Without the connections' settings and secrets: adapters read those, lanes do not."""
    bare = tuple(each.model_copy(update={"settings": {}, "secrets": {}}) for each in snapshot.tenant.connections)
    document = snapshot.tenant.model_copy(update={"connections": bare}).model_dump_json()
    return TenantUsed(version=snapshot.version, digest=digest(document), document=document)


def perform(step: Step, event: Event | None) -> StepOutcome:
    """The step that the event asks for, None being a tick. No id of a bucket is among what is recorded."""
    match event:
        case Inbound():
            return step.accept(event, frozenset())
        case Reply():
            return step.reply(event, frozenset())
        case DeliveryReport():
            return step.delivered(event)
        case DeskNoted():
            return step.noted(event.notice_id)
        case ConsentReport():
            return step.consent(event)
    step.tick()
    return StepOutcome(Result.APPLIED)


def record(
    before: Lane, step: Step, event: Event | None, outcome: StepOutcome, tenant: TenantUsed
) -> StepRecord | None:
    """The record of a step that was just decided; None for one that is not worth it.

    Recorded are steps that change the lane, and refusals and duplicates within a session, which explain it.
    """
    text = event.model_dump_json(exclude_none=True, exclude={"trail"}) if event else None
    worth = _changed(before, step) if outcome.result is Result.APPLIED else _explains(before, event, outcome, text)
    if not worth:
        return None
    return StepRecord(
        step=before.steps + 1,
        at=step.now,
        after=before.stepped_at,
        kind=KINDS[type(event)] if event else "tick",
        sessions=_sessions(before, step.lane),
        tenant_version=tenant.version,
        tenant_digest=tenant.digest,
        event=_kept(text),
        before=_kept(_state(before)) if _begins(before, step.lane) else None,
        result=any_to_json(result_of(before, step, event, outcome), exclude_none=True).decode(),
    )


def recorded(lane: Lane, made: StepRecord) -> Lane:
    """The lane with the record in it."""
    return lane.model_copy(update={"steps": made.step, "stepped_at": made.at, "records": (*lane.records, made)})


def _kept(text: str | None) -> str | None:
    return text if text and len(text) <= LONGEST_KEPT else None


def _changed(before: Lane, step: Step) -> bool:
    return step.lane != before


def _explains(before: Lane, event: Event | None, outcome: StepOutcome, text: str | None) -> bool:
    """Bounded, since anybody can send the same again and again; an id of a full bucket is not in the record."""
    if before.session is None or len(before.records) >= IN_MIND_AT_MOST or len(text or "") > WITHOUT_EFFECT_BYTES:
        return False
    if outcome.result is Result.DUPLICATE:
        return _key(event) in before.applied.recent
    return outcome.result is Result.REFUSED


def _key(event: Event | None) -> str:
    match event:
        case Inbound():
            return applied_key("in", vendor_key(event))
        case Reply():
            return applied_key("reply", event.id)
    return ""


def _sessions(before: Lane, after: Lane) -> tuple[str, ...]:
    ids = [lane.session.id for lane in (before, after) if lane.session]
    return tuple(dict.fromkeys(ids))


def _begins(before: Lane, after: Lane) -> bool:
    """A replay can begin here: a session opens, or the lane has no earlier record."""
    if before.steps == 0:
        return True
    return after.session is not None and (before.session is None or before.session.id != after.session.id)


def _state(lane: Lane) -> str:
    return lane.model_dump_json(exclude_none=True, exclude={"outbox", "records"})


# -- what came of a step ---------------------------------------------------------------------------------------


def result_of(before: Lane, step: Step, event: Event | None, outcome: StepOutcome) -> dict[str, Any]:
    """What came of the step, in the order in which a reader wants to know it. What is empty is left out."""
    after = step.lane
    contents = _contents_of(event)
    fields = {
        "result": outcome.result.value,
        "why": outcome.why,
        "session": _session(after.session),
        **_outbox(before, after, contents),
        "messages": _messages(before, after, contents),
        "notices": [f"{e.adapter}: {e.notice.id}" for e in after.notices if e not in before.notices],
        "settled": _gone(before.to_send, after.to_send),
        "given_up": [each.message_id for each in step.given_up],
        "heard": _gone((e.notice for e in before.notices), (e.notice for e in after.notices)),
        "put_off_until": after.deferred_until,
        "deferrals": after.deferrals,
        "opt_outs": {name: opt_out.scope.value for name, opt_out in after.opt_outs.items()},
        "due": next_due(after, step.tenant, step.now),
    }
    return _filled(fields)


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _session(session: Session | None) -> dict[str, Any] | None:
    if session is None:
        return None
    fields = {
        "id": session.id,
        "previous": session.previous_id,
        "owner": session.owner.value,
        "epoch": session.epoch,
        "next_seq": session.next_seq,
        "turn": _turn(session.turn),
        "waiting": [line.seq for line in session.pending],
        "handover": _handover(session.handover),
        "handover_failures": session.handover_failures,
        "connection": session.address.connection,
        "language": session.language,
        "name": session.display_name,
        "fallbacks": session.fallbacks,
        "bot_answers": session.bot_answers,
        "choices": session.choices,
        "intent": session.last_intent,
        "customer_at": session.last_customer_at,
        "agent_at": session.last_agent_at,
    }
    return _filled(fields)


def _turn(turn: OpenTurn | None) -> dict[str, Any] | None:
    if turn is None:
        return None
    lines = [line.seq for line in turn.lines]
    fields = {"id": turn.id, "attempt": turn.attempt, "lines": lines, "due": turn.due_at, "returned": turn.returned}
    return _filled(fields)


def _handover(handover: Handover | None) -> dict[str, Any] | None:
    return _filled(handover.model_dump(mode="json", exclude={"requested_at"})) if handover else None


def _outbox(before: Lane, after: Lane, contents: Named) -> dict[str, Any]:
    """What the step put into the outbox: it is only ever added to."""
    added = after.outbox[len(before.outbox) :]
    lines = [_line(entry, contents) for entry in added if isinstance(entry, TranscriptLine)]
    events = [_event(entry) for entry in added if isinstance(entry, EventEntry)]
    return {"lines": lines, "events": events}


def _line(entry: TranscriptLine, contents: Named) -> dict[str, Any]:
    line, id_ = entry.line, f"{entry.session_id}.{entry.line.seq}"
    fields = {
        "id": id_,
        "author": line.author.value,
        "name": line.author_name,
        "content": _once(line.content, f"line {id_}", contents),
        "epoch": entry.epoch,
        "because": entry.because,
    }
    return _filled(fields)


def _event(entry: EventEntry) -> dict[str, Any]:
    return _filled({"id": entry.event.id, "epoch": entry.event.epoch, "detail": entry.event.detail})


def _messages(before: Lane, after: Lane, contents: Named) -> list[dict[str, Any]]:
    """Messages that the step decided to send."""
    known = {message.id for message in before.to_send}
    return [
        _filled(
            {
                "id": message.id,
                "author": message.author.value,
                "name": message.author_name,
                "content": _once(message.content, f"message {message.id}", contents),
                "connection": message.address.connection,
            }
        )
        for message in after.to_send
        if message.id not in known
    ]


def _contents_of(event: Event | None) -> Named:
    match event:
        case Inbound():
            return [("event.content", event.content)]
        case Reply():
            return [(f"event.messages[{number}]", content) for number, content in enumerate(event.messages)]
    return []


def _once(content: Content, name: str, contents: Named) -> Any:
    """The content, or the name of its equal that the record holds already."""
    for known, equal in contents:
        if content is equal or content == equal:
            return {"same_as": known}
    contents.append((name, content))
    return content


def _gone(before: Any, after: Any) -> list[str]:
    remaining = {each.id for each in after}
    return [each.id for each in before if each.id not in remaining]
