"""The intents and words that every bot knows per language, and how they complete a tenant's content."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from m2n.bot_content import BASE_INTENTS, AnswerText, BotContent, Intent
from m2n.bot_content_yaml import read_yaml
from m2n.text_comparison import comparison_key

_FOLDER = Path(__file__).parent / "base_phrases"

Key = Annotated[str, AfterValidator(comparison_key)]


class BaseIntent(BaseModel):
    """One language's part of a base intent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phrases: tuple[str, ...]
    answers: tuple[str, ...] = ()
    handover: bool = False
    end: bool = False


class ChoosingWords(BaseModel):
    """Words with which a place in a menu is named, as comparison keys; `fillers` say nothing about which."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fillers: tuple[Key, ...] = ()
    ordinals: tuple[tuple[Key, ...], ...] = ()
    last: tuple[Key, ...] = ()


class BaseLanguage(BaseModel):
    """What one file of `base_phrases/` has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intents: dict[str, BaseIntent] = {}
    choosing: ChoosingWords = ChoosingWords()


@dataclass(frozen=True, slots=True)
class _Parts:
    """A base intent over the languages of one content."""

    phrases: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, tuple[AnswerText, ...]]
    flags: Mapping[str, bool]


def base_languages() -> tuple[str, ...]:
    """The languages that have base phrases."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@cache
def base_language(language: str) -> BaseLanguage:
    """The words of `language` or, without a file of its own, of its first part (`de-at`: `de`); else none."""
    for code in (language, language.partition("-")[0]):
        if code in base_languages():
            path = _FOLDER / f"{code}.yaml"
            return BaseLanguage.model_validate(read_yaml(path.read_bytes(), path.name))
    return BaseLanguage()


def with_base_intents(content: BotContent) -> BotContent:
    """The content completed by the base intents, if it wants them.

    What a tenant writes of a base intent (the phrases or answers of a language, a flag) replaces that part. A
    base phrase that the tenant uses for another intent is left to the tenant's.
    """
    if not content.base:
        return content
    taken = _phrase_keys(content)
    merged = {name: _merged(content, name, taken) for name in sorted(BASE_INTENTS)}
    return content.model_copy(update={"intents": {**content.intents, **merged}})


def _phrase_keys(content: BotContent) -> set[tuple[str, str]]:
    return {
        (language, comparison_key(phrase))
        for intent in content.intents.values()
        for language, phrases in intent.phrases.items()
        for phrase in phrases
    }


def _merged(content: BotContent, name: str, taken: set[tuple[str, str]]) -> Intent:
    own, base = content.intents.get(name, Intent()), _base_parts(content, name, taken)
    flags = {flag: getattr(own, flag) for flag in ("handover", "end") if flag in own.model_fields_set}
    return Intent.model_construct(
        phrases={**base.phrases, **own.phrases},
        answers={**base.answers, **own.answers},
        **{**base.flags, **flags},
    )


def _base_parts(content: BotContent, name: str, taken: set[tuple[str, str]]) -> _Parts:
    parts = {
        language: part
        for language in content.languages
        if (part := base_language(language).intents.get(name)) is not None
    }
    phrases = {
        language: tuple(text for text in part.phrases if (language, comparison_key(text)) not in taken)
        for language, part in parts.items()
    }
    answers = {
        language: tuple(AnswerText(text=text) for text in part.answers)
        for language, part in parts.items()
        if part.answers
    }
    flags = {
        "handover": any(part.handover for part in parts.values()),
        "end": any(part.end for part in parts.values()),
    }
    return _Parts({language: texts for language, texts in phrases.items() if texts}, answers, flags)
