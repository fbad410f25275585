"""Figures of measurements: kept, shown, drawn, compared with their noise."""

from pathlib import Path

import pytest

from bench.compare import compared, verdict
from bench.figures import Figure, Figures, add_times, percentile, read, table, write
from bench.fleet import add_ratios
from bench.held import add_rate
from bench.plots import draw_all


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


def test_percentiles() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    assert percentile([1.0], 0.99) == 1.0


def run_of(*who: str) -> Figures:
    figures = Figures()
    for name in who:
        add_times(figures, name, (1.0, 2.0), (30.0, 40.0, 60.0))
    return figures


def test_times_that_were_not_looked_at_are_no_figures() -> None:
    figures = Figures()
    add_times(figures, "M2N at 200/s", (1.0, 2.0), ())
    assert [figure.name for figure in figures.all()] == ["webhook acknowledged, p50", "webhook acknowledged, p99"]


def test_ratios_are_of_what_was_measured() -> None:
    figures = run_of("M2N at 10/s", "Empty fleet at 10/s")
    add_ratios(figures)
    ratios = [figure for figure in figures.all() if figure.group == "Ratios"]
    assert len(ratios) == 3
    assert all(ratio.name.endswith("M2N / Empty fleet at 10/s") and ratio.values == (1.0,) for ratio in ratios)


def test_only_what_was_measured_is_drawn(tmp_path: Path) -> None:
    draw_all(run_of("M2N at 10/s").all(), tmp_path / "fleet")
    assert {path.name for path in (tmp_path / "fleet").iterdir()} == {"latency.png", "latency.svg"}
    draw_all(run_of("botbuilder at 10/s, an instant vendor").all(), tmp_path / "peers")
    assert {path.name for path in (tmp_path / "peers").iterdir()} == {"peers.png", "peers.svg"}


def test_a_whole_run_is_drawn(tmp_path: Path) -> None:
    names = ("Servers alone at 10/s", "Empty fleet at 10/s", "M2N at 10/s", "FastStream at 10/s, an instant vendor")
    figures = run_of(*names)
    for rate in (85.0, 100.0):
        add_rate(figures, "M2N", 0.0, rate)
    add_rate(figures, "M2N", 0.05, 85.0)
    add_rate(figures, "FastStream", 0.0, 300.0)
    add_rate(figures, "FastStream", 0.04, 15.0)
    figures.add("CPU a message at 10/s", "sessions", "ms", 4.0)
    figures.add("CPU a message at 10/s", "tenants", "ms", 0.1)
    figures.add("CPU a message at 10/s", "all but the vendor's stand-in", "ms", 4.1)
    for name in ("webhook to reply, p50", "CPU a message"):
        figures.add("Growth", f"Tenants: 20 / 2: {name}", "", 1.1)
    draw_all(figures.all(), tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {"latency", "cpu", "growth", "peers"}
