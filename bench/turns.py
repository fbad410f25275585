"""Conversation turns on the whole stack: how long they take, and what they cost.

Open loop: the times of sending are planned and do not wait for answers. From the planned time of a webhook to its
answer, and to the reply's arrival at the vendor, by one clock.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.process_use import CpuSeconds
from deploy.local.stack import Stack
from tests.faults.checked_records import Fact, Records, Serial, read_records
from tests.faults.checker import check_records
from tests.faults.load import Load
from tests.faults.plan import Plan
from tests.faults.records import collect
from tests.faults.site import Site

DRAIN_S = 120.0
SETTLED_S = 1.0
"""What follows an answer (its status, its record) belongs to its cost."""


class NotAsPromised(Exception):
    """A run in which something was lost, doubled, out of order or crossed is no measurement."""


@dataclass(frozen=True)
class Turns:
    """Of messages of customers who had written before. ``cpu_ms`` is milliseconds a message, by part."""

    rate_per_s: float
    ack_ms: tuple[float, ...]
    reply_ms: tuple[float, ...]
    seconds: float
    """From the first planned message to the last reply."""
    cpu_ms: Mapping[str, float]

    @property
    def replies_per_s(self) -> float:
        return len(self.reply_ms) / self.seconds


def plan(rate_per_s: float, messages: int, customers: int = 60, seed: int = 1) -> Plan:
    """Each customer writes once to begin with; ``messages`` more come at random, one at a time."""
    return Plan(
        seed=seed,
        customers=customers,
        messages=customers + messages,
        rate_per_s=rate_per_s,
        burst=1,
        agent_share=0.0,
        receipts_final="sent",
    )


async def play(stack: Stack, wanted: Plan, folder: Path) -> Turns:
    """Play the plan. Raises NotAsPromised."""
    site = Site.of(stack)
    async with Load(site, wanted, folder) as load:
        running = asyncio.create_task(load.run())
        await asyncio.sleep(wanted.sends()[wanted.customers].at_s)
        before = CpuSeconds.now(stack)
        await running
        missing = await load.drained(DRAIN_S)
        await asyncio.sleep(SETTLED_S)
        used = CpuSeconds.now(stack).since(before)
    await collect(site, folder)
    records = read_records(folder)
    report = check_records(records)
    if missing or not report.passed:
        raise NotAsPromised(f"{len(missing)} without an answer; " + "; ".join(map(str, report.violations[:3])))
    return _turns(wanted, records, used)


def _turns(wanted: Plan, records: Records, used: Mapping[str, float]) -> Turns:
    known = {serial: fact for serial, fact in records.accepted.items() if serial[2] != 1}
    replied = {serial: answer.at_ns for answer in records.answers for serial in answer.serials if serial in known}
    began = min(fact.planned_ns for fact in known.values())
    return Turns(
        rate_per_s=wanted.rate_per_s,
        ack_ms=tuple(sorted((fact.accepted_ns - fact.planned_ns) / 1e6 for fact in known.values())),
        reply_ms=_waits(known, replied),
        seconds=(max(replied.values()) - began) / 1e9,
        cpu_ms={part: seconds * 1000 / len(known) for part, seconds in used.items()},
    )


def _waits(known: Mapping[Serial, Fact], replied: Mapping[Serial, int]) -> tuple[float, ...]:
    return tuple(sorted((at_ns - known[serial].planned_ns) / 1e6 for serial, at_ns in replied.items()))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the sorted values do not exceed."""
    return values[min(len(values) - 1, int(share * len(values)))]
