"""A run's figures as pictures, for the documentation; what was not measured has none.

python -m bench.plots FIGURES.json FOLDER
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import typer
from matplotlib import pyplot as plt

from bench.figures import Figure, read
from bench.fleet import ALL_CPU, ALONE, CPU, EMPTY, LIGHT, M2N
from bench.held import vendor

mpl.use("Agg")
SMALL_MS = 0.3
"""Parts that need less of a message's CPU time are shown together."""
FLAT = 1.2
"""What grows by no more than this is flat."""
COLOURS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52")
MARKS = ("o", "s", "D", "^")
TIMES = ("webhook acknowledged, p50", "webhook acknowledged, p99", "webhook to reply, p50", "webhook to reply, p99")
INSTANT = vendor(0)
HIGHEST = "highest rate with p99 under"
Run = Sequence[Figure]


def main(
    figures: Annotated[Path, typer.Argument(help="JSON file of a run.")],
    folder: Annotated[Path, typer.Argument(help="Where the pictures go.")],
) -> None:
    """Write latency, CPU, growth and peers as PNG and SVG."""
    _, found = read(figures)
    draw_all(found, folder)


def draw_all(run: Run, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    drawings: Mapping[str, Callable[[Run], Any]] = {"latency": latency, "cpu": cpu, "growth": growth, "peers": peers}
    for name, draw in drawings.items():
        drawn = draw(run)
        if drawn is None:
            continue
        for kind in ("png", "svg"):
            drawn.savefig(folder / f"{name}.{kind}", dpi=120, bbox_inches="tight", metadata=_undated(kind))
        plt.close(drawn)


def latency(run: Run) -> Any:
    """Light load: the servers alone, the empty fleet, M2N. Bars are medians, whiskers the least and the most."""
    wanted = [f"{name} at {LIGHT:g}/s" for name in (ALONE, EMPTY, M2N)]
    rows = {group: [each for name in TIMES if (each := _one(run, group, name))] for group in wanted}
    rows = {group: found for group, found in rows.items() if len(found) == len(TIMES)}
    if not rows:
        return None
    drawn, axes = plt.subplots(figsize=(9, 4.5))
    names = [name.removeprefix("webhook ").replace(", ", "\n") for name in TIMES]
    _bars(axes, names, rows)
    axes.set_yscale("log")
    axes.set_ylabel("milliseconds (log)")
    axes.set_title(f"From the vendor's webhook, at {LIGHT:g} messages a second")
    return drawn


def cpu(run: Run) -> Any:
    """CPU time of a message by part."""
    groups = [group for group in _groups(run) if group.startswith(f"{CPU} at ")]
    if not groups:
        return None
    drawn, all_axes = plt.subplots(1, len(groups), figsize=(10, 4.5), sharex=True, squeeze=False)
    for axes, group in zip(all_axes[0], groups, strict=True):
        parts = [each for each in run if each.group == group and each.name != ALL_CPU]
        shown = sorted((each for each in parts if each.median >= SMALL_MS), key=lambda each: -each.median)
        rest = sum(each.median for each in parts if each.median < SMALL_MS)
        names = [*(each.name for each in shown), "the others together"]
        axes.barh(names[::-1], [*(each.median for each in shown), rest][::-1], color=COLOURS[0])
        axes.set_title(f"{group}: {sum(each.median for each in parts):.0f} ms", fontsize=10)
        axes.set_xlabel("milliseconds")
    drawn.tight_layout()
    return drawn


def growth(run: Run) -> Any:
    """How many times as much a message costs and takes when there is so much more of something."""
    ratios = [(each.name.split(": ", 2), each.median) for each in run if each.group == "Growth"]
    if not ratios:
        return None
    rows = list(dict.fromkeys(f"{kind}: {sizes}" for (kind, sizes, _), _ in ratios))[::-1]
    drawn, axes = plt.subplots(figsize=(9, 4.5))
    for number, name in enumerate(dict.fromkeys(name for (_, _, name), _ in ratios)):
        points = [(value, rows.index(f"{kind}: {sizes}")) for (kind, sizes, of), value in ratios if of == name]
        values, places = zip(*points, strict=True)
        axes.scatter(values, places, label=name, color=COLOURS[number], marker=MARKS[number])
    axes.set_yticks(range(len(rows)), rows)
    axes.axvline(1, color="grey", linewidth=1)
    axes.axvline(FLAT, color="grey", linewidth=1, linestyle="--")
    axes.set_xlim(left=0)
    axes.set_xlabel("times the smallest")
    axes.legend()
    return drawn


def peers(run: Run) -> Any:
    """M2N beside the peers: the time to a reply at light load, and the highest rate with each kind of vendor."""
    light = {_whose(group): each for group in _groups(run) if (each := _light_reply(run, group))}
    highest = [each for each in run if each.name.startswith(HIGHEST)]
    rates = {each.group: each for each in highest if each.name.endswith(INSTANT)}
    slow = {each.group: each for each in highest if not each.name.endswith(INSTANT)}
    if not set(light) - {M2N}:
        return None
    drawn, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5))
    names = sorted(light, key=lambda whose: (whose != M2N, whose))
    _bars(left, names, {"webhook to reply, p50": [light[whose] for whose in names]})
    left.set_ylabel("milliseconds")
    left.set_title(f"Webhook to reply, p50, at {LIGHT:g} messages a second")
    known = [whose for whose in names if whose in rates and whose in slow]
    shown = {INSTANT: [rates[whose] for whose in known], "a vendor that takes 40 to 50 ms": [slow[w] for w in known]}
    _bars(right, known, shown)
    right.set_ylabel("messages a second")
    right.set_title("Highest rate with p99 under a second")
    drawn.tight_layout()
    return drawn


def _light_reply(run: Run, group: str) -> Figure | None:
    """M2N's and the peers', not those of the servers alone and the empty fleet."""
    own, others = f"{M2N} at {LIGHT:g}/s", f" at {LIGHT:g}/s, {INSTANT}"
    return _one(run, group, "webhook to reply, p50") if group == own or group.endswith(others) else None


def _whose(group: str) -> str:
    return group.partition(" at ")[0]


def _bars(axes: Any, names: Sequence[str], rows: Mapping[str, Sequence[Figure]]) -> None:
    """A bar of each row for each name; whiskers are the least and the most."""
    width = 0.8 / len(rows)
    for number, (label, found) in enumerate(rows.items()):
        heights = [each.median for each in found]
        below = [each.median - min(each.values) for each in found]
        above = [max(each.values) - each.median for each in found]
        places = [place + number * width for place in range(len(names))]
        axes.bar(places, heights, width, yerr=[below, above], capsize=3, label=label, color=COLOURS[number])
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(names))], names)
    if len(rows) > 1:
        axes.legend()


def _groups(run: Run) -> Iterable[str]:
    return dict.fromkeys(figure.group for figure in run)


def _one(run: Run, group: str, name: str) -> Figure | None:
    return next((figure for figure in run if (figure.group, figure.name) == (group, name)), None)


def _undated(kind: str) -> dict[str, Any]:
    """The same figures make the same file."""
    return {"Date": None} if kind == "svg" else {}


if __name__ == "__main__":
    typer.run(main)
