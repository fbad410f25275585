"""Accuracy, speed and size of the built-in engine's model on BANKING77.

The data set (77 intents of bank customers, CC BY 4.0) is `banking_data/` of PolyAI-LDN/task-specific-datasets:

    python -m bench.nlp_accuracy --data FOLDER
"""

import csv
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from m2n.text_comparison import normalised
from services.nlp.builtin.calibration import Stage
from services.nlp.builtin.scoring import IntentModel
from services.nlp.builtin.store import dump_model
from services.nlp.builtin.training import train

FILES = ("train.csv", "test.csv")
LANGUAGE = "en"
console = Console(width=120)

Example = tuple[str, str]
"""A text and its intent."""


@dataclass(frozen=True, slots=True)
class Report:
    """Shares are 0 to 1. `right` and `wrong` count what passes threshold, margin and guard; the rest is refused."""

    examples: int
    accuracy: float
    right: float
    wrong: float
    train_s: float
    query_ms: float
    size_mb: float
    threshold: float


def main(
    data: Annotated[Path, typer.Option(help="Folder with train.csv and test.csv (columns text,category).")],
    full: Annotated[bool, typer.Option(help="Also train on everything; takes minutes.")] = True,
    phrases: Annotated[int, typer.Option(min=1, help="Phrases per intent of the small split.")] = 10,
    draws: Annotated[int, typer.Option(min=1, help="Random draws of the small split.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the first draw.")] = 1,
) -> None:
    """Train on BANKING77 and report how well, how fast and how large."""
    training, test = (_read(data, name) for name in FILES)
    table = _table()
    for draw in range(draws):
        few = _draw(training, phrases, random.Random(seed + draw))
        _add(table, f"{phrases} per intent, draw {draw + 1}", few, test)
    if full:
        _add(table, "full", training, test)
    console.print(table)


def _read(folder: Path, name: str) -> list[Example]:
    path = folder / name
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [(row["text"], row["category"]) for row in csv.DictReader(file)]
    except OSError as error:
        _quit(f"{path} cannot be read ({error.strerror}); give the folder of BANKING77's {' and '.join(FILES)}")
    except KeyError as error:
        _quit(f"{path} has no column {error}; expected the columns text and category")


def _quit(message: str) -> NoReturn:
    Console(stderr=True).print(message, style="red", soft_wrap=True)
    raise typer.Exit(2)


def _draw(examples: Sequence[Example], count: int, chance: random.Random) -> list[Example]:
    by_intent: defaultdict[str, list[str]] = defaultdict(list)
    for text, intent in examples:
        by_intent[intent].append(text)
    return [
        (text, intent)
        for intent, texts in sorted(by_intent.items())
        for text in chance.sample(texts, min(count, len(texts)))
    ]


def _add(table: Table, name: str, training: Sequence[Example], test: Sequence[Example]) -> None:
    with console.status(f"{name}: training on {len(training)} phrases"):
        report = _measure(training, test)
    table.add_row(
        name,
        str(report.examples),
        f"{report.accuracy:.1%}",
        f"{report.right:.1%}",
        f"{report.wrong:.1%}",
        f"{report.threshold:.3f}",
        f"{report.train_s:.1f}",
        f"{report.query_ms:.2f}",
        f"{report.size_mb:.1f}",
    )
    console.print(f"{name}: {report.accuracy:.1%} in {report.train_s:.0f} s")


def _measure(training: Sequence[Example], test: Sequence[Example]) -> Report:
    begin = time.perf_counter()
    model = train(LANGUAGE, _by_intent(training))
    trained = time.perf_counter()
    outcomes = [_outcome(model, text, intent) for text, intent in test]
    queried = time.perf_counter()
    return Report(
        examples=len(training),
        accuracy=sum(best for best, _ in outcomes) / len(test),
        right=sum(best and passed for best, passed in outcomes) / len(test),
        wrong=sum(passed and not best for best, passed in outcomes) / len(test),
        train_s=trained - begin,
        query_ms=(queried - trained) / len(test) * 1000,
        size_mb=len(dump_model(model)) / 1e6,
        threshold=model.calibration.threshold,
    )


def _by_intent(examples: Sequence[Example]) -> Mapping[str, Sequence[str]]:
    phrases: defaultdict[str, list[str]] = defaultdict(list)
    for text, intent in examples:
        phrases[intent].append(text)
    return phrases


def _outcome(model: IntentModel, text: str, intent: str) -> tuple[bool, bool]:
    """Whether the best intent is the right one, and whether it counts."""
    plain = normalised(text)
    ranking = model.rank(plain)
    if ranking is None:
        return False, False
    passed = model.calibration.stage_of(ranking, model.known_share(plain)) is Stage.MODEL
    return ranking.intent == intent, passed


def _table() -> Table:
    table = Table("split", "phrases", "accuracy", "answered right", "answered wrong", title="BANKING77")
    for name in ("threshold", "train s", "ms/query", "MB"):
        table.add_column(name, justify="right")
    return table


if __name__ == "__main__":
    typer.run(main)
