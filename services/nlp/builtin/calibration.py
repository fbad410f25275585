"""When a model's best intent counts, chosen from phrases that the judging models had not seen."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

FOLDS = 5
ONE_FOLD_FROM = 3_000
FEWEST_INTENTS_TO_LEAVE_OUT = 4
FEWEST_TO_JUDGE = 20
THRESHOLDS = tuple(step / 40 for step in range(4, 33))
MARGINS = (0.0, 0.05, 0.1, 0.15)
KNOWN_SHARE = 0.45
"""Texts with less than this weight of known words are not answered, however sure the model is."""
WRONG = -0.5
"""A wrong answer costs half of what a right one gains: held-out phrases are harder than what customers write."""
NEARLY = 0.1
"""Of thresholds worth so nearly the same share, the lowest is taken, for the same reason."""
STRANGE = -0.25
"""Left-out intents are of the same trade and so nearer to the known ones than what is truly out of scope."""


class Stage(StrEnum):
    """What decided."""

    EXACT = "exact"
    """The text is a phrase of the content, or the id or title of one of its choices."""
    CHOICE = "choice"
    """It names one of the choices offered last."""
    FUZZY = "fuzzy"
    """It nearly names one."""
    MODEL = "model"
    """The model is sure enough."""
    GUARD = "guard"
    """No match: too few of its words are known, whatever the model says."""
    NONE = "none"
    """No match."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best intent, its probability and its lead over the second."""

    intent: str
    probability: float
    margin: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the best intent must reach to count."""

    threshold: float
    margin: float
    known_share: float
    accuracy: float | None
    """Share of held-out phrases whose intent came first; None when there were too few to judge."""

    def stage_of(self, ranking: Ranking, known_share: float) -> Stage:
        if known_share < self.known_share:
            return Stage.GUARD
        sure = ranking.probability >= self.threshold and ranking.margin >= self.margin
        return Stage.MODEL if sure else Stage.NONE


NOT_CALIBRATED = Calibration(0.0, 0.0, 0.0, None)


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions of the phrases to train on, and of those to judge."""

    train: tuple[int, ...]
    judged: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """How a model ranked a phrase that it had not seen."""

    ranking: Ranking
    known_share: float
    correct: bool
    in_scope: bool


def folds(labels: Sequence[str]) -> Iterator[Fold]:
    """Five ways to part phrases, given by their intents, for training and judging; one way for large sets.

    Each leaves out a fifth of the intents whole, whose phrases then stand for what customers ask beyond the
    content, and a fifth of the other intents' phrases. An intent's only phrase is always trained on.
    """
    members: defaultdict[str, list[int]] = defaultdict(list)
    for at, intent in enumerate(labels):
        members[intent].append(at)
    for number in range(1 if len(labels) > ONE_FOLD_FROM else FOLDS):
        train, judged = _parted(members, number)
        if judged and len({labels[at] for at in train}) >= 2:
            yield Fold(tuple(train), tuple(judged))


def _parted(members: Mapping[str, Sequence[int]], number: int) -> tuple[list[int], list[int]]:
    train: list[int] = []
    judged: list[int] = []
    for intent_number, intent in enumerate(sorted(members)):
        phrases = members[intent]
        whole = len(members) >= FEWEST_INTENTS_TO_LEAVE_OUT and intent_number % FOLDS == number
        for phrase_number, at in enumerate(phrases):
            seen = not whole and (len(phrases) == 1 or phrase_number % FOLDS != number)
            (train if seen else judged).append(at)
    return train, judged


def calibrate(judged: Sequence[Judged], intents: int) -> Calibration:
    """The threshold and then the margin that do best on the judged phrases.

    With fewer than 20 phrases to judge by, a cautious threshold that falls with the number of intents.
    """
    known = [phrase for phrase in judged if phrase.in_scope]
    if len(known) < FEWEST_TO_JUDGE:
        return Calibration(min(0.8, max(0.35, 2 / intents if intents else 0.8)), 0.1, KNOWN_SHARE, None)
    accuracy = sum(phrase.correct for phrase in known) / len(known)
    chance = min(0.75, 1.5 / intents)
    by_threshold = {
        threshold: _worth(Calibration(threshold, 0.0, KNOWN_SHARE, accuracy), judged)
        for threshold in THRESHOLDS
        if threshold >= chance
    }
    threshold = _lowest_of_the_best(by_threshold)
    candidates = [Calibration(threshold, margin, KNOWN_SHARE, accuracy) for margin in MARGINS]
    return max(candidates, key=lambda candidate: _worth(candidate, judged))


def _lowest_of_the_best(worth: Mapping[float, float]) -> float:
    best = max(worth.values())
    return min(threshold for threshold, value in worth.items() if value >= best - NEARLY * abs(best))


def _worth(candidate: Calibration, judged: Sequence[Judged]) -> float:
    """Mean worth of what the candidate lets through, of known and of left-out intents."""
    known = [_passes(candidate, phrase) * (1 if phrase.correct else WRONG) for phrase in judged if phrase.in_scope]
    strange = [_passes(candidate, phrase) * STRANGE for phrase in judged if not phrase.in_scope]
    return fmean(known) + (fmean(strange) if strange else 0.0)


def _passes(candidate: Calibration, phrase: Judged) -> bool:
    """Whether the best intent counts; the guard is left out, for it is not what is being chosen."""
    return candidate.stage_of(phrase.ranking, 1.0) is Stage.MODEL
