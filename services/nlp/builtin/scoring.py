"""Scoring of a text by a fitted linear model, with numpy alone."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Indel

from services.nlp.builtin.calibration import Calibration, Ranking
from services.nlp.builtin.features import words
from services.nlp.builtin.vectors import Floats, Vectorizer

MAX_WORDS_JUDGED = 60
SIMILAR_WORD = 0.8
SHORTEST_SIMILAR_WORD = 4
SHORTEST_PART = 5


@dataclass(frozen=True, eq=False)
class IntentModel:
    """A multinomial logistic regression over TF-IDF features. `weights` is features by intents."""

    content_hash: str
    intents: tuple[str, ...]
    vectorizer: Vectorizer
    weights: Floats
    bias: Floats
    calibration: Calibration

    @cached_property
    def _long_words(self) -> tuple[str, ...]:
        known = (feature for feature in self.vectorizer.words.features if " " not in feature)
        return tuple(word for word in known if len(word) >= SHORTEST_SIMILAR_WORD)

    def probabilities(self, text: str) -> Floats:
        """The probability of each intent for a normalised text."""
        at, values = self.vectorizer.vector(text)
        return softmax(values @ self.weights[at] + self.bias)

    def rank(self, text: str) -> Ranking | None:
        """The best intent of a normalised text; None when the model knows no two intents to choose from."""
        if len(self.intents) < 2:
            return None
        probabilities = self.probabilities(text)
        second, best = np.argsort(probabilities, kind="stable")[-2:]
        lead = float(probabilities[best] - probabilities[second])
        return Ranking(self.intents[best], float(probabilities[best]), lead)

    def known_share(self, text: str) -> float:
        """The share of the text's words that the phrases have, weighted by how telling each is.

        A word that nearly is a known one, or contains it, counts as known. Looks at the first 60 words.
        """
        vocabulary = self.vectorizer.words
        rarest = float(vocabulary.idf.max(initial=1.0))
        known = total = 0.0
        for word in words(text)[:MAX_WORDS_JUDGED]:
            at = vocabulary.positions.get(word)
            weight = rarest if at is None else float(vocabulary.idf[at])
            total += weight
            known += weight if at is not None or self._resembles_known(word) else 0.0
        return known / total if total else 0.0

    def _resembles_known(self, word: str) -> bool:
        """Whether a known word is nearly this one, or a part of it as in German compounds."""
        if len(word) < SHORTEST_SIMILAR_WORD:
            return False
        similarity = Indel.normalized_similarity
        near = process.extractOne(word, self._long_words, scorer=similarity, score_cutoff=SIMILAR_WORD)
        return near is not None or any(len(part) >= SHORTEST_PART and part in word for part in self._long_words)


def softmax(scores: Floats) -> Floats:
    """Probabilities of scores."""
    raised = np.exp(scores - scores.max())
    return raised / raised.sum()
