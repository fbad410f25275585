"""A run, message by message, with what it cost. On M2N's stack, one that broke a promise is no measurement."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.process_use import CpuSeconds
from bench.warmed_plan import WarmedPlan
from deploy.local.stack import Stack
from tests.faults.checked_records import Answer, Records, read_records
from tests.faults.checker import check_records
from tests.faults.load import Load
from tests.faults.records import collect
from tests.faults.site import Site

DRAIN_S = 120.0
SETTLED_S = 1.0
"""What follows an answer (its status, its record) belongs to its cost."""
STAND_IN = "simulator"
"""The vendor's stand-in is no part of the fleet."""
Prepare = Callable[[Load], Awaitable[None]]
"""Done when tenants and customers are made and before anybody writes."""


class NotAsPromised(Exception):
    """A run in which something was lost, doubled, out of order or crossed is no measurement."""


@dataclass(frozen=True)
class Message:
    """An answered message of a customer's, who counts from 0; ``at_s`` is when it was to be sent, after the start.

    ``answer`` is the number of the answer at the vendor's; ``profile``, ``session`` and ``seq`` are its place.
    """

    customer: int
    number: int
    at_s: float
    ack_ms: float
    reply_ms: float
    answer: int
    profile: str
    session: int
    seq: int

    @property
    def replied_s(self) -> float:
        return self.at_s + self.reply_ms / 1000


@dataclass(frozen=True)
class CheckedRun:
    """``cpu_ms`` is milliseconds a measured message, by part."""

    measured_from_s: float
    messages: tuple[Message, ...]
    cpu_ms: Mapping[str, float]

    @property
    def firsts(self) -> tuple[Message, ...]:
        """Everybody's first message of the run."""
        return tuple(message for message in self.messages if message.number == 1)

    @property
    def measured(self) -> tuple[Message, ...]:
        return tuple(message for message in self.messages if message.at_s >= self.measured_from_s)


async def nothing(_: Load) -> None:
    """Prepares nothing."""


async def play(stack: Stack, wanted: WarmedPlan, folder: Path, prepare: Prepare = nothing) -> CheckedRun:
    """Play the plan and check the run. Raises NotAsPromised."""
    site, missing = Site.of(stack), 0

    async def answered(load: Load) -> None:
        nonlocal missing
        missing = len(await load.drained(DRAIN_S))

    async with Load(site, wanted, folder) as load:
        await prepare(load)
        used = await play_out(load, wanted, lambda: CpuSeconds.now(stack), answered)
    await collect(site, folder)
    records = read_records(folder)
    report = check_records(records)
    if missing or not report.passed:
        raise NotAsPromised(f"{missing} without an answer; " + "; ".join(map(str, report.violations[:3])))
    return run_of(wanted, records, load.began_ns, used)


async def play_out(
    load: Load, wanted: WarmedPlan, now: Callable[[], CpuSeconds], answered: Callable[[Load], Awaitable[None]]
) -> dict[str, float]:
    """Send what the plan says and wait until it is ``answered``. Returns CPU seconds by part, of what is measured."""
    running = asyncio.create_task(load.run())
    try:
        await asyncio.sleep(wanted.measured_from_s)
        before = now()
        await running
        await answered(load)
        await asyncio.sleep(SETTLED_S)
    finally:
        running.cancel()
    return now().since(before)


def run_of(wanted: WarmedPlan, records: Records, began_ns: int, used: Mapping[str, float]) -> CheckedRun:
    """``used`` is CPU time in seconds, by part."""
    messages = tuple(sorted(_messages(records, began_ns), key=lambda message: message.at_s))
    measured = sum(message.at_s >= wanted.measured_from_s for message in messages)
    cpu_ms = {part: seconds * 1000 / measured for part, seconds in used.items() if part != STAND_IN}
    return CheckedRun(wanted.measured_from_s, messages, cpu_ms)


def _messages(records: Records, began_ns: int) -> Iterator[Message]:
    answered = {serial: answer for answer in reversed(records.answers) for serial in answer.serials}
    for serial, fact in records.accepted.items():
        answer: Answer | None = answered.get(serial)
        if answer is None or serial[2] is None:
            continue
        profile, session, seq = answer.place
        yield Message(
            customer=int(serial[1].removeprefix("c")) - 1,
            number=serial[2],
            at_s=(fact.planned_ns - began_ns) / 1e9,
            ack_ms=(fact.accepted_ns - fact.planned_ns) / 1e6,
            reply_ms=(answer.at_ns - fact.planned_ns) / 1e6,
            answer=answer.n,
            profile=profile,
            session=session,
            seq=seq,
        )
