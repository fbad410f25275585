"""The command ``m2n certify``."""

from collections.abc import Iterable
from typing import Annotated

import typer

from m2n.certify.checks import certify, uncertified
from m2n.certify.findings import Report
from m2n.certify.golden import write_goldens
from m2n.certify.lookup import Found, NoAdapter, find, installed
from m2n.certify.printing import print_reports
from m2n.command_line import err, out

Channels = Annotated[
    list[str] | None, typer.Argument(help="Folders of adapters, or names of installed channels.", show_default=False)
]
All = Annotated[bool, typer.Option("--all", help="Every installed channel.")]
Write = Annotated[bool, typer.Option("--write-goldens", help="First write the golden files that are missing.")]


def command(channels: Channels = None, all_: All = False, write: Write = False) -> None:
    """Check channel adapters: what each claims is tried, and every miss is told. Exits with 1 on any miss."""
    wanted = [*(channels or ()), *(installed() if all_ else ())]
    if not wanted:
        raise typer.BadParameter("expected folders or names of channels, or --all", param_hint="CHANNELS")
    found = [_found(name) for name in dict.fromkeys(wanted)]
    if write:
        _write(found)
    reports = [report(each) for each in found]
    print_reports(reports, out)
    raise typer.Exit(1 if any(one.failed for one in reports) else 0)


def report(found: Found) -> Report:
    if found.certificate is None:
        return uncertified(found.name, found.findings)
    return certify(found.certificate, found.findings)


def _found(name: str) -> Found:
    try:
        return find(name)
    except NoAdapter as unknown:
        err.print(str(unknown), markup=False)
        raise typer.Exit(2) from None


def _write(found: Iterable[Found]) -> None:
    for each in found:
        for path in write_goldens(each.certificate) if each.certificate else ():
            out.print(f"wrote {path}: read it, it says what parse makes of the webhook", markup=False)
