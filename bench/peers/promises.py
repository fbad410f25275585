"""What peers do with repeats, with quick messages and with a kill, by the checker that M2N is judged by.

    outcome = await same_id_at_once(Ground.of(stack), FASTSTREAM, python, folder)
    add_outcome(figures, FASTSTREAM, "same id twice in parallel", outcome, "accepted", "doubled")

Each takes 5 to 15 seconds and begins with a fresh peer.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figures
from bench.peers.ground import Ground
from bench.peers.judged import Outcome, collect_at_vendor, outcome_of
from bench.peers.playing import answered
from bench.peers.running import Peer, RunningPeer
from bench.peers.writing import Message, Writing
from tests.faults.customers import Customer
from tests.faults.load import Load
from tests.faults.plan import Plan
from tests.faults.site import Site

QUICK, GAP_S, NEXT_CUSTOMER_S = 10, 0.01, 0.2
"""Messages of a customer, the pause between them, and between the first messages of two customers."""
SLOW_VENDOR_S = 0.04
RUSH_PER_S = 50.0
KILLED_AFTER_S = 3.0
DOWN_S = 1.0


@dataclass
class _Stage:
    peer: RunningPeer
    site: Site
    load: Load
    folder: Path

    async def outcome(self) -> Outcome:
        return outcome_of(await collect_at_vendor(self.site, self.folder))


@asynccontextmanager
async def _stage(ground: Ground, peer: Peer, python: Path, folder: Path, customers: int) -> AsyncIterator[_Stage]:
    """A fresh peer with customers who are known to the vendor, and write nothing by themselves."""
    own = folder / f"promises-{secrets.token_hex(3)}"
    plan = Plan(seed=1, customers=customers, messages=0, agent_share=0.0, receipts_final="sent")
    async with (
        RunningPeer(peer, python, ground, own) as running,
        ground.site(running.address) as site,
        Load(site, plan, own / "load") as load,
    ):
        yield _Stage(running, site, load, own / "load")


async def same_id_at_once(ground: Ground, peer: Peer, python: Path, folder: Path, *, customers: int = 20) -> Outcome:
    """Each customer writes once, and the vendor posts the webhook twice at the same time: ``doubled`` of so many."""
    async with _stage(ground, peer, python, folder, customers) as stage:
        for customer in stage.load.customers:
            await stage.load.says(customer, copies=2)
        await answered(stage.load)
        # A second answer comes no later than the first one of the next customer, but for the last customer.
        await asyncio.sleep(1)
        return await stage.outcome()


async def quick_messages(
    ground: Ground, peer: Peer, python: Path, folder: Path, *, customers: int = 20, waits: bool = False, seed: int = 1
) -> Outcome:
    """Each customer writes 10 messages within 0.1 seconds: ``customers_out_of_order`` of so many.

    ``waits``: each webhook waits for the last one's 200, which the real vendor does not do. The vendor's stand-in takes
    30 to 50 ms for a send, now more and now less.
    """
    async with _stage(ground, peer, python, folder, customers) as stage:
        async with ground.vendor_varies(customers * QUICK, seed):
            if waits:
                await asyncio.gather(*(_one_by_one(stage.load, each) for each in stage.load.customers))
            else:
                async with Writing(stage.site, stage.folder, insists=False) as writing:
                    await writing.write(quick(stage.load.customers))
            await answered(stage.load, customers * QUICK)
        return await stage.outcome()


def quick(customers: Sequence[Customer]) -> list[Message]:
    return [
        Message(number * NEXT_CUSTOMER_S + place * GAP_S, customer, place + 1)
        for number, customer in enumerate(customers)
        for place in range(QUICK)
    ]


async def _one_by_one(load: Load, customer: Customer) -> None:
    for _ in range(QUICK):
        await load.says(customer)


async def killed(
    ground: Ground, peer: Peer, python: Path, folder: Path, *, insists: bool, messages: int = 300, customers: int = 60
) -> Outcome:
    """Messages come faster than the vendor lets answer them; all processes are killed and come back after a second.

    ``insists``: the vendor posts a webhook again until it is answered. The real one gives up whatever was not accepted
    at once. What counts is ``accepted``, ``given_up``, ``lost`` and ``doubled``: what is posted again comes late, so
    the numbers' order says nothing here.
    """
    async with _stage(ground, peer, python, folder, customers) as stage:
        async with Writing(stage.site, stage.folder, insists=insists) as writing:
            coming = asyncio.create_task(writing.write(rush(stage.load.customers, messages)))
            async with ground.vendor_takes(SLOW_VENDOR_S):
                await asyncio.sleep(KILLED_AFTER_S)
                stage.peer.kill()
            await asyncio.sleep(DOWN_S)
            await stage.peer.start()
            await coming
        await answered(stage.load, writing.accepted)
        return await stage.outcome()


def rush(customers: Sequence[Customer], messages: int) -> list[Message]:
    """The customers in turn."""
    return [
        Message(number / RUSH_PER_S, customers[number % len(customers)], number // len(customers) + 1)
        for number in range(messages)
    ]


def add_outcome(figures: Figures, peer: Peer, what: str, outcome: Outcome, *counted: str) -> None:
    """The named counts of the outcome, such as ``doubled``; anything that was not expected is shown, too."""
    for name in counted:
        unit = "customers" if name.startswith("customers") else "messages"
        figures.add(f"{peer.name}, {what}", name.replace("_", " "), unit, getattr(outcome, name))
    if outcome.other:
        figures.add(f"{peer.name}, {what}", "other findings", "messages", len(outcome.other))
