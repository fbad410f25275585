"""One run: a seed makes the tenant, the parties, their plans and the faults; the real services do the rest."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from m2n import clock
from m2n.dapr import DaprUnavailable, NotTaken
from m2n.events import OUTBOUND, RECEIPTS, REPLIES, OutboundBatch, desk_topic, engine_topic
from m2n.lanes import LaneAnswer, call_lane, tell_lane
from m2n.message import Inbound
from services.delivery.batch import BatchSender, Route
from services.delivery.sending import Sender, SentRecord
from services.identification.intake import Intake, Passing
from services.identification.profiles import Profiles
from tests.simulation.customers import Customers
from tests.simulation.desk import Desk
from tests.simulation.engine import Engine
from tests.simulation.fifo_queue import FifoQueue, QueuePort
from tests.simulation.invariants import check_all
from tests.simulation.lanes import Host, Lanes, Parts, Placement, Waker
from tests.simulation.ledger import Ledger
from tests.simulation.processes import RUNNING, Process, Service
from tests.simulation.sent import SentPort
from tests.simulation.topics import Handler, Topics
from tests.simulation.vendor import Vendor, VendorPort
from tests.simulation.world import Violation, World
from tests.unit.builders import tenant
from tests.unit.memory_delivery import NoMediaOut, ToldRates

DRAINED_WITHIN_S = 36 * 3600.0
"""After the faults: a day that an agent owes an answer, and half a day for the rest."""
CODE_FAULTS = frozenset(
    {"actor call failed", "actor call rejected", "message could not be brought to its lane", "background job failed"}
)


@dataclass(frozen=True)
class Run:
    seed: int
    trace: tuple[str, ...]
    violations: tuple[Violation, ...]

    def told(self, lines: int = 60) -> str:
        """What a person needs of a run that failed."""
        found = "\n".join(str(violation) for violation in self.violations)
        tail = "\n".join(self.trace[-lines:])
        return f"seed {self.seed}: {found}\nrepeat: python -m tests.simulation {self.seed}\n{tail}"


def simulate(seed: int) -> Run:
    world = World(seed)
    with _virtual(world):
        try:
            Simulation(world).run()
        finally:
            world.over = True
            world.loop.end()
    return Run(seed, tuple(world.trace), tuple(world.violations))


class Simulation:
    def __init__(self, world: World) -> None:
        self._world, self._plan = world, world.plan
        self._tenant = tenant(rules={"turn_attempts": self._plan.choice((2, 3))})
        self._ledger, self._topics = Ledger(world), Topics(world)
        self._queue = FifoQueue(world)
        self._vendor = Vendor(world, self._ledger)
        self._store = Lanes(self._ledger)
        self._sent: dict[str, SentRecord] = {}
        self._profiles = 0
        self._host_lanes()
        self._identification = Service(
            world, "identification", self._start_identification, self._topics.somebody_is_back
        )
        self._delivery = Service(world, "delivery", self._start_delivery, self._topics.somebody_is_back)
        self._connect()

    # -- the parts ---------------------------------------------------------------------------------------------

    def _host_lanes(self) -> None:
        records = self._plan.random() < 0.25
        parts = Parts(self._world, self._ledger, self._store, self._tenant, self._topics, records)
        names = ("sessions-a", "sessions-b")[: self._plan.choice((1, 2))]
        self._hosts = [Host(parts, name) for name in names]
        self._placement = parts.placement = Placement(self._world, self._hosts)
        Waker(self._world, self._placement, self._store)
        self._sidecar = parts.sidecar

    def _connect(self) -> None:
        world, outside = self._world, Process(self._world, "desk", mortal=False)
        desk = Desk(world, self._topics, self._ledger, self._sidecar(outside))
        engine = Engine(world, self._sidecar(outside))
        self._topics.subscribe(engine_topic("builtin"), lambda: (outside, engine.turn))
        self._topics.subscribe(desk_topic("builtin"), lambda: (outside, desk.event))
        self._topics.subscribe(REPLIES, lambda: self._at_a_host("reply"))
        self._topics.subscribe(RECEIPTS, lambda: self._at_a_host("receipt"))
        self._topics.subscribe(OUTBOUND, self._at_delivery)

    def _at_a_host(self, handler: str) -> tuple[Process, Handler] | None:
        able = [host for host in self._hosts if host.able()]
        host = self._world.luck.choice(able) if able else None
        return (host.service.process, getattr(host, handler)) if host else None

    def _at_delivery(self) -> tuple[Process, Handler] | None:
        process = self._delivery.process
        return (process, self._deliver) if process.alive else None

    def _start_identification(self, process: Process) -> None:
        """What services.identification.app wires."""
        sidecar = self._sidecar(process)
        profiles = Profiles(sidecar, self._new_profile)

        async def deliver(message: Inbound) -> LaneAnswer:
            try:
                profile_id = await profiles.profile_of(message)
                return await call_lane(sidecar, message.tenant, profile_id, "accept", message)  # pyright: ignore[reportArgumentType]
            except DaprUnavailable as failed:
                raise Passing(str(failed)) from failed
            except NotTaken as refused:
                return LaneAnswer(result="failed", why=str(refused))

        intake = Intake(QueuePort(process, self._queue), deliver)  # pyright: ignore[reportArgumentType]
        process.spawn(intake.run())

    def _start_delivery(self, process: Process) -> None:
        """What services.delivery.app wires."""
        self._delivery_sidecar = self._sidecar(process)
        connection = self._tenant.connections[0]

        async def find_route(_tenant: str, _connection: str) -> Route:
            return Route(self._vendor, connection, {})  # pyright: ignore[reportArgumentType]

        sender = Sender(SentPort(process, self._sent), VendorPort(process, self._vendor), clock.now)
        self._batches = BatchSender(sender, find_route, "http://public.test", ToldRates(), NoMediaOut())

    async def _deliver(self, batch: OutboundBatch) -> None:
        sidecar, batches = self._delivery_sidecar, self._batches
        report = await batches.send(batch)
        if report.results or report.retry_after_s is not None:
            await tell_lane(sidecar, report)  # pyright: ignore[reportArgumentType]

    def _new_profile(self) -> str:
        self._profiles += 1
        return f"P{self._profiles}"

    # -- the run -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        for host in self._hosts:
            host.start()
        self._identification.start()
        self._delivery.start()
        self._world.task(self._story())
        loop = self._world.loop
        loop.run_until_still()
        if not self._world.violations:
            self._drained()

    async def _story(self) -> None:
        senders = self._plan.choice((1, 1, 1, 2))
        await Customers(self._world, self._queue, self._ledger, senders, self._misfortune).write()
        await asyncio.sleep(self._plan.choice((1, 60, 1500)))
        self._world.say("simulation", "the faults stop")
        self._world.faults.stopped = True
        self._world.loop.until_s = self._world.loop.time() + DRAINED_WITHIN_S + 8 * 86_400

    def _misfortune(self) -> None:
        """A fault that no call brings about."""
        if self._world.faults.stopped:
            return
        host, luck = self._plan.choice(self._hosts), self._plan
        match luck.choice(("redis", "kill", "kill", "sidecar", "still", "move", "move")):
            case "redis":
                self._topics.lose_all()
            case "kill":
                luck.choice((host.service, self._identification, self._delivery)).process.crash("killed")
            case "sidecar":
                host.cut_off(luck.uniform(1, 20))
            case "still":
                host.stand_still(luck.uniform(2.5, 40))
            case _:
                for lane in self._placement.lanes():
                    self._placement.move(lane)

    def _drained(self) -> None:
        world, loop = self._world, self._world.loop
        if not loop.idle or not self._queue.empty():
            why = "no progress in time" if loop.spinning else "still busy" if loop.late else "the queue is not empty"
            world.violate("not drained", why)
        check_all(self._ledger, self._store.all(), self._queue.aside)


@contextmanager
def _virtual(world: World) -> Iterator[None]:
    """The process-wide things that the services look at: the clock, the log, the session actor's class."""
    real_now, real_monotonic = clock.now, clock.monotonic
    real_log = structlog.get_config() if structlog.is_configured() else None
    clock.now, clock.monotonic = world.now, world.loop.time
    structlog.configure(processors=[_into(world)], wrapper_class=structlog.make_filtering_bound_logger(0))
    try:
        yield
    finally:
        clock.now, clock.monotonic = real_now, real_monotonic
        structlog.configure(**real_log) if real_log else structlog.reset_defaults()


def _into(world: World) -> Any:
    def keep(_: Any, level: str, event: dict[str, Any]) -> Any:
        details = " ".join(f"{name}={value}" for name, value in event.items() if name != "event")
        process = RUNNING.get()
        world.say(process.name if process else "-", f"{level}: {event['event']} {details}")
        if event["event"] in CODE_FAULTS:
            world.violate("fault of the code", f"{event['event']} {details}")
        raise structlog.DropEvent

    return keep
