"""A run's figures as pictures, for the documentation.

python -m bench.plots FIGURES.json FOLDER
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import typer
from matplotlib import pyplot as plt

from bench.figures import Figure, read

mpl.use("Agg")
SMALL_MS = 0.3
"""Parts that need less of a message's CPU time are shown together."""
BARS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52")
Run = Sequence[Figure]


def main(
    figures: Annotated[Path, typer.Argument(help="JSON file of a run.")],
    folder: Annotated[Path, typer.Argument(help="Where the pictures go.")],
) -> None:
    """Write latency and CPU as PNG and SVG."""
    _, found = read(figures)
    folder.mkdir(parents=True, exist_ok=True)
    for name, drawn in (("latency", latency(found)), ("cpu", cpu(found))):
        for kind in ("png", "svg"):
            drawn.savefig(folder / f"{name}.{kind}", dpi=120, bbox_inches="tight", metadata=_undated(kind))
        plt.close(drawn)


def latency(run: Run) -> Any:
    """Light load: the servers alone, the empty fleet, M2N. Bars are medians, whiskers the least and the most."""
    groups = [group for group in _groups(run) if group.endswith(" at 10/s") and not group.startswith("CPU")]
    names = ("webhook acknowledged, p50", "webhook acknowledged, p99", "webhook to reply, p50", "webhook to reply, p99")
    drawn, axes = plt.subplots(figsize=(9, 4.5))
    width = 0.8 / len(groups)
    for number, group in enumerate(groups):
        found = [_one(run, group, name) for name in names]
        heights = [each.median for each in found]
        below = [each.median - min(each.values) for each in found]
        above = [max(each.values) - each.median for each in found]
        places = [place + number * width for place in range(len(names))]
        axes.bar(places, heights, width, yerr=[below, above], capsize=3, label=group, color=BARS[number])
    middles = [place + 0.4 - width / 2 for place in range(len(names))]
    axes.set_xticks(middles, [name.removeprefix("webhook ").replace(", ", "\n") for name in names])
    axes.set_yscale("log")
    axes.set_ylabel("milliseconds (log)")
    axes.set_title("From the vendor's webhook, at 10 messages a second")
    axes.legend()
    return drawn


def cpu(run: Run) -> Any:
    """CPU time of a message by part."""
    groups = [group for group in _groups(run) if group.startswith("CPU a message")]
    drawn, axes = plt.subplots(1, len(groups), figsize=(10, 4.5), sharex=True)
    for place, group in zip(axes, groups, strict=True):
        parts = [each for each in run if each.group == group and not each.name.startswith("all but")]
        shown = sorted((each for each in parts if each.median >= SMALL_MS), key=lambda each: -each.median)
        rest = sum(each.median for each in parts if each.median < SMALL_MS)
        names = [*(each.name for each in shown), "the others together"]
        place.barh(names[::-1], [*(each.median for each in shown), rest][::-1], color=BARS[0])
        place.set_title(f"{group}: {sum(each.median for each in parts):.0f} ms", fontsize=10)
        place.set_xlabel("milliseconds")
    drawn.tight_layout()
    return drawn


def _groups(run: Run) -> Iterable[str]:
    return dict.fromkeys(figure.group for figure in run)


def _one(run: Run, group: str, name: str) -> Figure:
    return next(figure for figure in run if (figure.group, figure.name) == (group, name))


def _undated(kind: str) -> dict[str, Any]:
    """The same figures make the same file."""
    return {"Date": None} if kind == "svg" else {}


if __name__ == "__main__":
    typer.run(main)
