"""Conversation turns: how long they take, and what they cost. Open loop: planned times do not wait for answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import checked_run
from bench.checked_run import CheckedRun
from bench.warmed_plan import WarmedPlan
from deploy.local.stack import Stack

GAP_S = 6.0
"""The mean time between two messages of a customer's: nobody writes again before the answer, and what a lane saves when
nothing has happened for five seconds belongs to the turn."""
FEWEST_CUSTOMERS = 60
WARM_SHARE = 0.7
"""Of the rate: a customer's first message costs more than the later ones."""


@dataclass(frozen=True)
class Turns:
    """Of messages of customers who had written before; times sorted. ``cpu_ms`` is of a message, by part.

    ``replies_a_message`` is below 1 where messages shared a turn, so that less was done for each.
    """

    rate_per_s: float
    ack_ms: tuple[float, ...]
    reply_ms: tuple[float, ...]
    replies_a_message: float
    seconds: float
    """From the first planned message to the last reply."""
    cpu_ms: Mapping[str, float]

    @property
    def all_cpu_ms(self) -> float:
        return sum(self.cpu_ms.values())


def plan(
    rate_per_s: float, messages: int, *, seed: int = 1, receipts_final: str = "queued", customers: int = 0
) -> WarmedPlan:
    """Each customer writes once to begin with; ``messages`` more come from all in turn. 0 customers: enough of them."""
    customers = customers or max(FEWEST_CUSTOMERS, round(GAP_S * rate_per_s))
    return WarmedPlan(
        seed=seed,
        customers=customers,
        messages=customers + messages,
        rate_per_s=rate_per_s,
        warm_rate_per_s=max(20.0, WARM_SHARE * rate_per_s),
        receipts_final=receipts_final,
    )


async def play(stack: Stack, wanted: WarmedPlan, folder: Path) -> Turns:
    """Play the plan to M2N. Raises NotAsPromised."""
    return turns_of(wanted, await checked_run.play(stack, wanted, folder))


def turns_of(wanted: WarmedPlan, run: CheckedRun) -> Turns:
    measured = run.measured
    return Turns(
        rate_per_s=wanted.rate_per_s,
        ack_ms=tuple(sorted(message.ack_ms for message in measured)),
        reply_ms=tuple(sorted(message.reply_ms for message in measured)),
        replies_a_message=len({message.answer for message in measured}) / len(measured),
        seconds=max(message.replied_s for message in measured) - min(message.at_s for message in measured),
        cpu_ms=run.cpu_ms,
    )
