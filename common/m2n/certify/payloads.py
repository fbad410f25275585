"""Bodies of webhooks as trees of values, and what can be broken in them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Variant:
    """A body that differs from a good one by ``what``; that names a field, never its value."""

    what: str
    body: bytes


@dataclass(frozen=True)
class Raw:
    """JSON that Python's own values cannot say."""

    token: str


DIGITS = "9" * 5_000
WRONG_VALUES: tuple[tuple[str, Any], ...] = (
    ("null", None),
    ("true", True),
    ("7", 7),
    ("-1.5", -1.5),
    ("2 to the power of 63", 2**63),
    ("''", ""),
    ("'x'", "x"),
    ("a long text", "x" * 70_000),
    ("[]", []),
    ("{}", {}),
    ("[[]]", [[]]),
    ("['x']", ["x"]),
    ("1e999", Raw("1e999")),
    ("NaN", Raw("NaN")),
    ("a number of 5,000 digits", Raw(DIGITS)),
    ("5,000 digits as a text", DIGITS),
    ("a lone surrogate", Raw('"\\ud800"')),
    ("NUL", "\0"),
)


def as_json(body: bytes) -> Any:
    """The body's JSON, or None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def dumped(tree: Any) -> bytes:
    """Compact JSON; a Raw stands in it as it is."""
    raws: list[str] = []

    def marked(value: object) -> str:
        if not isinstance(value, Raw):
            raise TypeError(f"{type(value).__name__} is not JSON")
        raws.append(value.token)
        return f"m2n-raw-{len(raws) - 1}-m2n"

    text = json.dumps(tree, default=marked, ensure_ascii=False, separators=(",", ":"))
    for number, token in enumerate(raws):
        text = text.replace(f'"m2n-raw-{number}-m2n"', token)
    return text.encode("utf-8", "surrogatepass")


def nodes(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value below the root with its path, outer ones first."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in children:
        yield (*path, key), value
        yield from nodes(value, (*path, key))


def leaves(tree: Any) -> Iterator[tuple[Path, Any]]:
    for path, value in nodes(tree):
        if not isinstance(value, dict | list):
            yield path, value
    if not isinstance(tree, dict | list):
        yield (), tree


def at(tree: Any, path: Path) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def replaced(tree: Any, path: Path, value: Any) -> Any:
    """A copy with another value at that place."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    copy = tree.copy()
    copy[key] = replaced(tree[key], rest, value)
    return copy


def without(tree: Any, path: Path) -> Any:
    """A copy without what stands at that place."""
    parent = at(tree, path[:-1]).copy()
    del parent[path[-1]]
    return replaced(tree, path[:-1], parent)


def shown(path: Path) -> str:
    return ".".join(map(str, path)) or "body"


def broken_json(tree: Any, below: Path = ()) -> Iterator[Variant]:
    """The tree with one value of another type, one key gone, or one key twice; only what is at or below ``below``."""
    if below:
        yield from _wrong_values(tree, below)
    for path, value in nodes(at(tree, below), below):
        yield from _wrong_values(tree, path)
        yield Variant(f"{shown(path)} missing", dumped(without(tree, path)))
        if isinstance(path[-1], str):
            yield Variant(f"{shown(path)} twice", _twice(tree, path, value))


def _wrong_values(tree: Any, path: Path) -> Iterator[Variant]:
    for name, value in WRONG_VALUES:
        yield Variant(f"{shown(path)} is {name}", dumped(replaced(tree, path, value)))


def _twice(tree: Any, path: Path, value: Any) -> bytes:
    key = json.dumps(path[-1])
    return dumped(replaced(tree, path, Raw(f"{dumped(value).decode('utf-8', 'surrogatepass')},{key}:7")))


def with_new_fields(tree: Any) -> Any:
    """The tree with a field more in each object, as vendors add them without notice."""
    if isinstance(tree, dict):
        return {key: with_new_fields(value) for key, value in tree.items()} | {"m2n_new_field": {"is": ["new"]}}
    return [with_new_fields(value) for value in tree] if isinstance(tree, list) else tree


Form = list[tuple[str, str]]


def as_form(body: bytes) -> Form:
    return parse_qsl(body.decode("utf-8", "replace").strip(), keep_blank_values=True)


WRONG_FIELDS = ("", "x", "-1", "1e999", DIGITS, "\0", "a b+c", "x" * 70_000, "😀", "[[]]")


def broken_form(form: Form) -> Iterator[Variant]:
    """The form with one field missing, twice, or with another value."""
    for number, (name, value) in enumerate(form):
        before, after = form[:number], form[number + 1 :]
        yield Variant(f"{name} missing", urlencode([*before, *after]).encode())
        yield Variant(f"{name} twice", urlencode([*form, (name, value)]).encode())
        yield Variant(f"{name} no UTF-8", urlencode([*before, *after]).encode() + f"&{name}=%ff%ed%a0%80".encode())
        for wrong in WRONG_FIELDS:
            what = f"{name} is {wrong[:8]!r}" + ("..." if len(wrong) > 8 else "")
            yield Variant(what, urlencode([*before, (name, wrong), *after]).encode())


def broken(body: bytes) -> Iterator[Variant]:
    """Everything that is tried on one good body."""
    tree = as_json(body)
    if isinstance(tree, dict | list):
        yield from broken_json(tree)
    else:
        yield from broken_form(as_form(body))
    yield from truncated(body)


def truncated(body: bytes) -> Iterator[Variant]:
    """Up to 64 beginnings of the body."""
    for length in sorted({len(body) * part // 64 for part in range(64)}):
        yield Variant(f"only the first {length} bytes", body[:length])


def elements_with(tree: Any, text: str, others: tuple[str, ...]) -> Path | None:
    """The smallest element of a list that holds the text and none of the others."""
    found: Path | None = None
    for path, value in nodes(tree):
        if not isinstance(path[-1], int):
            continue
        held = [leaf for _, leaf in leaves(value) if isinstance(leaf, str)]
        if any(text in leaf for leaf in held) and not any(other in leaf for other in others for leaf in held):
            found = path
    return found
