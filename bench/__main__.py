"""How fast the whole fleet is on this machine, beside what the parts allow and beside others.

    make bench [REPEAT=3] [ONLY="fleet peers"]
    python -m bench [--repeat 3] [--only fleet] [--minutes 15] [--json FILE] [--markdown FILE]

In one run: the servers alone (`floor`), an empty fleet with sidecars (`empty_fleet`) and M2N, each several times;
`peers` in between; `growth`, `fairness` and the built-in engine. Ratios within the run say more than milliseconds.
"""

import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from bench import parts
from bench.checked_run import NotAsPromised
from bench.empty_fleet import empty_fleet
from bench.figures import Figures, machine, table, write
from bench.fleet import Fleet, add_ratios
from bench.parts import Part
from bench.peers.environment import peers_python
from bench.peers.ground import Ground
from bench.peers.pieces import Peers
from bench.schedule import Piece, Schedule
from deploy.local.places import ROOT
from deploy.local.progress import Steps
from deploy.local.stack import Stack
from tests.faults.echo.deployment import stack_with_echo


def main(
    repeat: Annotated[int, typer.Option(min=1, max=20, help="So often the main figures are measured.")] = 3,
    only: Annotated[list[Part] | None, typer.Option(help="This part alone; may be said several times.")] = None,
    minutes: Annotated[float, typer.Option(help="What would take longer is left out.")] = 15.0,
    json_: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = ROOT / ".m2n" / "bench.json",
    markdown: Annotated[Path | None, typer.Option(help="Where the tables go, too.")] = None,
) -> None:
    """Measure and print; takes a quarter of an hour."""
    chosen, figures, facts = frozenset(only or Part), Figures(), machine()
    python = peers_python(Steps()) if Part.PEERS in chosen else Path()
    schedule = Schedule(minutes * 60, typer.echo)
    with tempfile.TemporaryDirectory(prefix="m2n-bench-") as folder:
        uvloop.run(_measure(Path(folder), figures, schedule, chosen, repeat, python))
    add_ratios(figures)
    _show(facts | _course(schedule), figures, json_, markdown)


async def _measure(
    folder: Path, figures: Figures, schedule: Schedule, chosen: Collection[Part], repeat: int, python: Path
) -> None:
    """What needs no stack first, so that nothing else runs beside it."""
    if Part.ENGINE in chosen:
        await schedule.play(parts.engine_pieces(figures))
    if Part.FLEET in chosen:
        with empty_fleet(folder / "empty") as stack:
            await schedule.play(parts.empty_pieces(stack, figures, repeat))
    if set(chosen) - {Part.ENGINE}:
        began = time.monotonic()
        with stack_with_echo(folder / "m2n") as stack:
            figures.add("The stack", "start, everything built", "s", time.monotonic() - began)
            await schedule.play(_on_stack(stack, folder, figures, chosen, repeat, python))


def _on_stack(
    stack: Stack, folder: Path, figures: Figures, chosen: Collection[Part], repeat: int, python: Path
) -> list[Piece]:
    """Fleet and peers by turns; what leaves much behind in the database comes last."""
    fleet = parts.fleet_pieces(Fleet(stack, folder, figures), repeat) if Part.FLEET in chosen else []
    peers = Peers(Ground.of(stack), python, folder, figures).pieces() if Part.PEERS in chosen else ()
    pieces = parts.in_turns(fleet, [(), *peers])
    if Part.FAIRNESS in chosen:
        pieces += parts.fairness_pieces(stack, folder, figures)
    if Part.GROWTH in chosen:
        pieces += parts.growth_pieces(stack, folder, figures)
    return pieces


def _course(schedule: Schedule) -> dict[str, Any]:
    """What took how long, and what there was no time for."""
    took_s = {name: round(seconds) for name, seconds in schedule.took_s.items()}
    return {"left_out": schedule.left_out, "took_s": took_s}


def _show(facts: dict[str, Any], figures: Figures, json_: Path, markdown: Path | None) -> None:
    write(json_, facts, figures.all())
    said = ", ".join(f"{name} {value}" for name, value in facts.items() if not isinstance(value, list | dict))
    text = f"{said}\n\n{table(figures.all())}\n"
    typer.echo(text)
    if markdown:
        markdown.write_text(text)
    typer.echo(f"Figures in {json_}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except NotAsPromised as broken:
        raise SystemExit(f"A run broke a promise, so its figures say nothing: {broken}") from broken
