"""A plan played to a running peer, timed and counted as M2N's turns are."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from bench.checked_run import play_out, run_of
from bench.peers.ground import Ground
from bench.peers.judged import Outcome, collect_at_vendor, outcome_of
from bench.peers.running import RunningPeer
from bench.process_use import CpuSeconds
from bench.turns import Turns, turns_of
from bench.warmed_plan import WarmedPlan
from tests.faults.load import Load

LOOK_EVERY_S = 0.05
STILL_S = 3.0
"""When no answer came for so long, none will: no peer waits longer for anything."""


@dataclass(frozen=True)
class Played:
    """``turns`` is of the messages that were answered; what became of the others is in ``outcome``."""

    turns: Turns
    outcome: Outcome


async def play(ground: Ground, peer: RunningPeer, wanted: WarmedPlan, folder: Path) -> Played:
    """Play the whole plan and wait for what comes."""
    async with ground.site(peer.address) as site:
        async with Load(site, wanted, folder) as load:
            used = await play_out(load, wanted, lambda: CpuSeconds(peer.cpu_s()), answered)
        records = await collect_at_vendor(site, folder)
    return Played(turns_of(wanted, run_of(wanted, records, load.began_ns, used)), outcome_of(records))


async def answered(load: Load, expected: int = 0) -> None:
    """Wait until so many messages are answered, or all that were accepted, or until no more answers come."""
    seen, since = load.answered, time.monotonic()
    while load.answered < (expected or load.accepted) and time.monotonic() - since < STILL_S:
        await asyncio.sleep(LOOK_EVERY_S)
        if load.answered > seen:
            seen, since = load.answered, time.monotonic()
