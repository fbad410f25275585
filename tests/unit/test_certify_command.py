"""The command ``m2n certify``: what it takes, what it prints, with which status it ends."""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from m2n.certify.certificate import Certificate
from m2n.certify.findings import Category
from m2n.cli import app
from tests.unit.model_channel import NAME, model_channel

BROKEN = str(Path(__file__).parents[1] / "contract" / "broken_channel")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Certificate]:
    """The model channel, as an installed one."""
    with model_channel(tmp_path) as certificate:
        monkeypatch.setattr("m2n.certify.lookup.installed", lambda: {NAME: _Point()})
        monkeypatch.setattr("m2n.certify.command.installed", lambda: {NAME: _Point()})
        yield certificate


class _Point:
    """An entry point of the model channel."""

    def __init__(self, name: str = NAME, loads: object = None) -> None:
        self.name, self.module, self._loads = name, f"services.channels.{NAME}.adapter", loads

    def load(self) -> object:
        return self._loads or import_module(self.module).channel


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["certify", *arguments], env={"COLUMNS": "160"})
    return done.exit_code, done.output


def test_a_channel_that_passes(model: Certificate) -> None:
    status, told = run(NAME)
    assert (status, told.splitlines()[-1]) == (0, "17 passed, 0 failed")
    assert all(category.value in told for category in Category)


def test_all_are_the_installed_ones(model: Certificate) -> None:
    status, told = run("--all", NAME)
    assert (status, told.splitlines()[-1]) == (0, "17 passed, 0 failed")


def test_a_miss_ends_with_1_and_says_what_to_do(model: Certificate) -> None:
    (model.fixtures / "text.golden.json").write_text(json.dumps({"messages": [], "receipts": []}))
    status, told = run(NAME)
    assert (status, told.splitlines()[-1]) == (1, "16 passed, 1 failed")
    assert "golden payloads 1: the webhook text.json" in told
    assert "seen: another messages.0.v" in told
    assert "what to do: correct parse" in told


def test_goldens_are_written_where_they_are_missing_only(model: Certificate) -> None:
    text, image = (model.fixtures / f"{kind}.golden.json" for kind in ("text", "image"))
    good = json.loads(text.read_text())
    text.unlink()
    image.write_text("wrong, and mine")
    status, told = run(NAME, "--write-goldens")
    assert json.loads(text.read_text())["messages"][0]["content"] == good["messages"][0]["content"]
    assert image.read_text() == "wrong, and mine"
    assert (status, told.splitlines()[-1]) == (1, "16 passed, 1 failed")
    assert f"wrote {text}" in told


@pytest.mark.parametrize(
    ("break_", "says"),
    [
        (lambda folder: (folder / "README.md").unlink(), "a README.md"),
        (lambda folder: (folder / "fixtures" / "choice.json").unlink(), "a webhook of that name beside it"),
        (lambda folder: (folder / "fixtures" / "text.golden.json").unlink(), "--write-goldens"),
    ],
)
def test_a_folder_that_lacks_something(model: Certificate, break_: object, says: str) -> None:
    assert callable(break_)
    break_(model.fixtures.parent)
    status, told = run(NAME)
    assert (status, told.splitlines()[-1]) == (1, "16 passed, 1 failed")
    assert says in told


@pytest.mark.parametrize(
    ("point", "says"),
    [
        (_Point(name="another_name"), "the entry point's name"),
        (_Point(loads=object()), "the channel that the certificate shows"),
    ],
)
def test_an_entry_point_that_leads_elsewhere(
    model: Certificate, monkeypatch: pytest.MonkeyPatch, point: _Point, says: str
) -> None:
    monkeypatch.setattr("m2n.certify.lookup.installed", lambda: {point.name: point})
    status, told = run(point.name)
    assert (status, told.splitlines()[-1]) == (1, "16 passed, 1 failed")
    assert says in told


def test_a_folder_that_is_not_installed_fails_for_that(tmp_path: Path) -> None:
    with model_channel(tmp_path) as certificate:
        status, told = run(str(certificate.fixtures.parent))
    assert status == 1
    assert "add it to pyproject.toml" in told


def test_the_broken_example_fails_everywhere() -> None:
    status, told = run(BROKEN)
    assert (status, told.splitlines()[-1]) == (1, "0 passed, 17 failed")


def test_a_folder_without_certificate(tmp_path: Path) -> None:
    folder = tmp_path / "uncertified_channel"
    folder.mkdir()
    (folder / "__init__.py").touch()
    status, told = run(str(folder))
    assert (status, told.splitlines()[-1]) == (1, "0 passed, 1 failed")
    assert "write certification.py" in told


def test_what_there_is_not_is_said() -> None:
    status, told = run("no-such-channel")
    assert status == 2
    assert "no-such-channel: no folder of a Python package" in told
    assert "whatsapp_twilio" in told


def test_nothing_to_certify_is_a_mistake() -> None:
    assert run()[0] == 2
