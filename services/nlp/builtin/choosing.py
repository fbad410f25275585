"""Which of the choices offered last a customer's text picks: by id, title, place in the menu, or nearly so."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Indel

from m2n.bot_content import Choice
from m2n.text_comparison import comparison_key
from services.nlp.builtin.base_intents import ChoosingWords

SIMILAR_TITLE = 0.75
CLEAR_LEAD = 0.1
MOST_WORDS_OF_A_PICK = 6
_ORDINAL_DIGITS = re.compile(r"(\d{1,2})(?:st|nd|rd|th|\.|e|er)?")


@dataclass(frozen=True, slots=True)
class Pick:
    choice: Choice
    similarity: float


def pick_exactly(text: str, offered: Sequence[Choice], choosing: ChoosingWords) -> Choice | None:
    """The offered choice whose id or title the text is, or whose place it names ("2", "the second one")."""
    key = comparison_key(text)
    for choice in offered:
        if text == choice.id or key in (comparison_key(choice.id), comparison_key(choice.title)):
            return choice
    place = _place_named(key.split(), len(offered), choosing)
    return None if place is None else offered[place]


def _place_named(words: Sequence[str], count: int, choosing: ChoosingWords) -> int | None:
    if not 0 < len(words) <= MOST_WORDS_OF_A_PICK or not count:
        return None
    telling = [word for word in words if word not in choosing.fillers] or words
    places = {_place(word, count, choosing) for word in telling} - {None}
    silent = [word for word in telling if _place(word, count, choosing) is None]
    if len(places) != 1 or any(word not in choosing.fillers for word in silent):
        return None
    place = places.pop()
    return place if place is not None and place < count else None


def _place(word: str, count: int, choosing: ChoosingWords) -> int | None:
    if word in choosing.last:
        return count - 1
    for place, forms in enumerate(choosing.ordinals):
        if word in forms:
            return place
    number = _number(word)
    return number - 1 if number else None


def _number(word: str) -> int | None:
    digits = _ORDINAL_DIGITS.fullmatch(word)
    if digits is None:
        return None
    return int("".join(str(unicodedata.digit(character)) for character in digits[1]))


def pick_nearly(text: str, offered: Sequence[Choice]) -> Pick | None:
    """The one offered choice that a short text resembles: words of its title alone, or a slip in writing it."""
    words = comparison_key(text).split()
    if not offered or not 0 < len(words) <= MOST_WORDS_OF_A_PICK:
        return None
    if set(words) <= {word for choice in offered for word in comparison_key(choice.title).split()}:
        return _pick_by_telling_word(words, offered)
    ranked = sorted((_similarity(words, choice.title), -place) for place, choice in enumerate(offered))
    best, place = ranked[-1]
    second = ranked[-2][0] if len(ranked) > 1 else 0.0
    if best >= SIMILAR_TITLE and best - second >= CLEAR_LEAD:
        return Pick(offered[-place], best)
    return None


def _similarity(words: Sequence[str], title: str) -> float:
    """How like the title the text is, or the most similar run of as many words as the title has."""
    key = comparison_key(title)
    size = len(key.split())
    runs = [" ".join(words[at : at + size]) for at in range(max(1, len(words) - size + 1))]
    return max(Indel.normalized_similarity(run, key) for run in [" ".join(words), *runs])


def _pick_by_telling_word(words: Sequence[str], offered: Sequence[Choice]) -> Pick | None:
    titles = [set(comparison_key(choice.title).split()) for choice in offered]
    spread = Counter(word for title in titles for word in title)
    matching = [place for place, title in enumerate(titles) if set(words) <= title]
    telling = any(spread[word] == 1 and len(word) > 2 for word in words)
    if len(matching) != 1 or not telling:
        return None
    choice = offered[matching[0]]
    return Pick(choice, len(words) / len(titles[matching[0]]))
