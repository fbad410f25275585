"""What the commands of ``m2n`` share: where the tenants service is, with which key, and how they speak."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from m2n.tenants_client import TenantsApiError, TenantsClient

Url = Annotated[str, typer.Option(envvar="M2N_TENANTS_URL", help="Address of the tenants service.")]
Key = Annotated[str, typer.Option(envvar="M2N_ADMIN_KEY", help="An API key with the role admin.", show_default=False)]
DEFAULT_URL = "http://127.0.0.1:8001"
out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def tenants_api(url: str, key: str) -> Iterator[TenantsClient]:
    """A client whose refusals end the command with what the API said."""
    try:
        with TenantsClient(url, key) as client:
            yield client
    except TenantsApiError as refused:
        err.print(str(refused), markup=False)
        raise typer.Exit(1) from None
