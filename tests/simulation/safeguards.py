"""The safeguards of the lane, each with a way to switch it off: the simulation must notice."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from m2n import clock
from m2n.events import DeliveryReport, OutboundBatch, Reply
from m2n.queue import Received
from services.delivery.batch import BatchSender, _report
from services.delivery.sending import Sender
from services.identification.intake import Intake, Passing
from services.sessions import actor, domain
from services.sessions.actor import SessionActor
from services.sessions.lane import Lane
from services.sessions.lane_store import LaneStore

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Safeguard:
    name: str
    switch_off: Callable[[Patch], None]
    found_as: frozenset[str]
    """Kinds of violation, one of which must be found."""


def _no_applied_ids(patch: Patch) -> None:
    numbers = count()
    patch.setattr(domain, "applied_key", lambda *_: f"never seen {next(numbers)}")


def _no_epoch_check(patch: Patch) -> None:
    refused = domain.Step._why_refused

    def epoch_fits(step: domain.Step, reply: Reply) -> str:
        session = step.lane.session
        return refused(step, reply.model_copy(update={"epoch": session.epoch}) if session else reply)

    patch.setattr(domain.Step, "_why_refused", epoch_fits)


def _deleted_before_accepted(patch: Patch) -> None:
    async def finish(intake: Intake, message: Received) -> None:
        await intake._queue.delete(message)
        try:
            await intake._try(message)
        except Passing:
            return

    patch.setattr(Intake, "_finish", finish)


def _no_intent(patch: Patch) -> None:
    async def claimed(*_: object) -> bool:
        return True

    patch.setattr(Sender, "_claim", claimed)


def _waiting_message_overtaken(patch: Patch) -> None:
    async def send(sender: BatchSender, batch: OutboundBatch) -> DeliveryReport:
        done = [await sender._send_message(message) for message in batch.messages]
        waits = [result for result in done if hasattr(result, "after_s")]
        results = [result for result in done if not hasattr(result, "after_s")]
        return _report(batch, results, waits[0] if waits else None)  # pyright: ignore[reportArgumentType]

    patch.setattr(BatchSender, "send", send)


def _published_before_saved(patch: Patch) -> None:
    async def publish_and_save(session: SessionActor, step: domain.Step, outcome: domain.StepOutcome) -> None:
        session._lane = step.lane
        await session._publish(step.tenant)
        if outcome.result is domain.Result.APPLIED:
            await session._save(step.lane, step)

    patch.setattr(SessionActor, "_save_and_publish", publish_and_save)


def _nothing_published_again(patch: Patch) -> None:
    """Whoever loads the state believes that the process before published all of it."""
    load = SessionActor._load

    async def load_and_believe(session: SessionActor) -> Lane:
        lane = await load(session)
        turn = lane.session.turn if lane.session else None
        session._published.turn = (turn.id, turn.attempt) if turn else None
        session._published.batch = frozenset(message.id for message in lane.to_send)
        session._lane = lane.model_copy(update={"outbox": ()})
        return session._lane

    patch.setattr(SessionActor, "_load", load_and_believe)


def _never_due(patch: Patch) -> None:
    patch.setattr(SessionActor, "_next_due", lambda *_: None)


def _many_batches_out(patch: Patch) -> None:
    """Each new message goes out at once, without those before it."""

    async def only_new(session: SessionActor) -> None:
        lane, out = session._lane, session._published.batch
        new = tuple(message for message in (lane.to_send if lane else ()) if message.id not in out)
        if lane is None or not new:
            return
        session._published.batch = out | {message.id for message in new}
        session._published.batch_at = clock.now()
        await session.ports.publish_batch(lane.model_copy(update={"to_send": new}))

    patch.setattr(SessionActor, "_publish_batch", only_new)


def _save_over_anothers(patch: Patch) -> None:
    """Whoever saves last is right, whatever it has read."""

    async def save(store: LaneStore, lane: str, version: int, text: str, due: datetime | None) -> None:
        newest = await store.load(lane)
        await saved_on(store, lane, newest.version if newest else 0, text, due)

    saved_on = LaneStore.save
    patch.setattr(LaneStore, "save", save)


def _no_outbox(patch: Patch) -> None:
    """The transcript is written once, after the save, whatever becomes of it."""
    load, empty_outbox = SessionActor._load, SessionActor._empty_outbox

    async def forget(session: SessionActor) -> Lane:
        session._lane = (await load(session)).model_copy(update={"outbox": ()})
        return session._lane

    async def told_or_not(session: SessionActor) -> None:
        try:
            await empty_outbox(session)
        except actor._PASSING:
            assert session._lane is not None
            session._lane = session._lane.model_copy(update={"outbox": ()})

    patch.setattr(SessionActor, "_load", forget)
    patch.setattr(SessionActor, "_empty_outbox", told_or_not)


def _named(name: str, switch_off: Callable[[Patch], None], *found_as: str) -> Any:
    return pytest.param(Safeguard(name, switch_off, frozenset(found_as)), id=name)


SAFEGUARDS = [
    _named("applied ids", _no_applied_ids, "doubled"),
    _named("epoch check", _no_epoch_check, "old epoch"),
    _named("deleted after accepted", _deleted_before_accepted, "lost"),
    _named("intent before the call", _no_intent, "sent twice"),
    _named("a waiting message holds the batch", _waiting_message_overtaken, "order out"),
    _named("saved before published", _published_before_saved, "not decided"),
    _named("published again after a crash", _nothing_published_again, "lost"),
    _named("due with the state", _never_due, "lost", "unbounded"),
    _named("one batch at a time", _many_batches_out, "order out"),
    _named("a save replaces what was read", _save_over_anothers, "went back", "number used twice", "doubled", "gap"),
    _named("outbox", _no_outbox, "lost"),
]
