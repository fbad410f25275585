"""Entities in a text: listed values with their synonyms (small slips forgiven) and patterns."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from rapidfuzz import process
from rapidfuzz.distance import Indel

from m2n.bot_content import BotContent, CompiledPattern, Entity, compile_pattern
from m2n.text_comparison import MAX_TEXT_LENGTH, comparison_key

MAX_MATCHES = 20
MAX_WORDS = 60
SHORTEST_FORGIVEN = 5
SIMILAR_SYNONYM = 0.85

Synonyms = Mapping[int, Mapping[str, str]]
"""By number of words: comparison key of a synonym to its value."""


@dataclass(frozen=True, slots=True)
class EntityMatch:
    """One entity found: its name, the value it stands for, and the words that said so."""

    name: str
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class EntityFinder:
    """Finds one language's entities."""

    lists: tuple[tuple[str, Synonyms], ...]
    patterns: tuple[tuple[str, CompiledPattern], ...]

    def find(self, text: str) -> tuple[EntityMatch, ...]:
        """The first 20 entities, those of lists before those of patterns, each in the order of the text."""
        words = comparison_key(text).split()[:MAX_WORDS]
        found = [match for name, synonyms in self.lists for match in _listed(name, synonyms, words)]
        found += [match for name, pattern in self.patterns for match in _matching(name, pattern, text)]
        return tuple(found[:MAX_MATCHES])


def entity_finder(content: BotContent, language: str) -> EntityFinder:
    """The finder of a content's entities in `language`; a value is always its own synonym."""
    entities = content.entities.items()
    return EntityFinder(
        tuple((name, _synonyms(entity, language)) for name, entity in entities if entity.values),
        tuple((name, compile_pattern(entity.pattern)) for name, entity in entities if entity.pattern),
    )


def _synonyms(entity: Entity, language: str) -> Synonyms:
    by_size: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for value, by_language in (entity.values or {}).items():
        for synonym in (value, *by_language.get(language, ())):
            key = comparison_key(synonym)
            by_size[len(key.split())].setdefault(key, value)
    return dict(by_size)


def _listed(name: str, synonyms: Synonyms, words: Sequence[str]) -> Iterator[EntityMatch]:
    """Matches from left to right, at each word an exact one before a similar one, then the longest."""
    at = 0
    while at < len(words):
        size, value = _longest(synonyms, words, at)
        if value is not None:
            yield EntityMatch(name, value, " ".join(words[at : at + size]))
        at += size


def _longest(synonyms: Synonyms, words: Sequence[str], at: int) -> tuple[int, str | None]:
    """How many words from `at` on are a synonym, and its value; or one word that is none."""
    sizes = [size for size in sorted(synonyms, reverse=True) if at + size <= len(words)]
    runs = {size: " ".join(words[at : at + size]) for size in sizes}
    for key_of in (_same, _nearest):
        for size in sizes:
            key = key_of(runs[size], synonyms[size])
            if key is not None:
                return size, synonyms[size][key]
    return 1, None


def _same(run: str, keys: Mapping[str, str]) -> str | None:
    return run if run in keys else None


def _nearest(run: str, keys: Mapping[str, str]) -> str | None:
    if len(run) < SHORTEST_FORGIVEN:
        return None
    best = process.extractOne(run, keys.keys(), scorer=Indel.normalized_similarity, score_cutoff=SIMILAR_SYNONYM)
    return best[0] if best else None


def _matching(name: str, pattern: CompiledPattern, text: str) -> Iterator[EntityMatch]:
    writable = text[:MAX_TEXT_LENGTH].encode(errors="replace").decode()  # RE2 takes no lone surrogates
    for match in islice(pattern.finditer(writable), MAX_MATCHES):
        value = match.group(1) if pattern.groups else None
        yield EntityMatch(name, value if value is not None else match.group(), match.group())
