"""The session actor: loads the lane, lets the domain decide, saves once, then publishes.

If the process dies before the save, nothing happened and the caller tries again. If it dies after the save, the
state says what is to be published: the caller's repeat (queue or topic) finds the event applied and publishes, and
when nobody repeats, the lane's reminder does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

from dapr.actor import Actor, ActorInterface, Remindable, actormethod
from pydantic import BaseModel, ValidationError

from m2n import clock
from m2n.crash_points import crash_point
from m2n.dapr import DaprUnavailable, NotTaken
from m2n.events import DeliveryReport, DeskNoted, Reply, SendResult
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

REMINDER = "due"
REPUBLISH_AFTER = timedelta(seconds=10)
AGAIN_SOON = timedelta(seconds=2)
TICK_AGAIN_AT_MOST = timedelta(minutes=5)
WRITTEN_WITHIN = timedelta(minutes=1)
"""Should this process die with an outbox that is not empty, the reminder sees to it after so long."""
ROUTED_AT_MOST = 8
"""So many turns in a row are settled by the rules alone; then the reminder goes on."""
STANDS_WITHIN_S = 1.0
"""So long a caller waits for the lane's first reminder."""
FIRES_AGAIN = timedelta(seconds=10)
"""A reminder that fired comes again after so long until the lane has set or ended it. Dapr gives a tick up after three
tries within three seconds, and over HTTP the runtime (1.18) takes no other policy: the next tick is the remedy."""
OVERDUE = FIRES_AGAIN * 1.5
"""A reminder that is late by so much is set anew at the next opportunity."""
SHORTEST_WAIT = timedelta(milliseconds=200)
_EARLY = timedelta(milliseconds=50)
M = TypeVar("M", bound=BaseModel)


class SessionActorInterface(ActorInterface):
    @actormethod(name="accept")
    async def accept(self, body: bytes) -> bytes: ...

    @actormethod(name="reply")
    async def reply(self, body: bytes) -> bytes: ...

    @actormethod(name="delivered")
    async def delivered(self, body: bytes) -> bytes: ...

    @actormethod(name="noted")
    async def noted(self, body: bytes) -> bytes: ...


class SessionActor(Actor, SessionActorInterface, Remindable):
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
        self._armed_for: datetime | None = None
        self._arming: asyncio.Task[None] | None = None
        self._reminder_stands = asyncio.Event()
        """Set while the scheduler has one for certain, whatever its time."""
        self._failed_ticks = 0
        self._one_at_a_time = lock_of(ctx, actor_id.id)

    # -- calls -------------------------------------------------------------------------------------------------

    async def accept(self, body: bytes) -> bytes:
        """The queue forgets the message after this, so from here on there must be somebody who looks at the lane."""
        answer = await self._turn(lambda: self._accept(body))
        await self._reminder_to_stand()
        return answer

    async def reply(self, body: bytes) -> bytes:
        return await self._turn(lambda: self._reply(body))

    async def delivered(self, body: bytes) -> bytes:
        return await self._turn(lambda: self._delivered(body))

    async def noted(self, body: bytes) -> bytes:
        return await self._turn(lambda: self._noted(body))

    async def receive_reminder(
        self,
        name: str,
        state: bytes,
        due_time: timedelta,
        period: timedelta | None = None,
        ttl: timedelta | None = None,
    ) -> None:
        """A tick that fails for a fault of the lane's own comes again later and later, not in a tight loop."""
        answer = from_json(LaneAnswer, await self._turn(self._tick))
        if answer.result == "ticked":
            self._failed_ticks = 0
            return
        self._failed_ticks += 1
        wait = min(AGAIN_SOON * 2 ** min(self._failed_ticks, 10), TICK_AGAIN_AT_MOST)
        await self._register(wait)
        self._armed_for = clock.now() + wait

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
        if outcome.result is domain.Result.REFUSED:
            log().info(
                "reply refused", tenant=reply.tenant, session=reply.session_id, action=reply.action, why=outcome.why
            )
        await self._save_and_publish(step, outcome)
        return _answer(outcome)

    async def _delivered(self, body: bytes) -> LaneAnswer:
        """Not saved by itself: after a crash the messages are published again, and delivery reports them again."""
        report = _parsed(DeliveryReport, body)
        self._check_tenant(report.tenant)
        step = await self._step()
        outcome = step.delivered(report)
        self._record(step, report, outcome)
        self._lane = _with_results(step.lane, report.results)
        waiting = frozenset(message.id for message in step.lane.to_send)
        self._published.batch = frozenset() if report.retry_after_s is not None else self._published.batch & waiting
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

    async def _tick(self) -> LaneAnswer:
        """Ends the reminder where nothing is due; before the next turn can set it anew."""
        self._armed_for = None
        self._reminder_stands.set()  # it comes again after FIRES_AGAIN
        await self._look_at_the_time()
        if self._armed_for is None:
            self._reminder_stands.clear()
            await self.unregister_reminder(REMINDER)
        return LaneAnswer(result="ticked")

    async def _look_at_the_time(self) -> None:
        try:
            step = await self._step()
        except UnknownTenant:
            return log().warning("lane of a tenant that is gone, it sleeps", lane=self.id.id)
        step.tick()
        for notice in step.unheard:
            log().error("desk never confirmed a notice, given up", tenant=notice.tenant, notice=notice.id)
        self._forget_old_batch()
        outcome = domain.StepOutcome(domain.Result.APPLIED)
        self._record(step, None, outcome)
        await self._save(_with_results(step.lane, step.given_up), step.now)
        await self._empty_outbox()
        await self._publish(step.tenant)

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
        again on what is stored. A reminder that was set from here may have fired there."""
        try:
            return await work()
        except LaneMoved:
            self._forget()
            self._armed_for = None
            self._reminder_stands.clear()
            return await work()

    def _forget(self) -> None:
        self._lane, self._seen, self._published, self._version = None, frozenset(), Published(), 0

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
        return lane

    async def _save_and_publish(self, step: domain.Step, outcome: domain.StepOutcome) -> None:
        if outcome.result is domain.Result.APPLIED:
            await self._save(_with_results(step.lane, step.given_up), step.now)
        await self._publish(step.tenant)

    async def _save(self, lane: Lane, now: datetime) -> None:
        """A full set of applied ids goes first: after a crash in between it is there and not used, or made again."""
        full = domain.roll_over(lane, now)
        domain.prune(lane, now)
        if full:
            await self.ports.lanes.keep_applied(self.id.id, *full, now + APPLIED_FOR)
        crash_point("sessions.before-save")
        await self.ports.lanes.save(self.id.id, self._version, lane.model_dump_json(exclude_none=True))
        crash_point("sessions.after-save")
        self._lane, self._version, self._saved_steps = lane, self._version + 1, lane.steps
        if full:
            self._seen |= frozenset(full[1])

    def _check_tenant(self, tenant: str) -> None:
        if tenant != self._tenant_id:
            raise ForeignTenant

    # -- publishing --------------------------------------------------------------------------------------------

    async def _publish(self, tenant: Tenant) -> None:
        """Tell others what the state says. What cannot be told now is told by the reminder, soon."""
        turn = await self._route(tenant)
        self._write_soon()
        results = await asyncio.gather(
            self._publish_turn(turn), self._publish_batch(), self._publish_notices(), return_exceptions=True
        )
        failures = [result for result in results if isinstance(result, BaseException)]
        for failure in failures:
            if not isinstance(failure, _PASSING):
                raise failure
            log().warning("not published yet, will be", lane=self.id.id, error=type(failure).__name__)
        await self._arm(tenant, soon=bool(failures))

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
            await self._save(_with_results(step.lane, step.given_up), step.now)
        return None

    async def _publish_turn(self, turn: Routed | None) -> None:
        if turn:
            await self.ports.publish_turn(turn)
            self._published.turn = (turn.turn.id, turn.turn.attempt)

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
        if sent_at and clock.now() - sent_at >= REPUBLISH_AFTER:
            self._published.batch = frozenset()

    async def _publish_notices(self) -> None:
        lane, told, now = self._lane, self._published.notices, clock.now()
        for entry in lane.notices if lane else ():
            notice, last = entry.notice, told.get(entry.notice.id)
            if last is None or now - last >= domain.notice_wait(notice, last):
                await self.ports.publish_notice(entry)
                told[notice.id] = now

    # -- what is written beside --------------------------------------------------------------------------------

    def _write_soon(self) -> None:
        lane = self._lane
        if lane and (lane.outbox or self._saved_records(lane)):
            self.ports.beside.soon(self.id.id, self._write)

    async def _write(self) -> None:
        async with self._one_at_a_time:
            await self._empty_outbox()

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

    # -- the reminder ------------------------------------------------------------------------------------------

    async def _arm(self, tenant: Tenant, soon: bool) -> None:
        """One reminder a lane, for the nearest due time. Registering is dear, so an earlier one is left to fire.

        After a failure to publish the reminder is the only one who knows, so it is waited for; else the topics
        hold the work too, and registering may go on beside the reply.
        """
        now = clock.now()
        due = now + AGAIN_SOON if soon else self._next_due(tenant, now)
        if due is None or (self._armed_for is not None and now - OVERDUE < self._armed_for <= due):
            return
        self._armed_for = due
        if soon:
            await self._register_soon(due - now)
        elif self._arming is None or self._arming.done():
            self._arming = asyncio.create_task(self._register_in_the_end())

    def _next_due(self, tenant: Tenant, now: datetime) -> datetime | None:
        """When the lane has to look at itself again, also for the batch that is out and may be lost."""
        assert self._lane is not None
        due, out = domain.next_due(self._lane, tenant, now), self._published
        again = out.batch_at + REPUBLISH_AFTER if out.batch and out.batch_at else None
        written = now + WRITTEN_WITHIN if self._lane.outbox else None
        return min((moment for moment in (due, again, written) if moment), default=None)

    async def _register_soon(self, wait: timedelta) -> None:
        try:
            await self._register(wait)
        except BaseException:
            self._armed_for = None
            raise

    async def _register(self, wait: timedelta) -> None:
        await self.register_reminder(REMINDER, b"", max(wait, SHORTEST_WAIT), FIRES_AGAIN)
        self._reminder_stands.set()

    async def _reminder_to_stand(self) -> None:
        """Raises DaprUnavailable: the caller is to come again. What was published goes its way meanwhile."""
        if self._armed_for is None or self._reminder_stands.is_set():
            return
        try:
            async with asyncio.timeout(STANDS_WITHIN_S):
                await self._reminder_stands.wait()
        except TimeoutError as late:
            raise DaprUnavailable("the lane's first reminder is not registered yet") from late

    async def _register_in_the_end(self) -> None:
        """One task a lane: it registers what is wanted at the time, so a late one never replaces a later wish."""
        registered: datetime | None = None
        while (due := self._armed_for) is not None and due != registered:
            try:
                await self._register(due - clock.now())
                registered = due
            except _PASSING as failed:
                log().warning("reminder not registered yet", lane=self.id.id, error=type(failed).__name__)
                await asyncio.sleep(AGAIN_SOON.total_seconds())

    async def _on_deactivate(self) -> None:
        """Another host may arm the lane next, so nothing of this one's comes later than that."""
        if self._arming and not self._arming.done():
            await asyncio.wait({self._arming}, timeout=5)
            self._arming.cancel()


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
