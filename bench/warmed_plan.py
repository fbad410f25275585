"""Plans of runs that are measured: everybody writes once at an even pace, and after a pause begins what counts."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.plan import Plan, Send

PAUSE_S = 0.5
"""What the first messages leave behind them does not count."""
Arrival = tuple[float, int]
"""Seconds after the start, and the customer's number."""


@dataclass(frozen=True)
class WarmedPlan(Plan):
    """After the first message of everybody, ``messages`` less ``customers`` come at random times, from all in turn.

    So nobody writes again before everybody else has. The vendor posts no statuses, unless another ``receipts_final``.
    """

    agent_share: float = 0.0
    receipts_final: str = "queued"
    warm_rate_per_s: float = 20.0

    @property
    def measured_from_s(self) -> float:
        return self.customers / self.warm_rate_per_s + PAUSE_S

    def sends(self) -> tuple[Send, ...]:
        """The same for the same plan, in the order of their times."""
        chance = random.Random(self.seed)
        measured = sorted(self._measured(chance))
        arrivals = [*self._firsts(), *measured]
        return tuple(Send(at_s, customer, self._words(chance, asks=False)) for at_s, customer in arrivals)

    def _firsts(self) -> Iterator[Arrival]:
        return ((number / self.warm_rate_per_s, number) for number in range(self.customers))

    def _measured(self, chance: random.Random) -> Iterator[Arrival]:
        """What counts, in any order."""
        for number, at_s in enumerate(self._arrivals(chance, self.messages - self.customers)):
            yield at_s, number % self.customers

    def _arrivals(self, chance: random.Random, count: int) -> Iterator[float]:
        at_s = self.measured_from_s
        for _ in range(count):
            at_s += chance.expovariate(self.rate_per_s)
            yield at_s
