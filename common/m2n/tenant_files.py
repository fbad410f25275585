"""Tenant files: YAML, with ``${NAME}`` filled in from outside and ``!include`` for bot content in a file of its own.

Only what looks like a number, true, false or null (or nothing) is anything but text, so ``no`` and ``10:30`` are the
words that they look like. An included file is read as bot content is: all text but true and false, nothing filled in.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from m2n.bot_content_errors import BotContentError
from m2n.bot_content_yaml import read_yaml
from m2n.field_problems import FieldProblem, field_path

MAX_FILE_BYTES = 4_000_000
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


class TenantFileError(ValueError):
    """A file that cannot be read; ``problems`` say where and what to do."""

    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def read_tenant_file(path: Path, values: Mapping[str, str]) -> Any:
    """The file's document. ``values`` are what ``${NAME}`` may stand for. Raises TenantFileError."""
    document = _loaded(_text_of(path), path.parent)
    problems: list[FieldProblem] = []
    filled = _filled(document, values, "", problems)
    if problems:
        raise TenantFileError(*problems)
    return _without_marks(filled)


class _Included:
    """Marks the content of an included file, in which nothing is filled in."""

    def __init__(self, content: object) -> None:
        self.content = content


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core types alone, names once, no references, and ``!include``."""

    yaml_implicit_resolvers: dict[str, Any] = {}
    folder: Path

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise TenantFileError(FieldProblem(f"line {line}", "no references (&name, *name)", "write it out"))
        return super().compose_node(parent, index)

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        names: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, ScalarNode) or key.value in names:
                line = key.start_mark.line + 1 if key.start_mark else 0
                raise TenantFileError(FieldProblem(f"line {line}", "each name once, as plain text", "correct the name"))
            names.add(key.value)
        return super().construct_mapping(node, deep)

    def include(self, node: Node) -> _Included:
        return _Included(_included(str(node.value), self.folder))


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("null", r"^(?:null|~|)$", ("n", "~", "")),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", "-0123456789"),
    ("float", r"^-?(?:0|[1-9][0-9]*)\.[0-9]+$", "-0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))
_Loader.add_constructor("!include", _Loader.include)


def _loaded(text: str, folder: Path) -> Any:
    loader = _Loader(text)
    loader.folder = folder
    try:
        return loader.get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, TenantFileError):
            raise
        raise TenantFileError(FieldProblem("", f"YAML, got an error: {error}", "correct the line it names")) from None
    finally:
        loader.dispose()


def _included(name: str, folder: Path) -> object:
    """The content of a file beside or below the tenant file; anything outside that folder is refused."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        problem = FieldProblem("!include", f"a file in the tenant file's folder, got {name}", "move it there")
        raise TenantFileError(problem)
    try:
        return read_yaml(_text_of(path), name)
    except BotContentError as error:
        raise TenantFileError(*(FieldProblem(name, part.message, "correct it") for part in error.problems)) from None


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise TenantFileError(FieldProblem("", f"at most {MAX_FILE_BYTES} bytes in {path.name}", "shorten it"))
        return path.read_text(encoding="utf-8")
    except OSError as error:
        problem = FieldProblem("", f"a file that can be read at {path}, got: {error.strerror}", "correct the path")
        raise TenantFileError(problem) from None
    except UnicodeDecodeError:
        raise TenantFileError(FieldProblem("", f"UTF-8 text in {path.name}", "save it as UTF-8")) from None


def _filled(value: Any, values: Mapping[str, str], path: str, problems: list[FieldProblem]) -> Any:
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: _value_of(found[1], values, path, problems), value)
    if isinstance(value, list):
        return [_filled(item, values, field_path(path, [at]), problems) for at, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: _filled(item, values, field_path(path, [str(key)]), problems) for key, item in value.items()}
    return value


def _value_of(name: str, values: Mapping[str, str], path: str, problems: list[FieldProblem]) -> str:
    if name in values:
        return values[name]
    given = ", ".join(sorted(values)) or "none"
    expected = f"a value for ${{{name}}}; given are: {given}"
    problems.append(FieldProblem(path, expected, f"add --set {name}=... or correct the name"))
    return ""


def _without_marks(value: Any) -> Any:
    if isinstance(value, _Included):
        return value.content
    if isinstance(value, list):
        return [_without_marks(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_marks(item) for key, item in value.items()}
    return value
