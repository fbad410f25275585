"""Two runs side by side: which figures differ by more than the noise within the runs.

make bench-compare A=one.json B=other.json
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from bench.figures import Figure, read

LEAST = 0.05
"""Smaller differences are not spoken of, however even the repetitions were."""


def main(
    one: Annotated[Path, typer.Argument(help="The JSON file of the run before.")],
    other: Annotated[Path, typer.Argument(help="That of the run after.")],
) -> None:
    """Print each figure of both runs, the ratio of the medians, and whether it is more than noise."""
    (facts, before), (facts_after, after) = read(one), read(other)
    if facts["cpu"] != facts_after["cpu"] or facts["cores"] != facts_after["cores"]:
        typer.echo("The runs are of different machines: read ratios, not times.")
    for line in compared(before, after):
        typer.echo(line)


def compared(before: Iterable[Figure], after: Iterable[Figure]) -> Iterator[str]:
    known = {figure.key: figure for figure in before}
    for figure in after:
        former = known.get(figure.key)
        if former:
            shown = f"{former.shown():>26}  {figure.shown():>26}  {figure.key}"
            yield f"{verdict(former, figure):9} {_ratio(former, figure):6.2f}  {shown}"


def verdict(before: Figure, after: Figure) -> str:
    """``lower`` or ``higher`` when the repetitions of the two runs do not overlap, else ``the same``."""
    if abs(_ratio(before, after) - 1) < LEAST:
        return "the same"
    if max(after.values) < min(before.values):
        return "lower"
    return "higher" if min(after.values) > max(before.values) else "the same"


def _ratio(before: Figure, after: Figure) -> float:
    return after.median / before.median if before.median else float("nan")


if __name__ == "__main__":
    typer.run(main)
