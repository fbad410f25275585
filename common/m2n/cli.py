"""The command ``m2n``: tenants, dead letters, the certifying of channels, schemas."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from m2n import dead_letter_commands
from m2n.certify import command as certify_command
from m2n.command_line import DEFAULT_URL, Key, Url, err, out, tenants_api
from m2n.field_problems import FieldProblem
from m2n.json_schemas import write_schemas
from m2n.tenant_files import TenantFileError, read_tenant_file
from m2n.tenant_validation import InvalidTenant, checked_tenant
from m2n.tenants_client import TenantsApiError, TenantsClient

app = typer.Typer(no_args_is_help=True, help="Work with an M2N installation.", pretty_exceptions_enable=False)
tenant_app = typer.Typer(no_args_is_help=True, help="Apply, check and list tenants.")
app.add_typer(tenant_app, name="tenant")
app.add_typer(dead_letter_commands.app, name="dead-letters")
app.command("certify")(certify_command.command)

Files = Annotated[list[Path], typer.Argument(help="Tenant files in YAML.", show_default=False)]
Values = Annotated[list[str] | None, typer.Option("--set", help="NAME=value for ${NAME} in the files.")]
Folder = Annotated[Path, typer.Option("--out", help="Folder to write into.")]


@tenant_app.command()
def apply(files: Files, key: Key, url: Url = DEFAULT_URL, set_: Values = None) -> None:
    """Create the files' tenants, or make them be what the files say."""
    values, failed = _values(set_), False
    with TenantsClient(url, key) as client:
        for file in files:
            with _reported(file) as problems:
                _apply(client, file, values)
            failed = failed or bool(problems)
    raise typer.Exit(1 if failed else 0)


@tenant_app.command()
def check(files: Files, set_: Values = None) -> None:
    """Check tenant files without a running installation, with the adapters that are installed here."""
    values, failed = _values(set_), False
    for file in files:
        with _reported(file) as problems:
            checked_tenant(read_tenant_file(file, values))
            out.print(f"{file}: fits")
        failed = failed or bool(problems)
    raise typer.Exit(1 if failed else 0)


@tenant_app.command("list")
def list_tenants(key: Key, url: Url = DEFAULT_URL) -> None:
    """Show the tenants that the key may see."""
    with tenants_api(url, key) as client:
        tenants = client.tenants()
    table = Table("id", "name", "version", "languages", "connections")
    for tenant in tenants:
        languages, connections = ", ".join(tenant["languages"]), ", ".join(tenant["connections"])
        table.add_row(tenant["id"], tenant["name"], str(tenant["version"]), languages, connections)
    out.print(table)


@app.command()
def schema(folder: Folder = Path("docs/schema")) -> None:
    """Write the JSON Schemas of messages, events, tenants and bot content."""
    for path in write_schemas(folder):
        out.print(str(path), markup=False)


def _apply(client: TenantsClient, file: Path, values: dict[str, str]) -> None:
    document = read_tenant_file(file, values)
    tenant_id = document.get("id") if isinstance(document, dict) else None
    if not isinstance(tenant_id, str) or not tenant_id:
        raise TenantFileError(FieldProblem("id", "the tenant's id", "add it"))
    applied = client.apply(tenant_id, document)
    out.print(f"{tenant_id}: {applied.outcome} (version {applied.version})")


@contextmanager
def _reported(file: Path) -> Iterator[list[str]]:
    """Print what is wrong with the file; the list holds it afterwards."""
    found: list[str] = []
    try:
        yield found
    except (TenantFileError, InvalidTenant) as invalid:
        found += _lines("the file does not fit", invalid.problems)
    except TenantsApiError as refused:
        found += _lines(str(refused), refused.problems)
    for line in found:
        err.print(f"{file}: {line}", markup=False)


def _lines(summary: str, problems: Iterable[FieldProblem]) -> list[str]:
    return [str(problem) for problem in problems] or [summary]


def _values(pairs: list[str] | None) -> dict[str, Any]:
    """Raises typer.BadParameter."""
    found: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise typer.BadParameter(f"expected NAME=value with a NAME in capitals, got {pair!r}", param_hint="--set")
        found[name] = value
    return found


def _add_commands_of_services() -> None:
    """What is installed may bring commands: the entry points of the group ``m2n.commands`` are functions."""
    for point in entry_points(group="m2n.commands"):
        app.command(point.name)(point.load())


_add_commands_of_services()
