"""Figures of measurements: kept, shown, compared with their noise."""

from pathlib import Path

import pytest

from bench.compare import compared, verdict
from bench.figures import Figure, Figures, read, table, write


def figure(*values: float, name: str = "webhook to reply, p50") -> Figure:
    return Figure("M2N at 10/s", name, "ms", values)


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ((40, 41, 42), (30, 31, 39), "lower"),
        ((40, 41, 42), (43, 50, 60), "higher"),
        ((40, 41, 60), (30, 31, 41), "the same"),
        ((40, 40.1, 40.2), (39.5, 39.6, 39.7), "the same"),
    ],
)
def test_only_what_is_more_than_noise_is_a_difference(
    before: tuple[float, ...], after: tuple[float, ...], word: str
) -> None:
    assert verdict(figure(*before), figure(*after)) == word


def test_figures_that_only_one_run_has_are_not_compared() -> None:
    lines = list(compared([figure(40, 41), figure(1, name="gone")], [figure(80, 82), figure(1, name="new")]))
    assert len(lines) == 1
    assert lines[0].startswith("higher")
    assert "2.00" in lines[0]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    figures = Figures()
    for value in (3.0, 1.0, 2.0):
        figures.add("M2N at 10/s", "webhook to reply, p50", "ms", value)
    write(tmp_path / "new" / "figures.json", {"cores": 2}, figures.all())
    facts, again = read(tmp_path / "new" / "figures.json")
    assert facts == {"cores": 2}
    assert again == figures.all()
    assert "| webhook to reply, p50 | ms | 1.00 / 2.00 / 3.00 |" in table(again)
