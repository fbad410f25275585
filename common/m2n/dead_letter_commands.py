"""``m2n dead-letters``: what could not be handled, shown and put back."""

from typing import Annotated, Any

import typer
from rich.table import Table

from m2n.command_line import DEFAULT_URL, Key, Url, out, tenants_api
from m2n.deadletters import UNKNOWN, State

app = typer.Typer(no_args_is_help=True, help="List, show and put back messages that could not be handled.")

Tenant = Annotated[str, typer.Argument(help="The tenant's id; '-': letters that name no tenant.", show_default=False)]
LetterId = Annotated[str, typer.Argument(help="The letter's id.", show_default=False)]
OptionalId = Annotated[str | None, typer.Argument(help="The letter's id.", show_default=False)]
InState = Annotated[State | None, typer.Option("--state", help="Only those in this state.")]
Body = Annotated[bool, typer.Option("--body", help="Also what it holds; that this was read is noted.")]
All = Annotated[bool, typer.Option("--all", help="All that are kept now.")]


@app.command("list")
def list_letters(tenant: Tenant, key: Key, url: Url = DEFAULT_URL, state: InState = None) -> None:
    """Show a tenant's dead letters, the newest first."""
    with tenants_api(url, key) as client:
        letters = client.dead_letters(_named(tenant), state)
    table = Table("id", "first", "last", "origin", "topic or queue", "tries", "state", "reason")
    for letter in letters:
        times = letter["first_at"][:19], letter["last_at"][:19]
        place = letter["topic"] or "-"
        table.add_row(
            letter["id"], *times, letter["origin"], place, _tries(letter), letter["state"], _plain(letter["reason"])
        )
    out.print(table)


@app.command()
def show(tenant: Tenant, letter: LetterId, key: Key, url: Url = DEFAULT_URL, body: Body = False) -> None:
    """Show one with its history."""
    with tenants_api(url, key) as client:
        found = client.dead_letter(_named(tenant), letter, body=body)
    history, redrive = found.pop("history"), found.pop("redrive")
    for name, value in found.items():
        out.print(f"{name}: {_tries(found) if name == 'tries' else value}", markup=False)
    if redrive:
        out.print(f"redrive: {redrive['at']} by {redrive['by']}", markup=False)
    for line in history:
        out.print(f"{line['at']}  {line['by']}: {line['what']}", markup=False)


@app.command()
def redrive(tenant: Tenant, key: Key, letter: OptionalId = None, url: Url = DEFAULT_URL, all_: All = False) -> None:
    """Put one back where it came from, or all that are kept. What fails again is kept again."""
    if (letter is None) != all_:
        raise typer.BadParameter("expected the id of one letter, or --all", param_hint="letter")
    with tenants_api(url, key) as client:
        if letter is None:
            count = client.redrive_all(_named(tenant))
            out.print(f"{count} letters are being put back; 'm2n dead-letters list' shows what becomes of them")
        else:
            state = client.redrive(_named(tenant), letter)
            later = "" if state == State.REDRIVEN else " (not possible at the moment; it is tried again by itself)"
            out.print(f"{letter}: {state}{later}", markup=False)


def _named(tenant: str) -> str:
    return "" if tenant == "-" else tenant


def _tries(letter: dict[str, Any]) -> str:
    return str(letter["tries"] or UNKNOWN)


def _plain(text: str) -> str:
    """Square brackets are markup to the table."""
    return text.replace("[", r"\[")
