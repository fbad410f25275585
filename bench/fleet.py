"""What is measured of M2N as a whole, on a running stack with the echo engine, beside its servers alone."""

import asyncio
from pathlib import Path

from bench import floor, turns
from bench.figures import Figures, add_times
from bench.held import STEP_S, add_rate, highest_held, is_held
from bench.peers.ground import Ground
from bench.process_use import CpuSeconds, memory_mb
from bench.turns import Turns
from deploy.local.stack import Stack

M2N, ALONE, EMPTY = "M2N", "Servers alone", "Empty fleet"
LIGHT, BUSY, FULL, RUSH = 10.0, 50.0, 100.0, 200.0
"""Messages a second."""
RUSHING = 150
"""Customers at that rate, of which only the acknowledgements are looked at."""
LADDER = (55.0, 70.0, 85.0, 100.0, 120.0, 140.0)
SLOW_VENDOR_S = 0.05
REST_S, IDLE_S = 1.0, 6.0
CPU = "CPU a message"
ALL_CPU = "all but the vendor's stand-in"


class Fleet:
    """Every method is one measurement, which may come several times. Raises NotAsPromised."""

    def __init__(self, stack: Stack, folder: Path, figures: Figures) -> None:
        self._stack, self._folder, self._figures = stack, folder, figures
        self._played = 0
        self._near: dict[float, float] = {0.0: FULL}
        """By the vendor's seconds, the rate that was held the last time, or may be."""

    async def warm(self) -> None:
        await self._play(2 * LIGHT, 20)

    async def light(self) -> None:
        self._enter(await self._play(LIGHT, 80))

    async def busy(self) -> None:
        self._enter(await self._play(BUSY, 250))

    async def full(self) -> None:
        """As much as is hoped for."""
        self._enter(await self._play(FULL, 800))

    async def told(self) -> None:
        """The vendor tells one status of each message, which is one more webhook to take."""
        played = await self._play(BUSY, 250, receipts_final="sent")
        self._figures.add(f"M2N at {BUSY:g}/s, a status of each message", CPU, "ms", played.all_cpu_ms)

    async def rush(self) -> None:
        played = await self._play(RUSH, 400, customers=RUSHING)
        add_times(self._figures, _title(played), played.ack_ms, ())

    async def held(self, vendor_s: float = 0.0) -> None:
        async def holds(rate: float) -> bool:
            return is_held(await self._play(rate, round(rate * STEP_S)))

        async with Ground.of(self._stack).vendor_takes(vendor_s):
            near = self._near.get(vendor_s, self._near.get(0.0, 0.0))
            self._near[vendor_s] = await highest_held(LADDER, holds, near)
        add_rate(self._figures, M2N, vendor_s, self._near[vendor_s])

    async def floor(self) -> None:
        acks, replies = await floor.measure(self._stack, LIGHT, 60)
        add_times(self._figures, f"{ALONE} at {LIGHT:g}/s", acks, replies)

    async def idle(self) -> None:
        await asyncio.sleep(REST_S)
        before = CpuSeconds.now(self._stack)
        await asyncio.sleep(IDLE_S)
        used = CpuSeconds.now(self._stack).since(before)
        self._figures.add("The stack", "CPU when idle", "% of a core", sum(used.values()) / IDLE_S * 100)

    async def memory(self) -> None:
        used = memory_mb(self._stack)
        for part in sorted(used):
            self._figures.add("Memory", part, "MiB", used[part])
        self._figures.add("Memory", "all", "MiB", sum(used.values()))

    async def _play(
        self, rate_per_s: float, messages: int, *, receipts_final: str = "queued", customers: int = 0
    ) -> Turns:
        self._played += 1
        wanted = turns.plan(rate_per_s, messages, seed=self._played, receipts_final=receipts_final, customers=customers)
        return await turns.play(self._stack, wanted, self._folder / f"fleet-{self._played}-{rate_per_s:g}")

    def _enter(self, played: Turns) -> None:
        title = _title(played)
        add_times(self._figures, title, played.ack_ms, played.reply_ms)
        self._figures.add(title, "replies a message", "", played.replies_a_message)
        group = f"{CPU} at {played.rate_per_s:g}/s"
        for part in sorted(played.cpu_ms, key=lambda name: -played.cpu_ms[name]):
            self._figures.add(group, part, "ms", played.cpu_ms[part])
        self._figures.add(group, ALL_CPU, "ms", played.all_cpu_ms)


def _title(played: Turns) -> str:
    return f"{M2N} at {played.rate_per_s:g}/s"


def add_ratios(figures: Figures) -> None:
    """Of the medians, as far as both were measured."""
    medians = {(figure.group, figure.name): figure.median for figure in figures.all()}
    light, empty = f"{M2N} at {LIGHT:g}/s", f"{EMPTY} at {LIGHT:g}/s"
    times = ("webhook acknowledged, p50", "webhook to reply, p50", "webhook to reply, p99")
    pairs = [(name, (light, name), (other, name)) for other in (f"{ALONE} at {LIGHT:g}/s", empty) for name in times]
    pairs += [(CPU, (f"{CPU} at {LIGHT:g}/s", ALL_CPU), (empty, CPU))]
    for name, own, other in pairs:
        if own in medians and other in medians:
            figures.add("Ratios", f"{name}: M2N / {other[0]}", "", medians[own] / medians[other])
