"""``m2n tenant`` against the running tenants service."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from m2n.cli import app
from tests.stack.tenant_documents import tenant_document, unused_id

pytestmark = pytest.mark.stack


class Command:
    def __init__(self, stack: Any, folder: Path) -> None:
        self._environment = {"M2N_TENANTS_URL": stack.url("tenants"), "M2N_ADMIN_KEY": stack.admin_key}
        self._folder = folder

    def apply(self, document: dict[str, Any], *options: str) -> tuple[int, str]:
        file = self._folder / "tenant.yaml"
        file.write_text(yaml.safe_dump(document), encoding="utf-8")
        return self.run("tenant", "apply", str(file), *options)

    def run(self, *arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, arguments, env={**self._environment, "COLUMNS": "300"})
        return result.exit_code, result.output


@pytest.fixture
def command(stack: Any, tmp_path: Path) -> Command:
    return Command(stack, tmp_path)


def test_created_unchanged_updated(command: Command) -> None:
    tenant_id = unused_id()
    document = tenant_document(tenant_id, name="${NAME}")
    assert command.apply(document, "--set", "NAME=One") == (0, f"{tenant_id}: created (version 1)\n")
    assert command.apply(document, "--set", "NAME=One") == (0, f"{tenant_id}: unchanged (version 1)\n")
    assert command.apply(document, "--set", "NAME=Two") == (0, f"{tenant_id}: updated (version 2)\n")
    code, listed = command.run("tenant", "list")
    assert code == 0
    assert "Two" in next(line for line in listed.splitlines() if tenant_id in line)


def test_errors_name_file_and_field(command: Command, tmp_path: Path) -> None:
    tenant_id = unused_id()
    code, said = command.apply(tenant_document(tenant_id, timezone="Mars/Olympus", name="${NAME}"), "--set", "NAME=x")
    assert code == 1
    assert said.startswith(f"{tmp_path / 'tenant.yaml'}: timezone: expected ")
    code, said = command.apply(tenant_document(tenant_id, name="${NAME}"))
    assert (code, "name: expected a value for ${NAME}" in said) == (1, True)


def test_a_wrong_key_is_said(command: Command) -> None:
    code, said = command.apply(tenant_document(unused_id()), "--key", "wrong")
    assert code == 1
    assert "401: the API key is not known" in said
