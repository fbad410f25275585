"""What is wrong with input, field by field: where, what was expected, what to do. Values are never quoted."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

_LEADING_FIELD = re.compile(r"^([a-z_][\w.\[\]-]*): (.+)$", re.DOTALL)
_OPENING = re.compile(r"^(Value error, |Assertion failed, |Input should be |Input should |Value should )")


@dataclass(frozen=True, slots=True)
class FieldProblem:
    field: str
    """Path such as ``connections[0].settings.sender``; '' for the whole document."""
    expected: str
    do: str

    def __str__(self) -> str:
        place = f"{self.field}: " if self.field else ""
        return f"{place}expected {self.expected}; {self.do}"


def field_problems(error: ValidationError, prefix: str = "", known: Sequence[str] = ()) -> tuple[FieldProblem, ...]:
    """The problems behind a pydantic error. ``known`` are field names that a mistyped one may have meant."""
    return problems_of_details(error.errors(include_url=False, include_input=False), prefix, known)


def problems_of_details(
    details: Iterable[Mapping[str, Any]], prefix: str = "", known: Sequence[str] = ()
) -> tuple[FieldProblem, ...]:
    """The same from a list of error details as pydantic and FastAPI make them."""
    return tuple(problem for detail in details for problem in _problems(detail, prefix, known))


def field_path(prefix: str, location: Iterable[int | str]) -> str:
    path = prefix
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":
            path += f".{part}" if path else part
    return path


def field_names(*models: type[BaseModel]) -> tuple[str, ...]:
    return tuple(sorted({name for model in models for name in model.model_fields}))


def _problems(detail: Mapping[str, Any], prefix: str, known: Sequence[str]) -> Iterable[FieldProblem]:
    path = field_path(prefix, detail["loc"])
    parts = getattr(detail.get("ctx", {}).get("error"), "problems", None)
    if parts:
        return [_of_part(path, part.path, part.message) for part in parts]
    return [_one(detail, path, known)]


def _of_part(prefix: str, path: str, message: str) -> FieldProblem:
    """A problem that a part's own validator found, in its words: 'expected this, got that; do so'."""
    expected, _, do = message.removeprefix("expected ").partition("; ")
    joined = f"{prefix}.{path}" if prefix and path else prefix or path
    return FieldProblem(joined, expected, do or "correct it")


def _one(detail: Mapping[str, Any], path: str, known: Sequence[str]) -> FieldProblem:
    kind, context, message = detail["type"], detail.get("ctx", {}), str(detail["msg"])
    if kind == "missing":
        return FieldProblem(path, "this field, which is missing", "add it")
    if kind == "extra_forbidden":
        return FieldProblem(path, "one of the known fields", _advice(str(detail["loc"][-1]), known))
    if kind == "value_error":
        return _of_validator(path, str(context.get("error", message)))
    if kind == "string_pattern_mismatch":
        return FieldProblem(path, f"text of the form {context['pattern']}", "correct it")
    return FieldProblem(path, _OPENING.sub("", message), "correct it")


def _of_validator(path: str, message: str) -> FieldProblem:
    """A validator of the whole document names the field at the start of its message."""
    named = _LEADING_FIELD.match(message)
    if named and not path:
        path, message = named.groups()
    expected, _, do = message.removeprefix("expected ").partition("; ")
    return FieldProblem(path, expected, do or "correct it")


def _advice(name: str, known: Sequence[str]) -> str:
    similar = get_close_matches(name, known, n=1)
    return f"did you mean '{similar[0]}'?" if similar else f"remove '{name}'"
