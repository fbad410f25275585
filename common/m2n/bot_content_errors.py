"""What is wrong with a bot content document, said so that its author can put it right."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_MAX_SHOWN = 60
_MAX_LISTED = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, and what was expected and what to do."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class BotContentError(ValueError):
    """A document that is no valid bot content; `problems` has everything that was found."""

    def __init__(self, problems: Iterable[Problem], source: str = "bot content") -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__(self._summary())

    def _summary(self) -> str:
        shown = [f"  {problem}" for problem in self.problems[:_MAX_LISTED]]
        hidden = len(self.problems) - len(shown)
        more = [f"  ... and {hidden} more"] if hidden else []
        noun = "problem" if len(self.problems) == 1 else "problems"
        return "\n".join([f"{self.source} has {len(self.problems)} {noun}:", *shown, *more])


def problems_of(error: ValidationError, field_names: Sequence[str]) -> tuple[Problem, ...]:
    """The problems behind a pydantic error; `field_names` are what a mistyped name may have meant."""
    found: list[Problem] = []
    for detail in error.errors(include_url=False):
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, BotContentError):
            found.extend(cause.problems)
        else:
            found.append(Problem(_path(detail["loc"]), _message(detail, field_names)))
    return tuple(found)


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":
            path += f".{part}" if path else part
    return path


def _message(detail: ErrorDetails, field_names: Sequence[str]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return _unknown_field(str(detail["loc"][-1]), field_names)
    shown = _shown(detail["input"])
    if kind == "string_pattern_mismatch":
        return f"{_expected_name(detail)}, got {shown}; rename it"
    expectations = {
        "missing": "expected this field, which is missing; add it",
        "string_type": f"expected text, got {shown}; write text, in quotes if it looks like something else",
        "string_too_short": "expected text, got nothing; write some, or remove the entry",
        "string_too_long": f"expected at most {context.get('max_length')} characters, got {shown}; shorten it",
        "tuple_type": f"expected a list, got {shown}; write one entry a line, each behind a dash",
        "too_short": "expected at least one entry, got none; add one, or remove the field",
        "too_long": f"expected at most {context.get('max_length')} entries; remove some",
        "dict_type": f"expected names with values, got {shown}; write `name: value` lines",
        "model_type": f"expected fields with values, got {shown}; write `field: value` lines",
        "bool_type": f"expected true or false, got {shown}; write one of them",
        "bool_parsing": f"expected true or false, got {shown}; write one of them",
    }
    return expectations.get(kind, f"{detail['msg']}, got {shown}; correct it")


def _expected_name(detail: ErrorDetails) -> str:
    if str(detail.get("ctx", {}).get("pattern", "")).startswith("^[a-z]{2,3}"):
        return "expected a language code such as `en` or `pt-br`"
    return "expected a name of small letters, digits and underscores that starts with a letter"


def _unknown_field(name: str, field_names: Sequence[str]) -> str:
    similar = get_close_matches(name, field_names, n=1)
    advice = f"did you mean `{similar[0]}`?" if similar else "remove it"
    return f"expected one of the known fields, got `{name}`; {advice}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."
