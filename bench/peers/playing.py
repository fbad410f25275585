"""A plan played to a running peer, timed and counted as M2N's turns are."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.peers.ground import Ground
from bench.peers.judged import Outcome, collect_at_vendor, outcome_of
from bench.peers.running import RunningPeer
from bench.turns import SETTLED_S, Turns
from tests.faults.checked_records import Records, Serial
from tests.faults.load import Load
from tests.faults.plan import Plan

LOOK_EVERY_S = 0.05
STILL_S = 3.0
"""When no answer came for so long, none will: no peer waits longer for anything."""


@dataclass(frozen=True)
class Played:
    """``turns`` is of the messages that were answered; what became of the others is in ``outcome``."""

    turns: Turns
    outcome: Outcome


async def play(ground: Ground, peer: RunningPeer, wanted: Plan, folder: Path) -> Played:
    """Play the whole plan and wait for what comes."""
    async with ground.site(peer.address) as site:
        async with Load(site, wanted, folder) as load:
            running = asyncio.create_task(load.run())
            await asyncio.sleep(wanted.sends()[wanted.customers].at_s)
            before = peer.cpu_s()
            await running
            await answered(load)
            await asyncio.sleep(SETTLED_S)
            used = {name: seconds - before[name] for name, seconds in peer.cpu_s().items()}
        records = await collect_at_vendor(site, folder)
    return Played(_turns(wanted, records, used), outcome_of(records))


async def answered(load: Load, expected: int = 0) -> None:
    """Wait until so many messages are answered, or all that were accepted, or until no more answers come."""
    seen, since = load.answered, time.monotonic()
    while load.answered < (expected or load.accepted) and time.monotonic() - since < STILL_S:
        await asyncio.sleep(LOOK_EVERY_S)
        if load.answered > seen:
            seen, since = load.answered, time.monotonic()


def _turns(wanted: Plan, records: Records, used: Mapping[str, float]) -> Turns:
    """Of the messages of customers who had written before, as M2N's."""
    known = {serial: fact for serial, fact in records.accepted.items() if serial[2] != 1}
    replied = reply_times(records)
    began = min(fact.planned_ns for fact in known.values())
    return Turns(
        rate_per_s=wanted.rate_per_s,
        ack_ms=tuple(sorted((fact.accepted_ns - fact.planned_ns) / 1e6 for fact in known.values())),
        reply_ms=tuple(sorted((replied[each] - known[each].planned_ns) / 1e6 for each in known.keys() & replied)),
        seconds=(max(replied.values()) - began) / 1e9,
        cpu_ms={part: seconds * 1000 / len(known) for part, seconds in used.items()},
    )


def reply_times(records: Records) -> dict[Serial, int]:
    """When each message was first answered, in nanoseconds."""
    firsts: dict[Serial, int] = {}
    for answer in records.answers:
        for serial in answer.serials:
            firsts.setdefault(serial, answer.at_ns)
    return firsts
