"""A tenant's bot content: what its bot understands and says, as written in YAML.

The document names intents with their phrases and answers, fallback answers, an optional greeting and entities.
Everything is checked on reading: a wrong file gives a `BotContentError` whose problems each name the path
(`intents.refund.phrases.en[3]`), what was expected and what to do.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, Self

import re2
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from m2n.bot_content_errors import BotContentError, Problem, problems_of
from m2n.bot_content_yaml import read_yaml
from m2n.text_comparison import comparison_key

MAX_INTENTS = 300
MAX_PHRASES_PER_LANGUAGE = 20_000
MAX_PHRASE_LENGTH = 300
MAX_ANSWER_LENGTH = 4096
MAX_VARIANTS = 20
MAX_CHOICES = 10
MAX_TITLE_LENGTH = 60
MAX_ENTITIES = 50
MAX_SYNONYMS = 2_000
MAX_PATTERN_LENGTH = 200
MAX_PATTERN_MEMORY_BYTES = 1 << 20

BASE_INTENTS = frozenset({"handover", "greet", "goodbye", "thanks", "yes", "no"})
"""Intents that every bot understands without phrases of its own, when `base` is true."""

_LANGUAGE = r"^[a-z]{2,3}(-[a-z0-9]{2,8})*$"
_NAME = r"^[a-z][a-z0-9_]{0,63}$"


class PatternMatch(Protocol):
    """What is used of a match."""

    def group(self, *groups: int) -> Any: ...


class CompiledPattern(Protocol):
    """What is used of a compiled RE2 pattern."""

    @property
    def groups(self) -> int: ...

    def search(self, text: str, /) -> object: ...

    def finditer(self, text: str, /) -> Iterator[PatternMatch]: ...


def _not_blank(text: str) -> str:
    if not comparison_key(text):
        raise ValueError("expected text with at least one visible character; write some, or remove the entry")
    return text


def compile_pattern(pattern: str) -> CompiledPattern:
    """Compile an entity's pattern with RE2, whose search time grows only linearly with the text.

    Raises ValueError for what RE2 refuses: syntax errors, back-references, look-around and patterns
    that need over 1 MiB (https://github.com/google/re2/wiki/Syntax).
    """
    options = re2.Options()
    options.max_mem = MAX_PATTERN_MEMORY_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        detail = error.args[0].decode(errors="replace") if error.args else "unknown error"
        raise ValueError(
            f"expected a regular expression in RE2 syntax, got an error: {detail}; "
            "look-around, back-references and very large repetitions are not supported, rewrite without them"
        ) from None


def _safe_pattern(pattern: str) -> str:
    if compile_pattern(pattern).search("") is not None:
        raise ValueError("expected a pattern that does not match empty text; make a part of it required")
    return pattern


def _text_to_answer(value: object) -> object:
    return {"text": value} if isinstance(value, str) else value


def _string_keyed(value: object) -> object:
    if isinstance(value, Mapping) and not all(isinstance(key, str) for key in value):
        odd = next(key for key in value if not isinstance(key, str))
        raise ValueError(f"expected names as text, got the key {odd!r}; put it in quotes")
    return value


def _lower_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Language = Annotated[str, BeforeValidator(_lower_case), Field(pattern=_LANGUAGE, max_length=35)]
Name = Annotated[str, Field(pattern=_NAME)]
Phrase = Annotated[str, Field(min_length=1, max_length=MAX_PHRASE_LENGTH), AfterValidator(_not_blank)]
Pattern = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN_LENGTH), AfterValidator(_safe_pattern)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Choice(_Part):
    """One button or list item. Picking it means `intent`, or what its title says when none is named."""

    id: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_not_blank)]
    title: Annotated[str, Field(min_length=1, max_length=MAX_TITLE_LENGTH), AfterValidator(_not_blank)]
    intent: Name | None = None


class AnswerText(_Part):
    """One text to the customer, with the choices offered below it."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_ANSWER_LENGTH), AfterValidator(_not_blank)]
    choices: Annotated[tuple[Choice, ...], Field(max_length=MAX_CHOICES)] = ()

    @model_validator(mode="after")
    def _choices_differ(self) -> Self:
        for what in ("id", "title"):
            keys = Counter(comparison_key(getattr(choice, what)) for choice in self.choices)
            repeated = [key for key, count in keys.items() if count > 1]
            if repeated:
                raise ValueError(f"expected each choice with its own {what}, got {repeated[0]!r} twice; rename one")
        return self


Variants = Annotated[
    tuple[Annotated[AnswerText, BeforeValidator(_text_to_answer)], ...],
    Field(min_length=1, max_length=MAX_VARIANTS),
]
Phrases = Annotated[tuple[Phrase, ...], Field(min_length=1)]
Answers = Annotated[dict[Language, Variants], BeforeValidator(_string_keyed)]


class Intent(_Part):
    """What a customer can want: phrases that say it, answers in several wordings, and what follows."""

    phrases: Annotated[dict[Language, Phrases], BeforeValidator(_string_keyed)] = {}
    answers: Answers = {}
    handover: bool = False
    end: bool = False

    @model_validator(mode="after")
    def _one_outcome(self) -> Self:
        if self.handover and self.end:
            raise ValueError("expected `handover` or `end`, got both; a session goes to a human or is over")
        return self


class Entity(_Part):
    """Something to find in a text: one of listed values (with synonyms per language), or an RE2 pattern.

    A pattern sees the text as the customer wrote it; its first group, if it has one, is the value.
    """

    values: (
        Annotated[
            dict[str, Annotated[dict[Language, Phrases], BeforeValidator(_string_keyed)]],
            Field(min_length=1),
            BeforeValidator(_string_keyed),
        ]
        | None
    ) = None
    pattern: Pattern | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.values is None) == (self.pattern is None):
            raise ValueError("expected either `values` (a list entity) or `pattern`; write exactly one of them")
        if self.values and sum(_synonym_counts(self.values)) > MAX_SYNONYMS:
            raise ValueError(f"expected at most {MAX_SYNONYMS} synonyms; split the entity or shorten it")
        return self


def _synonym_counts(values: Mapping[str, Mapping[str, tuple[str, ...]]]) -> Iterator[int]:
    return (len(synonyms) for by_language in values.values() for synonyms in by_language.values())


class BotContent(_Part):
    """A tenant's whole bot content. `default_language` answers where another language has no text."""

    default_language: Language
    base: bool = True
    greeting: Answers = {}
    fallback: Answers
    intents: Annotated[dict[Name, Intent], Field(min_length=1, max_length=MAX_INTENTS), BeforeValidator(_string_keyed)]
    entities: Annotated[dict[Name, Entity], Field(max_length=MAX_ENTITIES), BeforeValidator(_string_keyed)] = {}

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages the bot understands: those of phrases and fallbacks, sorted."""
        spoken = {language for intent in self.intents.values() for language in intent.phrases}
        return tuple(sorted(spoken | set(self.fallback) | {self.default_language}))

    def language_for(self, wanted: str) -> str:
        """The content's language nearest to `wanted` (`de-AT` finds `de`), else the default language."""
        code = wanted.lower().replace("_", "-")
        while code:
            if code in self.languages:
                return code
            code = code.rpartition("-")[0]
        return self.default_language

    @model_validator(mode="after")
    def _whole_is_consistent(self) -> Self:
        problems = [
            *_missing_default_texts(self),
            *_unreachable_intents(self),
            *_unknown_targets(self),
            *_contradicting_choices(self),
            *_shared_phrases(self),
            *_too_many_phrases(self),
        ]
        if problems:
            raise BotContentError(problems)
        return self


@dataclass(frozen=True, slots=True)
class PlacedChoice:
    """A choice and the path at which the document has it."""

    path: str
    choice: Choice


def placed_choices(content: BotContent) -> Iterator[PlacedChoice]:
    """Every choice of the content, in the document's order."""
    yield from _choices_in("greeting", content.greeting)
    yield from _choices_in("fallback", content.fallback)
    for name, intent in content.intents.items():
        yield from _choices_in(f"intents.{name}.answers", intent.answers)


def _choices_in(path: str, answers: Mapping[str, tuple[AnswerText, ...]]) -> Iterator[PlacedChoice]:
    for language, variants in answers.items():
        for at, variant in enumerate(variants):
            for number, choice in enumerate(variant.choices):
                yield PlacedChoice(f"{path}.{language}[{at}].choices[{number}]", choice)


def _missing_default_texts(content: BotContent) -> Iterator[Problem]:
    language = content.default_language
    add = f"expected a text in the default language {language!r}; add one"
    if language not in content.fallback:
        yield Problem("fallback", add)
    if content.greeting and language not in content.greeting:
        yield Problem("greeting", add)
    for name, intent in content.intents.items():
        silent_allowed = intent.handover or intent.end or _completed_by_base(content, name)
        if language not in intent.answers and (intent.answers or not silent_allowed):
            yield Problem(f"intents.{name}.answers", add)


def _completed_by_base(content: BotContent, name: str) -> bool:
    return content.base and name in BASE_INTENTS


def _unreachable_intents(content: BotContent) -> Iterator[Problem]:
    reached = {target_of(placed.choice, content) for placed in placed_choices(content)}
    for name, intent in content.intents.items():
        if not intent.phrases and name not in reached and not _completed_by_base(content, name):
            yield Problem(
                f"intents.{name}.phrases",
                "expected phrases, or a choice that leads to this intent; write some phrases per language",
            )


def target_of(choice: Choice, content: BotContent) -> str | None:
    """The intent that a choice leads to: the one it names, else the one whose name is its id, else none."""
    if choice.intent is not None:
        return choice.intent
    known = choice.id in content.intents or _completed_by_base(content, choice.id)
    return choice.id if known else None


def _unknown_targets(content: BotContent) -> Iterator[Problem]:
    for placed in placed_choices(content):
        target = placed.choice.intent
        if target and target not in content.intents and not _completed_by_base(content, target):
            yield Problem(
                f"{placed.path}.intent",
                f"expected the name of an intent of this file, got {target!r}; correct the name or add it",
            )


def _contradicting_choices(content: BotContent) -> Iterator[Problem]:
    first: dict[str, tuple[str, str | None]] = {}
    for placed in placed_choices(content):
        key, target = comparison_key(placed.choice.id), target_of(placed.choice, content)
        path, known = first.setdefault(key, (placed.path, target))
        if known != target:
            yield Problem(
                f"{placed.path}.id",
                f"expected the id {placed.choice.id!r} to lead to {known!r} as at {path}, got {target!r}; "
                "use another id or the same intent",
            )


def _shared_phrases(content: BotContent) -> Iterator[Problem]:
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for name, intent in content.intents.items():
        for language, phrases in intent.phrases.items():
            for at, phrase in enumerate(phrases):
                path = f"intents.{name}.phrases.{language}[{at}]"
                owner, owner_path = first.setdefault((language, comparison_key(phrase)), (name, path))
                if owner != name:
                    yield Problem(
                        path,
                        f"expected a phrase of {name!r} alone, got {phrase!r}, which {owner!r} has too "
                        f"(at {owner_path}); remove it from one of them",
                    )


def _too_many_phrases(content: BotContent) -> Iterator[Problem]:
    counts: Counter[str] = Counter()
    for intent in content.intents.values():
        counts.update({language: len(phrases) for language, phrases in intent.phrases.items()})
    for language, count in counts.items():
        if count > MAX_PHRASES_PER_LANGUAGE:
            yield Problem(
                "intents",
                f"expected at most {MAX_PHRASES_PER_LANGUAGE} phrases in {language!r}, got {count}; remove some",
            )


_FIELDS = tuple(
    sorted({name for part in (BotContent, Intent, AnswerText, Choice, Entity) for name in part.model_fields})
)


def parse_bot_content(document: object, source: str = "bot content") -> BotContent:
    """Check a parsed document. Raises BotContentError that names `source` and every problem's path."""
    if not isinstance(document, dict):
        what = type(document).__name__
        problem = Problem("", f"expected a mapping with `default_language`, `fallback` and `intents`, got {what}")
        raise BotContentError([problem], source)
    try:
        return BotContent.model_validate(document)
    except ValidationError as error:
        raise BotContentError(problems_of(error, _FIELDS), source) from None


def load_bot_content(text: str | bytes, source: str = "bot content") -> BotContent:
    """Read bot content from YAML. Raises BotContentError for a file that is no YAML or no bot content."""
    return parse_bot_content(read_yaml(text, source), source)
