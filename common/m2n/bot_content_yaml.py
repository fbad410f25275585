"""YAML as bot content is written: what looks like text stays text.

Common YAML readers turn `no` into false, `10:30` into 630 and `2024-06-01` into a date. Phrases are full of
such words, so here only `true` and `false` are anything but text. Names that appear twice and references
(`&`, `*`), which can blow a small file up, are refused.
"""

import re

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from m2n.bot_content_errors import BotContentError, Problem

MAX_DOCUMENT_BYTES = 2_000_000
MAX_DEPTH = 20


class _Refused(Exception):
    """Raised with the problem's text and the line it is on."""

    def __init__(self, message: str, node: Node | yaml.Event) -> None:
        line = node.start_mark.line + 1 if node.start_mark else 0
        super().__init__(f"line {line}: {message}")


class _Loader(yaml.SafeLoader):
    """Resolves nothing by looks but true and false."""

    yaml_implicit_resolvers: dict = {}
    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Refused("expected no references (`&name`, `*name`); write the text out", event)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Refused(f"expected at most {MAX_DEPTH} levels; flatten the document", event)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict:
        names: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, ScalarNode):
                raise _Refused("expected a name before the colon; write plain text there", key)
            if key.value in names:
                raise _Refused(f"expected each name once, got {key.value!r} again; merge or rename", key)
            names.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])


def read_yaml(text: str | bytes, source: str) -> object:
    """Read one document. Raises BotContentError when it is too large or no YAML of this kind."""
    size = len(text if isinstance(text, bytes) else text.encode(errors="surrogatepass"))
    if size > MAX_DOCUMENT_BYTES:
        message = f"expected at most {MAX_DOCUMENT_BYTES} bytes, got {size}; shorten the document"
        raise BotContentError([Problem("", message)], source)
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except _Refused as error:
        raise BotContentError([Problem("", str(error))], source) from None
    except (yaml.YAMLError, ValueError) as error:
        message = f"expected YAML in UTF-8, got an error: {_one_line(error)}; correct it, or put the text in quotes"
        raise BotContentError([Problem("", message)], source) from None


def _one_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"{error.problem} (line {mark.line + 1}, column {mark.column + 1})"
    return " ".join(str(error).split())
