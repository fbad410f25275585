"""The kit's report, for people: a table of each channel, what is wrong and what to do, and the sum."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from m2n.certify.findings import Finding, Report, Result, Verdict

_COLOURS = {Verdict.PASSED: "green", Verdict.FAILED: "bold red", Verdict.EXEMPT: "yellow"}


def print_reports(reports: Sequence[Report], out: Console) -> None:
    for report in reports:
        out.print(_table(report))
        for result in report.results:
            _print_findings(result, out)
        out.print()
    out.print(summary(reports), markup=False)


def summary(reports: Iterable[Report]) -> str:
    """The last line. What a channel is exempt from is neither passed nor failed."""
    counted = [(report.count(Verdict.PASSED), report.count(Verdict.FAILED)) for report in reports]
    return f"{sum(passed for passed, _ in counted)} passed, {sum(failed for _, failed in counted)} failed"


def _table(report: Report) -> Table:
    table = Table(
        "checked", "verdict", "not checked, and why", title=report.channel, title_justify="left", box=box.SIMPLE_HEAD
    )
    for result in report.results:
        colour = _COLOURS[result.verdict]
        left_out = result.exempt or result.note
        table.add_row(result.category.value, f"[{colour}]{result.verdict.value}[/]", escape(left_out))
    return table


def _print_findings(result: Result, out: Console) -> None:
    for number, finding in enumerate(result.findings, start=1):
        out.print(f"[bold red]{result.category.value} {number}[/]: {escape(finding.checked)}")
        for line in _lines(finding):
            out.print(f"    {line}", markup=False)


def _lines(finding: Finding) -> tuple[str, ...]:
    return f"expected: {finding.expected}", f"seen: {finding.seen}", f"what to do: {finding.do}"
