"""TF-IDF vectors of texts: sublinear counts, smoothed document frequency, words and characters normed apart."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.nlp.builtin.features import character_features, word_features

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Known features of one kind, sorted, with the inverse document frequency of each."""

    features: tuple[str, ...]
    idf: Floats

    @cached_property
    def positions(self) -> Mapping[str, int]:
        return {feature: at for at, feature in enumerate(self.features)}

    def vector(self, found: Sequence[str]) -> tuple[Integers, Floats]:
        """Positions and weights of the known among `found`; the weights have length 1, or there are none."""
        counts = Counter(at for feature in found if (at := self.positions.get(feature)) is not None)
        at = np.array(sorted(counts), dtype=np.int64)
        weights = (1.0 + np.log(np.array([counts[i] for i in at], dtype=np.float64))) * self.idf[at]
        length = np.sqrt(np.dot(weights, weights))
        return at, weights / length if length else weights


@dataclass(frozen=True, eq=False)
class Vectorizer:
    """Turns a normalised text into one sparse vector: first the words' part, then the characters'."""

    words: Vocabulary
    characters: Vocabulary

    @property
    def size(self) -> int:
        return len(self.words.features) + len(self.characters.features)

    def vector(self, text: str) -> tuple[Integers, Floats]:
        word_at, word_weights = self.words.vector(word_features(text))
        piece_at, piece_weights = self.characters.vector(character_features(text))
        at = np.concatenate([word_at, piece_at + len(self.words.features)])
        return at, np.concatenate([word_weights, piece_weights])


def learn_vectorizer(texts: Sequence[str]) -> Vectorizer:
    """Learn both vocabularies from normalised texts."""
    return Vectorizer(_learn(texts, word_features), _learn(texts, character_features))


def _learn(texts: Sequence[str], analyze: Callable[[str], Sequence[str]]) -> Vocabulary:
    frequency = Counter(feature for text in texts for feature in set(analyze(text)))
    features = tuple(sorted(frequency))
    counts = np.array([frequency[feature] for feature in features], dtype=np.float64)
    return Vocabulary(features, np.log((1.0 + len(texts)) / (1.0 + counts)) + 1.0)
