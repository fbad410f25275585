"""Where lanes live: placement, the lanes' store, the waker, and hosts that run SessionActor."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from dapr.actor import ActorId
from dapr.actor.runtime._type_information import ActorTypeInformation
from dapr.actor.runtime.context import ActorRuntimeContext
from dapr.actor.runtime.manager import ActorManager
from dapr.clients.base import DaprActorClientBase
from pymongo.errors import AutoReconnect

from m2n.dapr import DaprUnavailable
from m2n.events import DeliveryReport, DeskNoted, Reply, SendResult, SessionEvent
from m2n.lanes import bring_to_lane
from m2n.serialization import JsonSerializer, from_json
from m2n.tenant import Tenant, TenantSnapshot
from services.sessions.actor import SessionActor, SessionActorInterface
from services.sessions.lane import Lane, TranscriptLine
from services.sessions.lane_store import LaneStore
from services.sessions.ports import Ports
from services.sessions.recording import TenantUsed, tenant_used
from services.sessions.step_record import StepRecord
from tests.simulation.ledger import Ledger
from tests.simulation.processes import Process, Service
from tests.simulation.sidecar import PlainState, Sidecar
from tests.simulation.topics import Topics
from tests.simulation.world import World
from tests.unit.memory_lanes import Documents, lane_store

CALLER_WAITS_S = 15.0
"""DaprClient's time-out."""
IDLE_S = 600.0
"""An actor that nobody called for so long is taken out of memory (services/sessions/app.py)."""
DRAIN_S = 5.0
LOOKS_EVERY_S = 2.0
"""The waker's interval (services/sessions/wake_ups.py)."""
MOST_WAKES = 3000


class Lanes:
    """The lanes' collections in MongoDB, which every host reaches by itself, with or without its sidecar."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lanes: Documents = {}
        self._applied: Documents = {}
        self.on_save: Callable[[str], None] = lambda _: None

    def due(self, lane: str) -> datetime | None:
        return self._lanes.get(lane, {}).get("due")

    def of(self, process: Process) -> LaneStore:
        async def through(request: str, effect: Callable[[], Any], document: str) -> Any:
            return await process.call(
                request, partial(self._noted, effect, document), document, AutoReconnect, sidecar=False
            )

        return lane_store(self._lanes, self._applied, through)

    def _noted(self, effect: Callable[[], Any], document: str) -> Any:
        before = self._lanes.get(document)
        done = effect()
        after = self._lanes.get(document)
        if after is not None and after is not before:
            self._ledger.saved(from_json(Lane, after["lane"]))
            self.on_save(document)
        return done

    def all(self) -> list[Lane]:
        return [from_json(Lane, document["lane"]) for document in self._lanes.values()]


@dataclass
class Call:
    """A request to a lane that waits for its turn or has it."""

    lane: str
    method: str
    body: bytes
    answer: "asyncio.Future[bytes]"


@dataclass
class Seat:
    """One lane's place: its host, and the calls to it, one at a time."""

    host: "Host"
    home: "Host"
    """Where the lane goes when all hosts are there."""
    waiting: deque[Call] = field(default_factory=deque)
    running: Call | None = None
    moving: bool = False


class Placement:
    """Says which host has a lane, and lets one call in at a time.

    As in Dapr 1.18.2 the turn of a caller that goes away is over, although the host may still work on it: the
    sidecar's lock is bound to the caller's request (pkg/actors/targets/app/lock).
    """

    def __init__(self, world: World, hosts: "Sequence[Host]") -> None:
        self._world, self._hosts = world, hosts
        self._seats: dict[str, Seat] = {}
        for host in hosts:
            host.placement = self

    async def invoke(self, caller: Process, lane: str, method: str, body: bytes) -> bytes:
        """Raises DaprUnavailable."""
        answer = self.dispatch(lane, method, body)
        caller.on_death.append(partial(self._cut, answer))
        done, _ = await asyncio.wait([answer], timeout=CALLER_WAITS_S)
        if not done:
            self._cut(answer)
            raise DaprUnavailable(f"{method}: no answer within {CALLER_WAITS_S:.0f} s")
        return answer.result()

    def dispatch(self, lane: str, method: str, body: bytes) -> "asyncio.Future[bytes]":
        call = Call(lane, method, body, self._world.loop.create_future())
        self._seat(lane).waiting.append(call)
        self._world.loop.call_soon(self._pump, lane)
        return call.answer

    def lanes(self) -> list[str]:
        return list(self._seats)

    def move(self, lane: str) -> None:
        """Rebalancing: to the next host that is there, after the call under way or DRAIN_S."""
        seat = self._seat(lane)
        others = [host for host in self._hosts if host is not seat.host and host.able()]
        if others and not seat.moving and seat.host.able():
            self._world.task(self._move(lane, seat, others[0]))

    def host_gone(self, gone: "Host") -> None:
        """Its calls are cut at once; its lanes get another host when the failure is noticed."""
        for lane, seat in self._seats.items():
            if seat.host is gone:
                self._cut_all(seat, running=True)
                self._world.later(self._world.luck.uniform(1, 8), self._place_again, lane)

    def host_back(self, back: "Host") -> None:
        for lane, seat in self._seats.items():
            if not seat.host.able():
                self._settle(lane, seat, back)
            elif seat.home is back and seat.host is not back:
                self._world.later(self._world.luck.uniform(0, 5), self.move, lane)

    def _place_again(self, lane: str) -> None:
        seat = self._seats[lane]
        able = [host for host in self._hosts if host.able()]
        if able and not seat.host.able():
            self._settle(lane, seat, able[0])

    def _settle(self, lane: str, seat: Seat, host: "Host") -> None:
        seat.host = host
        self._world.say("placement", f"{lane} lives at {host.service.process.name}")
        self._pump(lane)

    async def _move(self, lane: str, seat: Seat, to: "Host") -> None:
        seat.moving = True
        if seat.running:
            await asyncio.wait([seat.running.answer], timeout=DRAIN_S)
        self._cut_all(seat, running=True, waiting=False)
        await asyncio.wait([seat.host.deactivate(lane)], timeout=DRAIN_S)
        seat.moving = False
        self._settle(lane, seat, to)

    def _seat(self, lane: str) -> Seat:
        if lane not in self._seats:
            home = self._world.luck.choice(self._hosts)
            self._seats[lane] = Seat(home if home.able() else self._hosts[0], home)
        return self._seats[lane]

    def _pump(self, lane: str) -> None:
        seat = self._seats[lane]
        if seat.running or seat.moving or not seat.waiting:
            return
        if not seat.host.able():
            return self._cut_all(seat, running=False)
        call = seat.running = seat.waiting.popleft()
        seat.host.take(call).add_done_callback(partial(self._finished, seat, call))

    def _finished(self, seat: Seat, call: Call, done: "asyncio.Future[bytes]") -> None:
        failed = done.exception()
        if failed:
            self._world.say("placement", f"{call.method} failed: {failed!r}")
        if not call.answer.done():
            if failed:
                _cut_line(call, type(failed).__name__)
            else:
                call.answer.set_result(done.result())
        if seat.running is call:
            seat.running = None
            self._pump(call.lane)

    def _cut(self, answer: "asyncio.Future[bytes]") -> None:
        """The caller is gone or waits no longer."""
        for lane, seat in self._seats.items():
            for call in [call for call in seat.waiting if call.answer is answer]:
                seat.waiting.remove(call)
            if seat.running and seat.running.answer is answer:
                self._world.say("placement", f"{lane}: the caller of {seat.running.method} is gone, its turn is over")
                seat.running = None
                self._pump(lane)

    def _cut_all(self, seat: Seat, *, running: bool, waiting: bool = True) -> None:
        calls = list(seat.waiting) if waiting else []
        if waiting:
            seat.waiting.clear()
        if running and seat.running:
            calls.append(seat.running)
            seat.running = None
        for call in calls:
            _cut_line(call, "the host is gone")


def _cut_line(call: Call, why: str) -> None:
    if not call.answer.done():
        call.answer.set_exception(DaprUnavailable(f"{call.method}: {why}"))
        call.answer.exception()


class Waker:
    """Wakes lanes when the store says that they are due, or up to a look later; again while they cannot be reached."""

    def __init__(self, world: World, placement: Placement, store: Lanes) -> None:
        self._world, self._placement, self._store = world, placement, store
        self._woken = 0
        self._looks: dict[str, int] = {}
        """Counts the looks that were set for each lane; the last one counts."""
        store.on_save = self._saved

    def _saved(self, lane: str) -> None:
        due = self._store.due(lane)
        if due is not None:
            self._look_in(lane, max((due - self._world.now()).total_seconds(), 0))

    def _look_in(self, lane: str, wait_s: float) -> None:
        number = self._looks[lane] = self._looks.get(lane, 0) + 1
        self._world.later(wait_s + self._world.luck.random() * LOOKS_EVERY_S, self._look, lane, number)

    def _look(self, lane: str, number: int) -> None:
        due = self._store.due(lane)
        if number != self._looks[lane] or due is None:
            return
        if due > self._world.now():
            return self._saved(lane)
        self._world.say("waker", f"{lane} is due")
        answer = self._placement.dispatch(lane, "wake", b"{}")
        answer.add_done_callback(lambda done: self._told(lane, done))

    def _told(self, lane: str, answer: "asyncio.Future[bytes]") -> None:
        """What could not be reached is still due at the next look."""
        if answer.exception():
            return self._look_in(lane, LOOKS_EVERY_S)
        self._woken += 1
        if self._woken > MOST_WAKES:
            self._world.violate("unbounded", f"more than {MOST_WAKES} wakes")


class ActorClient(DaprActorClientBase):
    """A host's sidecar as the actor SDK calls it."""

    def __init__(self, process: Process, parts: "Parts") -> None:
        self._process, self._parts = process, parts

    async def invoke_method(self, actor_type: str, actor_id: str, method: str, data: bytes | None = None) -> bytes:
        raise AssertionError("a lane calls no other")

    async def save_state_transactionally(self, actor_type: str, actor_id: str, data: bytes) -> None:
        raise AssertionError("lanes are not in Dapr's actor state")

    async def get_state(self, actor_type: str, actor_id: str, name: str) -> bytes:
        raise AssertionError("lanes are not in Dapr's actor state")

    async def register_reminder(self, actor_type: str, actor_id: str, name: str, data: bytes) -> None:
        raise AssertionError("lanes have no reminders")

    async def unregister_reminder(self, actor_type: str, actor_id: str, name: str) -> None:
        raise AssertionError("lanes have no reminders")

    async def register_timer(self, actor_type: str, actor_id: str, name: str, data: bytes) -> None: ...

    async def unregister_timer(self, actor_type: str, actor_id: str, name: str) -> None: ...


class TranscriptPort:
    """The transcript's collections as one process writes them: straight into MongoDB, not by the sidecar."""

    def __init__(self, process: Process, ledger: Ledger) -> None:
        self._process, self._ledger = process, ledger

    async def write(
        self, tenant: str, profile_id: str, lines: Sequence[TranscriptLine], results: Sequence[SendResult] = ()
    ) -> None:
        if lines or results:
            seqs = [f"{entry.session_id}.{entry.line.seq}" for entry in lines]
            outcomes = [f"{result.message_id}={result.outcome.value}" for result in results]
            await self._call("transcript", lambda: self._write(lines, results), " ".join((*seqs, *outcomes)))

    def _write(self, lines: Sequence[TranscriptLine], results: Sequence[SendResult]) -> None:
        self._ledger.written(lines)
        for result in results:
            self._ledger.settled(result)

    async def record(self, tenant: str, events: Sequence[SessionEvent]) -> None:
        await self._call("record events", lambda: None, " ".join(event.what for event in events))

    async def _call(self, port: str, effect: Any, detail: str) -> None:
        await self._process.call(port, effect, detail, AutoReconnect, sidecar=False)


class RecordingsPort:
    """The recorded steps as one process writes them."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def tenant(self, snapshot: TenantSnapshot) -> TenantUsed:
        return tenant_used(snapshot)

    async def write(self, tenant: str, profile_id: str, records: Sequence[StepRecord]) -> None:
        if records:
            steps = " ".join(str(record.step) for record in records)
            await self._process.call("record steps", lambda: None, steps, AutoReconnect, sidecar=False)


class Directory:
    """The tenants' configuration as one process asks for it."""

    def __init__(self, process: Process, tenant: Tenant) -> None:
        self._process, self._snapshot = process, TenantSnapshot(tenant=tenant, version=1)

    async def tenant(self, tenant_id: str) -> TenantSnapshot:
        return await self._process.call("tenant", lambda: self._snapshot)


@dataclass
class Parts:
    """What hosts work with."""

    world: World
    ledger: Ledger
    store: Lanes
    tenant: Tenant
    topics: Topics
    records: bool
    """Whether the steps are recorded, too."""
    placement: Placement = field(init=False)
    states: PlainState = field(default_factory=PlainState)

    def sidecar(self, process: Process) -> Sidecar:
        return Sidecar(process, self.topics, self.placement, self.states)


class Host:
    """One replica of the sessions service: the SDK's own actor manager over SessionActor."""

    placement: Placement

    def __init__(self, parts: Parts, name: str) -> None:
        self._parts = parts
        self.service = Service(parts.world, name, self._start, parts.topics.somebody_is_back)
        self._last_used_s: dict[str, float] = {}

    def able(self) -> bool:
        process = self.service.process
        return process.alive and process.sidecar_up and not process.stands_still()

    def start(self) -> None:
        self.service.start()

    def _start(self, process: Process) -> None:
        parts = self._parts
        self._sidecar = parts.sidecar(process)
        transcript = TranscriptPort(process, parts.ledger)
        recordings = RecordingsPort(process) if parts.records else None
        lanes = parts.store.of(process)
        ports = Ports(self._sidecar, lanes, transcript, recordings)  # pyright: ignore[reportArgumentType]
        bound = {"ports": ports, "directory": Directory(process, parts.tenant)}
        serializer = JsonSerializer()
        information = ActorTypeInformation.create(type("SessionActor", (SessionActor, SessionActorInterface), bound))
        self._actors = ActorManager(
            ActorRuntimeContext(information, serializer, serializer, ActorClient(process, parts))
        )
        self._last_used_s.clear()
        process.on_death.append(partial(self.placement.host_gone, self))
        self.placement.host_back(self)

    def take(self, call: Call) -> "asyncio.Future[bytes]":
        return self.service.process.serve(self._carry_out(call))

    def deactivate(self, lane: str) -> "asyncio.Future[None]":
        return self.service.process.serve(self._deactivate(lane))

    async def reply(self, reply: Reply) -> None:
        await bring_to_lane(self._sidecar, reply)  # pyright: ignore[reportArgumentType]

    async def receipt(self, event: DeliveryReport | DeskNoted) -> None:
        await bring_to_lane(self._sidecar, event)  # pyright: ignore[reportArgumentType]

    def cut_off(self, seconds: float) -> None:
        """The sidecar dies and comes back; the app lives on with its memory."""
        process = self.service.process
        self._parts.world.say(process.name, f"its SIDECAR dies for {seconds:.1f} s")
        process.sidecar_up = False
        self.placement.host_gone(self)
        self._parts.world.later(seconds, self._sidecar_back, process)

    def stand_still(self, seconds: float) -> None:
        process = self.service.process
        process.stand_still(seconds)
        self.placement.host_gone(self)
        self._parts.world.later(seconds + 1, self._works_again, process)

    def _sidecar_back(self, process: Process) -> None:
        process.sidecar_up = True
        self._works_again(process)

    def _works_again(self, process: Process) -> None:
        if process.alive:
            self.placement.host_back(self)
            self._parts.topics.somebody_is_back()

    async def _carry_out(self, call: Call) -> bytes:
        actor, now_s = ActorId(call.lane), self._parts.world.loop.time()
        if now_s - self._last_used_s.get(call.lane, now_s) > IDLE_S:
            await self._deactivate(call.lane)
        self._last_used_s[call.lane] = now_s
        return await self._actors.dispatch(actor, call.method, call.body)

    async def _deactivate(self, lane: str) -> None:
        if lane in self._last_used_s:
            del self._last_used_s[lane]
            await self._actors.deactivate_actor(ActorId(lane))
