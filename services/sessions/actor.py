"""The session actor: loads the lane, lets the domain decide, saves once, then publishes.

If the process dies before the save, nothing happened and the caller tries again. If it dies after the save, the
state says what is to be published: the caller's repeat (queue or topic) finds the event applied and publishes, and
when nobody repeats, the lane is woken when it is due.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Literal, TypeVar

from dapr.actor import Actor, ActorInterface, actormethod
from pydantic import BaseModel, ValidationError

from m2n import clock
from m2n.crash_points import crash_point
from m2n.dapr import DaprUnavailable, NotTaken
from m2n.events import Action, ConsentReport, CustomerSignal, DeliveryReport, DeskNoted, Reply, SendResult
from m2n.lanes import LaneAnswer
from m2n.message import Inbound
from m2n.serialization import from_json, to_json
from m2n.telemetry import log, where
from m2n.tenant import Tenant, TenantSnapshot
from m2n.tenants import TenantDirectory, UnknownTenant
from services.sessions import domain, recording
from services.sessions.lane import APPLIED_FOR, Lane, SettledEntry
from services.sessions.lane_store import LaneMoved
from services.sessions.ports import Ports, Published, next_batch, open_turn
from services.sessions.router import Routed, routed
from services.sessions.step_record import StepRecord
from services.sessions.turns import lock_of
from services.sessions.write_behind import PASSING

REPUBLISH_AFTER = timedelta(seconds=10)
AGAIN_SOON_S = 2.0
PUT_OFF_HERE_S = 10.0
"""What has to wait for no longer than this is not left to the waker, which looks every other second."""
WRITTEN_WITHIN = timedelta(minutes=1)
"""Should this process die with an outbox that is not empty, its lane is woken after so long."""
TIDIED_AFTER_S = 5.0
"""When nothing happens for so long, what the last step left unsaved is saved: a report settles in memory only."""
ROUTED_AT_MOST = 8
"""So many turns in a row are settled by the rules alone; the next when the lane is woken."""
TIDY_DUE = timedelta(seconds=1)
"""A lane that would be woken too early by less than this is left so."""
SHORTEST_WAIT = timedelta(milliseconds=200)
_EARLY = timedelta(milliseconds=50)
M = TypeVar("M", bound=BaseModel)
SignalKind = Literal["typing", "read"]


class SessionActorInterface(ActorInterface):
    @actormethod(name="accept")
    async def accept(self, body: bytes) -> bytes: ...

    @actormethod(name="reply")
    async def reply(self, body: bytes) -> bytes: ...

    @actormethod(name="delivered")
    async def delivered(self, body: bytes) -> bytes: ...

    @actormethod(name="noted")
    async def noted(self, body: bytes) -> bytes: ...

    @actormethod(name="consent")
    async def consent(self, body: bytes) -> bytes: ...

    @actormethod(name="wake")
    async def wake(self, body: bytes) -> bytes: ...


class SessionActor(Actor, SessionActorInterface):
    ports: ClassVar[Ports]
    directory: ClassVar[TenantDirectory]

    def __init__(self, ctx: Any, actor_id: Any) -> None:
        super().__init__(ctx, actor_id)
        self._tenant_id, _, self._profile_id = actor_id.id.partition(":")
        self._lane: Lane | None = None
        self._version = 0
        self._saved_steps = 0
        self._snapshot: TenantSnapshot | None = None
        self._seen: frozenset[str] = frozenset()
        self._published = Published()
        self._due: datetime | None = None
        """When the store has the lane woken."""
        self._unsaved = False
        """Whether memory knows more than the store."""
        self._one_at_a_time = lock_of(ctx, actor_id.id)

    # -- calls -------------------------------------------------------------------------------------------------

    async def accept(self, body: bytes) -> bytes:
        return await self._turn(lambda: self._accept(body))

    async def reply(self, body: bytes) -> bytes:
        return await self._turn(lambda: self._reply(body))

    async def delivered(self, body: bytes) -> bytes:
        return await self._turn(lambda: self._delivered(body))

    async def noted(self, body: bytes) -> bytes:
        return await self._turn(lambda: self._noted(body))

    async def consent(self, body: bytes) -> bytes:
        return await self._turn(lambda: self._consent(body))

    async def wake(self, body: bytes) -> bytes:
        """Look at the time; the lane is due. ``body`` is empty."""
        return await self._turn(self._wake)

    async def _accept(self, body: bytes) -> LaneAnswer:
        message = _parsed(Inbound, body)
        self._check_tenant(message.tenant)
        step = await self._step()
        outcome = step.accept(message, self._seen)
        self._record(step, message, outcome)
        await self._save_and_publish(step, outcome)
        return _answer(outcome)

    async def _reply(self, body: bytes) -> LaneAnswer:
        reply = _parsed(Reply, body)
        self._check_tenant(reply.tenant)
        step = await self._step()
        outcome = step.reply(reply, self._seen)
        if outcome.result is domain.Result.REFUSED:
            await self._look_whether_it_moved()
        self._record(step, reply, outcome)
        if reply.action is Action.TYPING and outcome.result is domain.Result.IGNORED:
            self._signal("typing", author_name=reply.author_name)
        if outcome.result is domain.Result.REFUSED:
            log().info(
                "reply refused", tenant=reply.tenant, session=reply.session_id, action=reply.action, why=outcome.why
            )
        await self._save_and_publish(step, outcome)
        return _answer(outcome)

    async def _delivered(self, body: bytes) -> LaneAnswer:
        """Saved at once only if something has to wait or the customer has opted out.

        Else it is saved with what comes next: after a crash before that the messages are published again, and delivery
        reports them again.
        """
        report = _parsed(DeliveryReport, body)
        self._check_tenant(report.tenant)
        step = await self._step()
        outcome = step.delivered(report)
        self._record(step, report, outcome)
        lane = _with_results(step.lane, (*report.results, *step.given_up))
        opted_out = any(result.opted_out for result in report.results)
        waiting = frozenset(message.id for message in lane.to_send)
        self._published.batch = frozenset() if report.retry_after_s is not None else self._published.batch & waiting
        if report.retry_after_s is not None or opted_out:
            await self._save(lane, step)
        else:
            self._lane, self._unsaved = lane, True
        await self._publish(step.tenant)
        return _answer(outcome)

    async def _noted(self, body: bytes) -> LaneAnswer:
        noted = _parsed(DeskNoted, body)
        self._check_tenant(noted.tenant)
        step = await self._step()
        outcome = step.noted(noted.notice_id)
        self._record(step, noted, outcome)
        await self._save_and_publish(step, outcome)
        return _answer(outcome)

    async def _consent(self, body: bytes) -> LaneAnswer:
        report = _parsed(ConsentReport, body)
        self._check_tenant(report.tenant)
        step = await self._step()
        outcome = step.consent(report)
        self._record(step, report, outcome)
        await self._save_and_publish(step, outcome)
        return _answer(outcome)

    async def _wake(self) -> LaneAnswer:
        try:
            step = await self._step()
        except UnknownTenant:
            log().warning("lane of a tenant that is gone, it sleeps", lane=self.id.id)
            await self.ports.lanes.sleep(self.id.id, self._version)
            return LaneAnswer(result="asleep")
        step.tick()
        for notice in step.unheard:
            log().error("desk never confirmed a notice, given up", tenant=notice.tenant, notice=notice.id)
        self._forget_old_batch()
        outcome = domain.StepOutcome(domain.Result.APPLIED)
        self._record(step, None, outcome)
        await self._save(_with_results(step.lane, step.given_up), step)
        await self._publish(step.tenant)
        return LaneAnswer(result="woken")

    # -- state -------------------------------------------------------------------------------------------------

    async def _turn(self, work: Callable[[], Awaitable[LaneAnswer]]) -> bytes:
        async with self._one_at_a_time:
            return await self._guarded(work)

    async def _guarded(self, work: Callable[[], Awaitable[LaneAnswer]]) -> bytes:
        """Nothing half-made survives a failure: all that was in memory goes, the store is right."""
        try:
            return to_json(await self._on_the_newest(work))
        except BaseException as failed:
            self._forget()
            if isinstance(failed, Unreadable | ForeignTenant):
                log().error("actor call rejected", lane=self.id.id, error=type(failed).__name__)
                return to_json(LaneAnswer(result="rejected", why=type(failed).__name__))
            if isinstance(failed, Exception) and not isinstance(failed, _PASSING):
                log().error("actor call failed", lane=self.id.id, error=type(failed).__name__, where=where(failed))
                return to_json(LaneAnswer(result="failed", why=type(failed).__name__))
            log().warning("actor call not possible now", lane=self.id.id, error=type(failed).__name__, why=_why(failed))
            raise

    async def _on_the_newest(self, work: Callable[[], Awaitable[LaneAnswer]]) -> LaneAnswer:
        """What is in memory is believed until a save shows that the lane was elsewhere meanwhile; then it is done
        again on what is stored."""
        try:
            return await work()
        except LaneMoved:
            self._forget()
            return await work()

    def _forget(self) -> None:
        self._lane, self._seen, self._published, self._version = None, frozenset(), Published(), 0
        self._due, self._unsaved = None, False

    async def _step(self) -> domain.Step:
        lane = self._lane or await self._load()
        snapshot = self._snapshot = await self.directory.tenant(self._tenant_id)
        return domain.Step(lane, snapshot.tenant, clock.now())

    async def _look_whether_it_moved(self) -> None:
        """Before an answer is refused for good; nothing is saved, so no save would show it. Raises LaneMoved."""
        if not await self.ports.lanes.is_newest(self.id.id, self._version):
            raise LaneMoved(self.id.id)

    def _record(self, step: domain.Step, event: recording.Event | None, outcome: domain.StepOutcome) -> None:
        """A step's record is saved with its effect; one without effect is kept in mind and goes with the next save."""
        recordings, lane = self.ports.recordings, self._lane
        if recordings is None or lane is None or self._snapshot is None:
            return
        made = recording.record(lane, step, event, outcome, recordings.tenant(self._snapshot))
        if made and outcome.result is domain.Result.APPLIED:
            step.lane = recording.recorded(step.lane, made)
        elif made:
            self._lane = recording.recorded(lane, made)

    async def _load(self) -> Lane:
        stored = await self.ports.lanes.load(self.id.id)
        lane = from_json(Lane, stored.text) if stored else Lane(tenant=self._tenant_id, profile_id=self._profile_id)
        sets = [name for name, _ in lane.applied.buckets]
        self._seen = await self.ports.lanes.applied(self.id.id, sets) if sets else frozenset()
        self._lane, self._version, self._saved_steps = lane, stored.version if stored else 0, lane.steps
        self._due, self._unsaved = stored.due if stored else None, False
        return lane

    async def _save_and_publish(self, step: domain.Step, outcome: domain.StepOutcome) -> None:
        if outcome.result is domain.Result.APPLIED:
            await self._save(_with_results(step.lane, step.given_up), step)
        await self._publish(step.tenant)

    async def _save(self, lane: Lane, step: domain.Step) -> None:
        """A full set of applied ids goes first: after a crash in between it is there and not used, or made again."""
        full = domain.roll_over(lane, step.now)
        domain.prune(lane, step.now)
        if full:
            await self.ports.lanes.keep_applied(self.id.id, *full, step.now + APPLIED_FOR)
        due = self._next_due(lane, step)
        crash_point("sessions.before-save")
        await self.ports.lanes.save(self.id.id, self._version, lane.model_dump_json(exclude_none=True), due)
        crash_point("sessions.after-save")
        self._lane, self._version, self._saved_steps = lane, self._version + 1, lane.steps
        self._due, self._unsaved = due, False
        if full:
            self._seen |= frozenset(full[1])

    def _next_due(self, lane: Lane, step: domain.Step) -> datetime | None:
        """When the lane is to look at itself, whoever has it then: the only thing that is sure to follow a crash."""
        dues = [domain.next_due(lane, step.tenant, step.now)]
        if lane.to_send and lane.deferred_until is None:
            out_since = self._published.batch_at if self._published.batch else None
            dues.append((out_since or step.now) + REPUBLISH_AFTER)
        if lane.outbox:
            dues.append(step.now + WRITTEN_WITHIN)
        nearest = min((due for due in dues if due), default=None)
        return nearest and max(nearest, step.now + SHORTEST_WAIT)

    def _check_tenant(self, tenant: str) -> None:
        if tenant != self._tenant_id:
            raise ForeignTenant

    # -- publishing --------------------------------------------------------------------------------------------

    async def _publish(self, tenant: Tenant) -> None:
        """Tell others what the state says. What cannot be told now is told soon."""
        turn = await self._route(tenant)
        self._write_soon()
        results = await asyncio.gather(
            self._publish_turn(turn), self._publish_batch(), self._publish_notices(), return_exceptions=True
        )
        failures = [result for result in results if isinstance(result, BaseException)]
        for failure in failures:
            if not isinstance(failure, PASSING):
                raise failure
            log().warning("not published yet, will be", lane=self.id.id, error=type(failure).__name__)
        again_s = AGAIN_SOON_S if failures else self._put_off_s()
        if again_s is not None:
            self.ports.beside.soon((self.id.id, "publish"), self._publish_again, again_s)
        self.ports.beside.soon((self.id.id, "tidy"), self._tidy, TIDIED_AFTER_S)

    def _put_off_s(self) -> float | None:
        """Seconds until the messages that a vendor wants later go out, where that is soon."""
        until = self._lane.deferred_until if self._lane and self._lane.to_send else None
        left_s = (until - clock.now()).total_seconds() if until else None
        return left_s if left_s is not None and 0 < left_s <= PUT_OFF_HERE_S else None

    async def _publish_again(self) -> None:
        async def publish() -> None:
            await self._publish((await self._step()).tenant)

        await self._if_still_here(publish)

    async def _if_still_here(self, work: Callable[[], Awaitable[None]]) -> None:
        """What nobody waits for: another host that has the lane by now does it itself."""
        async with self._one_at_a_time:
            if self._lane is None:
                return
            try:
                await work()
            except LaneMoved:
                self._forget()

    async def _route(self, tenant: Tenant) -> Routed | None:
        """The open turn and who gets it. One that nobody outside is to get is settled first, in a step of its own, and
        the next one looked at. None when there is none that was not told yet."""
        for _ in range(ROUTED_AT_MOST):
            turn = open_turn(self._lane) if self._lane else None
            if self._lane is None or turn is None or self._published.turn == (turn.id, turn.attempt):
                return None
            decision = routed(turn, tenant, clock.now())
            if isinstance(decision, Routed):
                return decision
            step = domain.Step(self._lane, tenant, clock.now())
            outcome = step.reply(decision, self._seen)
            self._record(step, decision, outcome)
            if outcome.result is not domain.Result.APPLIED:
                log().error("the lane did not take its own decision", lane=self.id.id, why=outcome.why)
                return None
            await self._save(_with_results(step.lane, step.given_up), step)
        return None

    async def _publish_turn(self, turn: Routed | None) -> None:
        if turn:
            await self.ports.publish_turn(turn)
            self._published.turn = (turn.turn.id, turn.turn.attempt)
            if turn.turn.attempt == 1:
                self._signal("typing", "read")

    def _signal(self, *wanted: SignalKind, author_name: str | None = None) -> None:
        """Show the customer that somebody is at work, where the connection asks for it; nobody waits for that."""
        session = self._lane.session if self._lane else None
        connection = session and self._snapshot and self._snapshot.tenant.connection(session.address.connection)
        kinds: tuple[SignalKind, ...] = tuple(kind for kind in wanted if connection and kind in connection.signals)
        if session is None or not kinds:
            return
        signal = CustomerSignal(
            tenant=self._tenant_id,
            address=session.address,
            kinds=kinds,
            vendor_message_id=session.last_vendor_message_id,
            author_name=author_name,
            at=clock.now(),
        )
        self.ports.beside.soon((self.id.id, "signal"), partial(self.ports.publish_signal, signal), 0)

    async def _publish_batch(self) -> None:
        """One batch is out at a time, which keeps a conversation's messages in order through delivery."""
        lane, now = self._lane, clock.now()
        if lane is None or not lane.to_send or self._published.batch:
            return
        if lane.deferred_until and now + _EARLY < lane.deferred_until:
            return
        self._published.batch = frozenset(message.id for message in next_batch(lane))
        self._published.batch_at = now
        try:
            await self.ports.publish_batch(lane)
        except BaseException:
            self._published.batch = frozenset()
            raise

    def _forget_old_batch(self) -> None:
        """No report for long: the batch or its report may be lost, so it goes out again."""
        sent_at = self._published.batch_at
        if sent_at and clock.now() - sent_at >= REPUBLISH_AFTER - _EARLY:
            self._published.batch = frozenset()

    async def _publish_notices(self) -> None:
        lane, told, now = self._lane, self._published.notices, clock.now()
        for entry in lane.notices if lane else ():
            notice, last = entry.notice, told.get(entry.notice.id)
            if last is None or now - last >= domain.notice_wait(notice, last):
                await self.ports.publish_notice(entry)
                told[notice.id] = now

    # -- what is done beside -----------------------------------------------------------------------------------

    def _write_soon(self) -> None:
        lane = self._lane
        if lane and (lane.outbox or self._saved_records(lane)):
            self.ports.beside.soon((self.id.id, "write"), self._write)

    async def _write(self) -> None:
        await self._if_still_here(self._empty_outbox)

    async def _tidy(self) -> None:
        """Save what only memory knows, and wake the lane no sooner than it has to be."""

        async def save() -> None:
            step = await self._step()
            assert self._lane is not None
            due = self._next_due(self._lane, step)
            if self._unsaved or (self._due and (due is None or due > self._due + TIDY_DUE)):
                await self._save(self._lane, step)

        await self._if_still_here(save)

    async def _empty_outbox(self) -> None:
        lane = self._lane
        if lane is None:
            return
        saved = self._saved_records(lane)
        if lane.outbox or saved:
            await self.ports.empty_outbox(lane, saved)
            self._lane = lane.model_copy(update={"outbox": (), "records": lane.records[len(saved) :]})

    def _saved_records(self, lane: Lane) -> tuple[StepRecord, ...]:
        return tuple(record for record in lane.records if record.step <= self._saved_steps)


class Unreadable(Exception):
    """A call whose body does not have its shape."""


class ForeignTenant(Exception):
    """A message of one tenant came to a lane of another."""


_PASSING = (*PASSING, LaneMoved)
"""Failures of the surroundings: the caller is to try again."""


def _parsed(kind: type[M], body: bytes) -> M:
    """Raises Unreadable: what is wrong with the call's body is the caller's fault, all else is not."""
    try:
        return from_json(kind, body)
    except ValidationError as bad:
        raise Unreadable from bad


def _why(failed: BaseException) -> str:
    """Own exceptions name the sidecar call that failed; others could quote data."""
    return str(failed) if isinstance(failed, DaprUnavailable | NotTaken) else ""


def _with_results(lane: Lane, results: Iterable[SendResult]) -> Lane:
    """With results of messages, which are told to the transcript."""
    entries = [SettledEntry(result=result) for result in results]
    return lane.model_copy(update={"outbox": (*lane.outbox, *entries)}) if entries else lane


def _answer(outcome: domain.StepOutcome) -> LaneAnswer:
    return LaneAnswer(result=outcome.result.value, why=outcome.why, session_id=outcome.session_id, seq=outcome.seq)
