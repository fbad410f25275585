"""The stack that the campaign plays on: with the echo engine, proxies, crash points and a second sessions process."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.parts import sidecar_name
from deploy.local.services import SERVICES, Service
from deploy.local.stack import Stack
from tests.faults.echo.deployment import stack_with_echo
from tests.faults.proxy import FaultProxy

REPLICA = Service("sessions-2", "services.sessions.app", replica_of="sessions")
READY_S = 90.0


@dataclass(frozen=True)
class Stage:
    """``stored`` is between the sessions' sidecar and MongoDB, ``queued`` between the services and SQS."""

    stack: Stack
    crash_orders: Path
    stored: FaultProxy
    queued: FaultProxy

    async def kill(self, *parts: str, down_s: float = 0) -> None:
        """SIGKILL; they come back at once, or after ``down_s`` seconds. Returns when they are ready again."""
        for part in parts:
            await asyncio.to_thread(self.stack.kill, part)
        if down_s:
            for part in parts:
                await asyncio.to_thread(self.stack.stop_part, part)
            await asyncio.sleep(down_s)
            for part in parts:
                await asyncio.to_thread(self.stack.start_part, part)
        else:
            await self.ready(*parts)

    async def ready(self, *parts: str) -> None:
        for part in parts:
            await asyncio.to_thread(self.stack.wait_ready, part, READY_S)

    async def stop(self, *parts: str) -> None:
        for part in parts:
            await asyncio.to_thread(self.stack.stop_part, part)

    async def start(self, *parts: str) -> None:
        for part in parts:
            await asyncio.to_thread(self.stack.start_part, part)

    async def suspend(self, part: str, seconds: float) -> None:
        """SIGSTOP for so long."""
        self.stack.suspend(part)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.stack.resume(part)

    def order(self, point: str, what: str = "") -> None:
        """The next process that comes by this point dies there (or fails: ``raise``)."""
        scratch = self.crash_orders / f".{point}"
        scratch.write_text(what)
        scratch.rename(self.crash_orders / point)

    def is_carried_out(self, point: str) -> bool:
        return not (self.crash_orders / point).exists()

    def withdraw(self, point: str) -> None:
        (self.crash_orders / point).unlink(missing_ok=True)

    async def restore(self) -> None:
        """Whatever a scenario left behind: everything runs and passes again."""
        for proxy in (self.stored, self.queued):
            proxy.refuse(False)
            proxy.hold(False)
            proxy.cut_after_request(0)
        for order in self.crash_orders.iterdir():
            order.unlink()
        spare = {REPLICA.name, sidecar_name(REPLICA.name)}
        running = self.stack.pids()
        for part in self.stack.part_names():
            if part not in spare and part not in running:
                await self.start(part)
        for part in spare & set(running):
            await self.stop(part)
        await self.ready(*(part for part in self.stack.part_names() if part not in spare))


@contextmanager
def open_stage(folder: Path) -> Iterator[Stage]:
    """Start everything in the folder; the second sessions process is there, but stopped."""
    orders = folder / "crash-orders"
    orders.mkdir(parents=True)
    with ExitStack() as opened:
        stored = opened.enter_context(FaultProxy(lambda: stack.site.ports["mongod"]))
        queued = opened.enter_context(FaultProxy(lambda: stack.site.ports["sqs"]))
        mongo = f"mongodb://127.0.0.1:{stored.port}/?replicaSet=m2n&directConnection=true"
        stack = stack_with_echo(
            folder,
            (*SERVICES, REPLICA),
            extra_env={"M2N_CRASH_POINTS": str(orders), "M2N_SQS_ENDPOINT": f"http://127.0.0.1:{queued.port}"},
            part_env={sidecar_name("sessions"): {"M2N_MONGO_URL": mongo}},
        )
        opened.enter_context(stack)
        for part in (sidecar_name(REPLICA.name), REPLICA.name):
            stack.stop_part(part)
        yield Stage(stack, orders, stored, queued)
