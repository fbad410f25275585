"""The scaffold and ``docs/add-a-channel.md``, played as written in a copy of the tree."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from deploy.scaffold.new_channel import MAX_NAME, SECTION, CannotWrite, new_channel, with_entry_point
from tests.contract.copied_tree import ROOT, Tree, copied_tree

PAGE = ROOT / "docs" / "add-a-channel.md"
_BLOCK = re.compile(r"^```(?P<kind>\w+) ?(?P<file>\S*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    kind: str
    file: str
    text: str


def blocks() -> Iterator[Block]:
    for found in _BLOCK.finditer(PAGE.read_text()):
        yield Block(found["kind"], found["file"], found["text"])


def test_the_page_works_as_written(tmp_path: Path) -> None:
    tree = copied_tree(tmp_path / "m2n")
    played = [play(tree, block) for block in blocks()]
    assert played.count("console") == 4
    assert played.count("diff") == 4
    tree.run(".venv/bin/ruff", "format", "--check", "services/channels/pigeon")


def play(tree: Tree, block: Block) -> str:
    """Do what a reader does with the block; returns its kind."""
    match block.kind:
        case "console":
            _console(tree, block.text)
        case "diff":
            _edit(tree.path / block.file, block.text)
        case "json":
            (tree.path / block.file).write_text(block.text)
        case "yaml":
            _connection(tree, block.text)
    return block.kind


def _console(tree: Tree, text: str) -> None:
    """Each command, and that it says what stands below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *expected = part.splitlines()
        failing = any(re.match(r"\d+ passed, [1-9]", line) for line in expected)
        said = tree.run(*command.split(), expect=1 if failing else 0)
        for line in expected:
            assert line in said, f"{command}: {line!r} is not in what it says:\n{said}"


def _edit(path: Path, hunks: str) -> None:
    text = path.read_text()
    for hunk in hunks.split("@@\n")[1:]:
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(before) == 1, f"{path.name}: this stands there {text.count(before)} times:\n{before}"
        text = text.replace(before, after)
    path.write_text(text)


def _connection(tree: Tree, text: str) -> None:
    """The connection in a tenant's file, which the command checks with the installed adapters."""
    connections = [*yaml.safe_load(text), {"id": "acme-bot", "kind": "engine", "adapter": "builtin"}]
    content = {"content": yaml.safe_load((ROOT / "deploy/local/tenants/content/acme-bikes.yaml").read_text())}
    connections[1]["settings"] = content
    tenant = {
        "id": "acme",
        "name": "Acme",
        "languages": ["en", "de"],
        "rules": {"engine": "acme-bot"},
        "connections": connections,
    }
    file = tree.path / "acme.yaml"
    file.write_text(yaml.safe_dump(tenant))
    assert "fits" in tree.run(".venv/bin/m2n", "tenant", "check", str(file))


@pytest.mark.parametrize("name", ["qq", "line_works", "a2345678_123456789_123456789_1"])
def test_a_new_channel_of_any_name_is_certified_and_in_our_style(tmp_path: Path, name: str) -> None:
    tree = copied_tree(tmp_path / "m2n")
    tree.run("make", "new-channel", f"NAME={name}")
    folder = f"services/channels/{name}"
    assert tree.run(".venv/bin/m2n", "certify", folder).endswith("\n17 passed, 0 failed\n")
    tree.run(".venv/bin/ruff", "check", folder)
    tree.run(".venv/bin/ruff", "format", "--check", folder)
    said = tree.run("make", "new-channel", f"NAME={name}", expect=2)
    assert "is there already and is not written over" in said


@pytest.mark.parametrize(
    "name", ["", "a", "Pigeon", "2go", "line-works", "class", "../x", "a__b", "a_", "x" * (MAX_NAME + 1), "pigeön"]
)
def test_names_that_no_channel_can_have(tmp_path: Path, name: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"{SECTION}\n")
    with pytest.raises(CannotWrite, match="NAME: expected 2 to 30 lower-case letters"):
        new_channel(name, tmp_path)
    assert [*tmp_path.iterdir()] == [tmp_path / "pyproject.toml"]


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    mine = tmp_path / "services" / "channels" / "pigeon" / "adapter.py"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    (tmp_path / "pyproject.toml").write_text(f"{SECTION}\n")
    with pytest.raises(CannotWrite, match="is not written over"):
        new_channel("pigeon", tmp_path)
    assert mine.read_text() == "mine"
    assert (tmp_path / "pyproject.toml").read_text() == f"{SECTION}\n"


def test_the_entry_point_stands_at_the_end_of_its_section() -> None:
    before = f'[project]\nname = "m2n"\n\n{SECTION}\nsms = "services.channels.sms.adapter:channel"\n\n[other]\nx = 1\n'
    line = 'pigeon = "services.channels.pigeon.adapter:channel"\n'
    assert with_entry_point(before, "pigeon") == before.replace("\n\n[other]", f"\n{line}\n[other]")
    with pytest.raises(CannotWrite, match="take another name"):
        with_entry_point(before, "sms")
    with pytest.raises(CannotWrite, match="has no section"):
        with_entry_point("[project]\n", "pigeon")


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text().splitlines()) < 150
