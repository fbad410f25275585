"""A recorded session run again through the present decisions, and compared step by step. Pure functions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json as any_from_json
from pydantic_core import to_json as any_to_json

from m2n.events import ConsentReport, DeliveryReport, DeskNoted, Reply
from m2n.field_problems import field_problems
from m2n.message import Inbound
from m2n.telemetry import where
from m2n.tenant import Tenant
from services.sessions.domain import Step
from services.sessions.lane import Lane
from services.sessions.recording import Event, perform, result_of
from services.sessions.step_record import Kind, StepRecord

EVENTS: dict[Kind, type[Event]] = {
    "accept": Inbound,
    "reply": Reply,
    "delivered": DeliveryReport,
    "noted": DeskNoted,
    "consent": ConsentReport,
}
LONGEST_SHOWN = 300
_NOTHING = object()


class NotComplete(Exception):
    """The recording lacks something without which it cannot be run again; the text says what."""


@dataclass(frozen=True)
class Recording:
    """A session's steps, oldest first, and the documents of the tenants that they were decided by."""

    tenant: str
    session_id: str
    steps: tuple[StepRecord, ...]
    tenants: Mapping[str, str]
    """Digest -> tenant as JSON."""


@dataclass(frozen=True)
class Equal:
    steps: int

    def __str__(self) -> str:
        return f"equal: {self.steps} steps"


@dataclass(frozen=True)
class Difference:
    """The first thing that came out otherwise. ``field`` is a path such as ``session.turn.attempt``."""

    number: int
    of: int
    step: StepRecord
    field: str
    recorded: Any
    now: Any

    def __str__(self) -> str:
        return (
            f"different at step {self.step.step} (number {self.number} of {self.of}): {in_words(self.step)}\n"
            f"  field:    {self.field}\n  recorded: {_shown(self.recorded)}\n  now:      {_shown(self.now)}"
        )


@dataclass(frozen=True)
class Redone:
    """A step done again: what came of it, or the field that the present code stumbles over and how."""

    step: StepRecord
    result: dict[str, Any]
    stumbled: tuple[str, str] | None = None


def replay(recording: Recording) -> Equal | Difference:
    """Whether the present code decides as it was recorded. Raises NotComplete."""
    of = len(recording.steps)
    for number, redone in enumerate(run_again(recording), start=1):
        if redone.stumbled:
            field, how = redone.stumbled
            return Difference(number, of, redone.step, field, any_from_json(redone.step.result), how)
        found = _first_difference(any_from_json(redone.step.result), redone.result)
        if found:
            return Difference(number, of, redone.step, *found)
    return Equal(of)


def run_again(recording: Recording) -> Iterator[Redone]:
    """Every step done again on the lane that the step before left; ends with one that fails. Raises NotComplete."""
    check_complete(recording)
    lane: Lane | None = None
    for record in recording.steps:
        redone, lane = _redo(record, lane, recording.tenants)
        yield redone
        if lane is None:
            return


def done_again(recording: Recording) -> Recording:
    """The recording as the present code makes it. Raises NotComplete, also when the present code stumbles."""
    steps: list[StepRecord] = []
    for redone in run_again(recording):
        if redone.stumbled:
            raise NotComplete(f"step {redone.step.step}, {redone.stumbled[0]}: {redone.stumbled[1]}")
        steps.append(redone.step.model_copy(update={"result": any_to_json(redone.result).decode()}))
    return replace(recording, steps=tuple(steps))


def check_complete(recording: Recording) -> None:
    """Raises NotComplete."""
    if not recording.steps:
        raise NotComplete("the recording has no steps")
    first = recording.steps[0]
    if first.before is None:
        raise NotComplete(f"the beginning is missing, steps are kept for a time only: the first here is {first.step}")
    for before, after in zip(recording.steps, recording.steps[1:], strict=False):
        _check_neighbours(before, after)
    for record in recording.steps:
        if record.kind in EVENTS and record.event is None:
            raise NotComplete(f"what came in at step {record.step} was too long to be kept")
        if record.tenant_digest not in recording.tenants:
            raise NotComplete(f"the tenant's version {record.tenant_version}, used by step {record.step}, is missing")


def _check_neighbours(before: StepRecord, after: StepRecord) -> None:
    missing = f"{before.step + 1}" if after.step == before.step + 2 else f"{before.step + 1} to {after.step - 1}"
    if after.step <= before.step:
        raise NotComplete(f"the steps are out of order: after step {before.step} comes step {after.step}")
    if after.step != before.step + 1:
        raise NotComplete(f"missing: step {missing} (after step {before.step} comes step {after.step})")
    if after.after != before.at:
        raise NotComplete(f"step {after.step} does not follow on this step {before.step}; one was made on a lost state")


def _redo(record: StepRecord, lane: Lane | None, tenants: Mapping[str, str]) -> tuple[Redone, Lane | None]:
    """The step done again and the lane after it; None when it failed."""
    part, result = "before", dict[str, Any]()
    try:
        lane = lane or Lane.model_validate_json(record.before or "")
        part = "tenant"
        tenant = Tenant.model_validate_json(tenants[record.tenant_digest])
        part = "event"
        event = EVENTS[record.kind].model_validate_json(record.event or "") if record.kind in EVENTS else None
        part = "step"
        step = Step(lane, tenant, record.at)
        outcome = perform(step, event)
        result = any_from_json(any_to_json(result_of(lane, step, event, outcome), exclude_none=True))
    except Exception as failed:  # whatever the present code does instead is what is asked for
        return Redone(record, result, (part, _why(failed))), None
    return Redone(record, result), step.lane.model_copy(update={"outbox": ()})


def _why(failed: Exception) -> str:
    if isinstance(failed, ValidationError):
        problems = "; ".join(str(problem) for problem in field_problems(failed))
        return f"the present code cannot read it: {problems}"
    return f"the present code fails: {type(failed).__name__}: {failed} ({where(failed)})"


# -- differences -----------------------------------------------------------------------------------------------


def _first_difference(recorded: Any, now: Any, path: str = "") -> tuple[str, Any, Any] | None:
    parts = _parts(recorded, now, path)
    if parts is None:
        return None if recorded == now else (path, recorded, now)
    found = (_first_difference(mine, other, below) for below, mine, other in parts)
    return next((difference for difference in found if difference), None)


def _parts(recorded: Any, now: Any, path: str) -> list[tuple[str, Any, Any]] | None:
    """Path and both values of what two values consist of; None for values that are compared whole."""
    if isinstance(recorded, list) and isinstance(now, list):
        length = max(len(recorded), len(now))
        return [(f"{path}[{i}]", _at(recorded, i), _at(now, i)) for i in range(length)]
    if not isinstance(recorded, dict) or not isinstance(now, dict) or "same_as" in recorded | now:
        return None
    names = [*recorded, *(name for name in now if name not in recorded)]
    dot = f"{path}." if path else ""
    return [(f"{dot}{name}", recorded.get(name, _NOTHING), now.get(name, _NOTHING)) for name in names]


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else _NOTHING


# -- words -----------------------------------------------------------------------------------------------------


def in_words(record: StepRecord) -> str:
    """What the step was, for people; without what was said."""
    event = any_from_json(record.event) if record.event else {}
    match record.kind:
        case "accept":
            what = f"a customer's message ({event['content']['type']}, {event['vendor_message_id']})"
        case "reply":
            what = f"reply '{event['action']}' of {event['author']} for epoch {event['epoch']} ({event['id']})"
        case "delivered":
            what = f"delivery report ({_outcomes(event)})"
        case "consent":
            what = f"a vendor's word that the customer opted out ({event['opted_out']}, code {event['code']})"
        case "noted":
            what = f"the desk's word on {event['notice_id']}"
        case "tick":
            what = "time passed"
    return f"{what} at {record.at.isoformat()}, tenant version {record.tenant_version}"


def _outcomes(event: dict[str, Any]) -> str:
    words = [f"{result['message_id']} {result['outcome']}" for result in event.get("results", ())]
    if event.get("retry_after_s") is not None:
        words.append("the rest later")
    return ", ".join(words) or "nothing"


def _shown(value: Any) -> str:
    text = "nothing" if value is _NOTHING else any_to_json(value).decode()
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}... ({len(text)} characters)"
