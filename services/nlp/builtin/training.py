"""Training of a model from phrases. scikit-learn and scipy are imported on first use: they are heavy."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from m2n.text_comparison import normalised
from services.nlp.builtin.calibration import NOT_CALIBRATED, Judged, calibrate, folds
from services.nlp.builtin.scoring import IntentModel
from services.nlp.builtin.vectors import Floats, Vectorizer, learn_vectorizer

ALGORITHM = "tfidf-logreg-1"
"""Raised whenever the same phrases give another model, so that stored models of before are not used."""
REGULARISATION = 20.0
MAX_ITERATIONS = 1_000

Phrases = Mapping[str, Sequence[str]]
"""Intent to its phrases, in one language."""


def content_hash(language: str, phrases: Phrases) -> str:
    """The name of the model that these phrases give: SHA-256 of algorithm, language and phrases."""
    content = [ALGORITHM, language, sorted((intent, list(texts)) for intent, texts in phrases.items())]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def train(language: str, phrases: Phrases) -> IntentModel:
    """Fit and calibrate a model. Takes seconds for a bot's phrases, minutes for ten thousand; blocks."""
    from threadpoolctl import threadpool_limits

    pairs = [(intent, normalised(text)) for intent in sorted(phrases) for text in phrases[intent]]
    with threadpool_limits(limits=1):  # one thread: the same sums in the same order everywhere
        calibration = calibrate(_judge(pairs), len(phrases))
        intents, vectorizer, weights, bias = _fit(pairs)
    return IntentModel(content_hash(language, phrases), intents, vectorizer, weights, bias, calibration)


def _fit(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...], Vectorizer, Floats, Floats]:
    from sklearn.linear_model import LogisticRegression

    intents = tuple(sorted({intent for intent, _ in pairs}))
    vectorizer = learn_vectorizer([text for _, text in pairs])
    if len(intents) < 2:
        return intents, vectorizer, np.zeros((vectorizer.size, len(intents))), np.zeros(len(intents))
    regression = LogisticRegression(C=REGULARISATION, max_iter=MAX_ITERATIONS)
    regression.fit(_matrix(vectorizer, [text for _, text in pairs]), [intent for intent, _ in pairs])
    weights, bias = np.asarray(regression.coef_, np.float64), np.asarray(regression.intercept_, np.float64)
    if len(intents) == 2:  # scikit-learn keeps the second intent's score alone
        weights, bias = np.vstack([np.zeros_like(weights), weights]), np.concatenate([[0.0], bias])
    return intents, vectorizer, np.ascontiguousarray(weights.T), bias


def _matrix(vectorizer: Vectorizer, texts: Sequence[str]) -> Any:
    from scipy.sparse import csr_matrix

    rows = [vectorizer.vector(text) for text in texts]
    ends = np.cumsum([0] + [len(at) for at, _ in rows])
    columns = np.concatenate([at for at, _ in rows])
    values = np.concatenate([weights for _, weights in rows])
    return csr_matrix((values, columns, ends), shape=(len(rows), vectorizer.size))


def _judge(pairs: Sequence[tuple[str, str]]) -> list[Judged]:
    """Phrases that a model has not seen, and phrases of intents it does not know, each as it ranks them."""
    judged: list[Judged] = []
    for fold in folds([intent for intent, _ in pairs]):
        intents, vectorizer, weights, bias = _fit([pairs[at] for at in fold.train])
        model = IntentModel("", intents, vectorizer, weights, bias, NOT_CALIBRATED)
        judged += [_judgement(model, *pairs[at]) for at in fold.judged]
    return judged


def _judgement(model: IntentModel, intent: str, text: str) -> Judged:
    ranking = model.rank(text)
    if ranking is None:
        raise ValueError("a fold needs two intents to train on")
    return Judged(
        ranking=ranking,
        known_share=model.known_share(text),
        correct=ranking.intent == intent,
        in_scope=intent in model.intents,
    )
