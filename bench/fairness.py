"""Whether customers and tenants notice one who writes very much: the others' replies with and without that one."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.checked_run import CheckedRun, Message, play
from bench.figures import Figures, percentile
from bench.warmed_plan import Arrival, WarmedPlan
from deploy.local.stack import Stack

FLOOD = 0
"""Number of the customer who sends all at once."""
FLOOD_AFTER_S = 1.0
LOUD = 0
"""Number of the tenant that writes most; customers belong to the tenants in turn."""


@dataclass(frozen=True)
class FloodPlan(WarmedPlan):
    """The others write at a steady rate, while one customer sends ``at_once`` messages at once.

    The vendor brings one customer's messages one after the other, as fast as they are accepted. What the others write
    is the same for any ``at_once``.
    """

    at_once: int = 500

    @property
    def flood_at_s(self) -> float:
        return self.measured_from_s + FLOOD_AFTER_S

    def _measured(self, chance: random.Random) -> Iterator[Arrival]:
        for at_s in self._arrivals(chance, self.messages - self.customers - self.at_once):
            yield at_s, chance.randrange(FLOOD + 1, self.customers)
        for _ in range(self.at_once):
            yield self.flood_at_s, FLOOD


@dataclass(frozen=True)
class TenantRatesPlan(WarmedPlan):
    """Every tenant's customers write at its own rate, for ``seconds``; ``messages`` is not asked.

    What a tenant's customers write depends on its own rate alone.
    """

    rates_per_s: tuple[float, ...] = (1.0, 1.0)
    seconds: float = 25.0

    def _measured(self, chance: random.Random) -> Iterator[Arrival]:
        for tenant, rate_per_s in enumerate(self.rates_per_s):
            yield from self._of_tenant(tenant, rate_per_s, random.Random(f"{self.seed} {tenant}"))

    def _of_tenant(self, tenant: int, rate_per_s: float, chance: random.Random) -> Iterator[Arrival]:
        own = range(tenant, self.customers, self.tenants)
        at_s = self.measured_from_s
        while rate_per_s:
            at_s += chance.expovariate(rate_per_s)
            if at_s > self.measured_from_s + self.seconds:
                return
            yield at_s, chance.choice(own)


@dataclass(frozen=True)
class Compared:
    """Replies to the others, in milliseconds, sorted: without the one who writes much, and with that one.

    ``evenly`` is with the same messages a second spread over all: what such load does by itself, however fair.
    """

    kind: str
    without: tuple[float, ...]
    beside: tuple[float, ...]
    evenly: tuple[float, ...] = ()

    def moved(self, share: float = 0.99) -> float:
        """How many times as long the others wait."""
        return percentile(self.beside, share) / percentile(self.without, share)


def enter(found: Iterable[Compared], figures: Figures) -> None:
    """Each repetition's figures, and the shares of all repetitions together, since a p99 needs many messages."""
    by_kind: dict[str, list[Compared]] = {}
    for each in found:
        by_kind.setdefault(each.kind, []).append(each)
        for share in (0.5, 0.99):
            _enter(each, share, figures)
    for kind, several in by_kind.items():
        pooled = _pooled(kind, several)
        for share in (0.5, 0.99):
            figures.add("Fairness", f"{kind}: others' p{share * 100:g}, with / without", "", pooled.moved(share))
            if pooled.evenly:
                ratio = percentile(pooled.beside, share) / percentile(pooled.evenly, share)
                figures.add("Fairness", f"{kind}: others' p{share * 100:g}, with / same load evenly", "", ratio)


def _enter(each: Compared, share: float, figures: Figures) -> None:
    name = f"others' webhook to reply, p{share * 100:g}"
    runs = (("without", each.without), ("with", each.beside), ("same load evenly", each.evenly))
    for run, values in runs:
        if values:
            figures.add(each.kind, f"{name}, {run}", "ms", percentile(values, share))


def _pooled(kind: str, several: Sequence[Compared]) -> Compared:
    return Compared(
        kind,
        tuple(sorted(value for each in several for value in each.without)),
        tuple(sorted(value for each in several for value in each.beside)),
        tuple(sorted(value for each in several for value in each.evenly)),
    )


# -- one customer ----------------------------------------------------------------------------------------------


async def flood(
    stack: Stack, folder: Path, repeat: int = 2, at_once: int = 500, rate_per_s: float = 15.0, others: int = 120
) -> list[Compared]:
    """One customer sends ``at_once`` messages at once. Raises NotAsPromised.

    Compared are the others' messages from then until the last of them was answered: the very same ones of the run
    without. Every other time the run with the flood is the first.
    """
    found: list[Compared] = []
    for number in range(repeat):
        sizes = (0, at_once) if number % 2 == 0 else (at_once, 0)
        runs: dict[int, CheckedRun] = {}
        for size in sizes:
            wanted = _flood_plan(number + 1, size, rate_per_s, others)
            runs[size] = await play(stack, wanted, folder / f"flood-{number}-{size}")
        found.append(during_flood(runs[0], runs[at_once], f"One customer sends {at_once} messages at once"))
    return found


def _flood_plan(seed: int, at_once: int, rate_per_s: float, others: int, customers: int = 61) -> FloodPlan:
    messages = customers + others + at_once
    return FloodPlan(seed, customers=customers, messages=messages, rate_per_s=rate_per_s, at_once=at_once)


def during_flood(without: CheckedRun, beside: CheckedRun, kind: str) -> Compared:
    """The same messages of both runs."""
    flooded = [message for message in beside.measured if message.customer == FLOOD]
    began, ended = flooded[0].at_s, max(message.replied_s for message in flooded)
    others = [message for message in beside.measured if message.customer != FLOOD]
    wanted = {(each.customer, each.number) for each in others if began <= each.at_s <= ended}
    return Compared(kind, _replies(without, wanted), _replies(beside, wanted))


def _replies(run: CheckedRun, wanted: set[tuple[int, int]]) -> tuple[float, ...]:
    return tuple(sorted(each.reply_ms for each in run.messages if (each.customer, each.number) in wanted))


# -- one tenant ------------------------------------------------------------------------------------------------


async def loud_tenant(
    stack: Stack,
    folder: Path,
    repeat: int = 2,
    times: float = 20.0,
    rate_per_s: float = 1.0,
    others: int = 4,
    seconds: float = 10.0,
) -> list[Compared]:
    """One tenant's customers write ``times`` as much as each of several others'. Raises NotAsPromised."""
    total = rate_per_s * (times + others)
    rates = {
        "without": (0.0, *(rate_per_s,) * others),
        "beside": (times * rate_per_s, *(rate_per_s,) * others),
        "evenly": (total / (others + 1),) * (others + 1),
    }
    found: list[Compared] = []
    for number in range(repeat):
        order = list(rates) if number % 2 == 0 else list(rates)[::-1]
        replies: dict[str, tuple[float, ...]] = {}
        for name in order:
            wanted = _tenants_plan(number + 1, rates[name], seconds)
            run = await play(stack, wanted, folder / f"loud-{number}-{name}")
            replies[name] = _quiet_tenants(run.measured, wanted)
        found.append(Compared(f"One tenant writes {times:g} times as much", **replies))
    return found


def _tenants_plan(seed: int, rates_per_s: tuple[float, ...], seconds: float) -> TenantRatesPlan:
    count = len(rates_per_s)
    return TenantRatesPlan(seed, tenants=count, customers=12 * count, rates_per_s=rates_per_s, seconds=seconds)


def _quiet_tenants(messages: Iterable[Message], wanted: TenantRatesPlan) -> tuple[float, ...]:
    return tuple(sorted(each.reply_ms for each in messages if each.customer % wanted.tenants != LOUD))
