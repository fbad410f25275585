"""How fast the whole fleet is on this machine, beside what the parts allow.

    make bench [REPEAT=3]
    python -m bench [--repeat 3] [--json FILE] [--markdown FILE]

Three things in one run, each several times: the servers alone (`floor`), an empty fleet with sidecars (`empty_fleet`),
and M2N. Ratios between them say more than milliseconds.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bench import floor, turns
from bench.empty_fleet import empty_fleet
from bench.empty_fleet.drive import drive
from bench.figures import Figures, machine, table, write
from bench.process_use import CpuSeconds, memory_mb
from bench.turns import NotAsPromised, Turns, percentile
from deploy.local.places import ROOT
from deploy.local.stack import Stack
from tests.faults.echo.deployment import stack_with_echo

LIGHT, BUSY, RUSH = 10.0, 50.0, 200.0
"""Messages a second."""
LADDER = (15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 50.0, 60.0, 80.0, 100.0, 120.0)
HELD_P99_MS = 1000.0
IDLE_S = 10.0
STAND_IN = ("simulator",)
"""The vendor's stand-in is no part of the fleet."""


def main(
    repeat: Annotated[int, typer.Option(min=1, max=20)] = 3,
    json_: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = ROOT / ".m2n" / "bench.json",
    markdown: Annotated[Path | None, typer.Option(help="Where the tables go, too.")] = None,
) -> None:
    """Measure and print; takes about ten minutes."""
    facts, figures = machine(), Figures()
    with tempfile.TemporaryDirectory(prefix="m2n-bench-") as folder:
        asyncio.run(_measure(Path(folder), figures, repeat))
    write(json_, facts, figures.all())
    shown = ", ".join(f"{name} {value}" for name, value in facts.items())
    text = f"{shown}\n\n{table(figures.all())}\n"
    typer.echo(text)
    if markdown:
        markdown.write_text(text)
    typer.echo(f"Figures in {json_}")


async def _measure(folder: Path, figures: Figures, repeat: int) -> None:
    with empty_fleet(folder / "empty") as stack:
        for number in range(repeat):
            typer.echo(f"Empty fleet, {number + 1} of {repeat}")
            await _empty(stack, figures)
    began = time.monotonic()
    with stack_with_echo(folder / "m2n") as stack:
        figures.add("The stack", "start, everything built", "s", time.monotonic() - began)
        await turns.play(stack, turns.plan(LIGHT, 40), folder / "warm")
        for number in range(repeat):
            typer.echo(f"M2N, {number + 1} of {repeat}")
            await _floor(stack, figures)
            await _fleet(stack, figures, folder / f"run-{number}", number)
            await _idle(stack, figures)
        _memory(stack, figures)
    _ratios(figures)


async def _empty(stack: Stack, figures: Figures) -> None:
    for rate, count in ((LIGHT, 120), (BUSY, 250)):
        driven = await drive(stack, rate, count)
        _times(figures, f"Empty fleet at {rate:g}/s", driven.ack_ms, driven.reply_ms)
        figures.add(f"Empty fleet at {rate:g}/s", "CPU a message", "ms", sum(driven.cpu_ms.values()))


async def _floor(stack: Stack, figures: Figures) -> None:
    acks, replies = await floor.measure(stack, LIGHT, 120)
    _times(figures, f"Servers alone at {LIGHT:g}/s", acks, replies)


async def _fleet(stack: Stack, figures: Figures, folder: Path, seed: int) -> None:
    light = await turns.play(stack, turns.plan(LIGHT, 120, seed=seed), folder / "light")
    _turns(figures, light)
    _cpu(figures, light)
    busy = await turns.play(stack, turns.plan(BUSY, 300, seed=seed), folder / "busy")
    _turns(figures, busy)
    _cpu(figures, busy)
    figures.add(_title(busy), "replies a second", "1/s", busy.replies_per_s)
    rush = await turns.play(stack, turns.plan(RUSH, 400, seed=seed), folder / "rush")
    _turns(figures, rush)
    figures.add(_title(rush), "replies a second", "1/s", rush.replies_per_s)
    figures.add("M2N", f"highest rate with p99 under {HELD_P99_MS:g} ms", "1/s", await _held(stack, folder, seed))


async def _held(stack: Stack, folder: Path, seed: int) -> float:
    """The last step of the ladder that was held; 0 when not even the first was."""
    held = 0.0
    for rate in LADDER:
        played = await turns.play(stack, turns.plan(rate, int(rate * 8), seed=seed), folder / f"ladder-{rate:g}")
        if percentile(played.reply_ms, 0.99) > HELD_P99_MS:
            break
        held = rate
    return held


async def _idle(stack: Stack, figures: Figures) -> None:
    before = CpuSeconds.now(stack)
    await asyncio.sleep(IDLE_S)
    used = CpuSeconds.now(stack).since(before)
    figures.add("The stack", "CPU when idle", "% of a core", sum(used.values()) / IDLE_S * 100)


def _memory(stack: Stack, figures: Figures) -> None:
    used = memory_mb(stack)
    for part in sorted(used):
        figures.add("Memory", part, "MiB", used[part])
    figures.add("Memory", "all", "MiB", sum(used.values()))


def _title(played: Turns) -> str:
    return f"M2N at {played.rate_per_s:g}/s"


def _turns(figures: Figures, played: Turns) -> None:
    _times(figures, _title(played), played.ack_ms, played.reply_ms)


def _times(figures: Figures, group: str, acks: Sequence[float], replies: Sequence[float]) -> None:
    for name, values in (("webhook acknowledged", acks), ("webhook to reply", replies)):
        for share in (0.5, 0.99):
            figures.add(group, f"{name}, p{share * 100:g}", "ms", percentile(values, share))


def _cpu(figures: Figures, played: Turns) -> None:
    group = f"CPU a message at {played.rate_per_s:g}/s"
    for part in sorted(played.cpu_ms, key=lambda name: -played.cpu_ms[name]):
        figures.add(group, part, "ms", played.cpu_ms[part])
    fleet = sum(used for part, used in played.cpu_ms.items() if part not in STAND_IN)
    figures.add(group, "all but the vendor's stand-in", "ms", fleet)


def _ratios(figures: Figures) -> None:
    """Of the medians."""
    medians = {(figure.group, figure.name): figure.median for figure in figures.all()}
    light = f"M2N at {LIGHT:g}/s"
    for other in (f"Servers alone at {LIGHT:g}/s", f"Empty fleet at {LIGHT:g}/s"):
        for name in ("webhook acknowledged, p50", "webhook to reply, p50", "webhook to reply, p99"):
            figures.add("Ratios", f"{name}: M2N / {other}", "", medians[light, name] / medians[other, name])
    cpu = medians[f"CPU a message at {LIGHT:g}/s", "all but the vendor's stand-in"]
    figures.add(
        "Ratios", f"CPU a message: M2N / Empty fleet at {LIGHT:g}/s", "",
        cpu / medians[f"Empty fleet at {LIGHT:g}/s", "CPU a message"],
    )  # fmt: skip


if __name__ == "__main__":
    try:
        typer.run(main)
    except NotAsPromised as broken:
        raise SystemExit(f"A run broke a promise, so its figures say nothing: {broken}") from broken
