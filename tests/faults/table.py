"""The campaign's result: one row a scenario."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.checker import Report
from tests.faults.scenario import Run, Scenario

COLUMNS = (
    ("fault", 34),
    ("faults", 6),
    ("customers", 9),
    ("messages", 8),
    ("lost", 4),
    ("doubled", 7),
    ("order", 5),
    ("crossed", 7),
    ("owners", 6),
    ("uncertain", 9),
    ("dead", 4),
    ("first answer s", 14),
    ("p50 s", 6),
    ("p99 s", 6),
    ("", 6),
)


@dataclass(frozen=True)
class Row:
    """``first_s`` are the seconds from each fault to the first right answer to a message accepted after it."""

    name: str
    about: str
    seed: int
    faults: int
    customers: int
    messages: int
    lost: int
    doubled: int
    out_of_order: int
    crossed: int
    two_owners: int
    uncertain: int
    dead_lettered: int
    first_s: tuple[float, ...]
    p50_s: float
    p99_s: float
    notes: tuple[str, ...]
    failures: tuple[str, ...]
    violations: int

    @property
    def passed(self) -> bool:
        return not self.failures and not self.violations

    @classmethod
    def of(
        cls, scenario: Scenario, report: Report, run: Run, firsts: Sequence[float], failures: Sequence[str]
    ) -> "Row":
        counts = report.counts
        return cls(
            name=scenario.name,
            about=scenario.about,
            seed=report.seed,
            faults=len(run.faults_ns),
            customers=len(run.load.customers),
            messages=run.load.accepted,
            lost=counts["lost"],
            doubled=counts["doubled"],
            out_of_order=counts["out_of_order_in"] + counts["out_of_order_out"],
            crossed=counts["crossed"],
            two_owners=counts["two_owners"],
            uncertain=counts["uncertain"],
            dead_lettered=counts["dead_lettered"],
            first_s=tuple(round(first, 2) for first in firsts),
            p50_s=round(report.latency_s(0.5), 2),
            p99_s=round(report.latency_s(0.99), 2),
            notes=tuple(run.notes),
            failures=tuple(failures),
            violations=len(report.violations),
        )

    def line(self) -> str:
        first = f"{max(self.first_s):.1f}" if self.first_s else "-"
        cells = (
            self.name,
            self.faults,
            self.customers,
            self.messages,
            self.lost,
            self.doubled,
            self.out_of_order,
            self.crossed,
            self.two_owners,
            self.uncertain,
            self.dead_lettered,
            first,
            f"{self.p50_s:.2f}",
            f"{self.p99_s:.2f}",
            "passed" if self.passed else "FAILED",
        )
        notes = f"  {'; '.join(self.notes)}" if self.notes else ""
        return _aligned(cells) + notes


def table(rows: Sequence[Row]) -> str:
    """All rows with their sums."""
    total = (
        "all",
        sum(row.faults for row in rows),
        sum(row.customers for row in rows),
        sum(row.messages for row in rows),
        sum(row.lost for row in rows),
        sum(row.doubled for row in rows),
        sum(row.out_of_order for row in rows),
        sum(row.crossed for row in rows),
        sum(row.two_owners for row in rows),
        sum(row.uncertain for row in rows),
        sum(row.dead_lettered for row in rows),
        f"{max((first for row in rows for first in row.first_s), default=0):.1f}",
        "",
        f"{max((row.p99_s for row in rows), default=0):.2f}",
        "",
    )
    head = _aligned([title for title, _ in COLUMNS])
    return "\n".join([head, "-" * len(head), *(row.line() for row in rows), "-" * len(head), _aligned(total)])


def last_line(rows: Sequence[Row], planned: int) -> str:
    """What was planned and not played has failed, too."""
    passed = sum(row.passed for row in rows)
    return f"{passed} passed, {planned - passed} failed"


def _aligned(cells: Sequence[object]) -> str:
    texts = [str(cell) for cell in cells]
    first = texts[0].ljust(COLUMNS[0][1])
    return "  ".join([first, *(text.rjust(width) for text, (_, width) in zip(texts[1:], COLUMNS[1:], strict=True))])
