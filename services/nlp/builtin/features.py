r"""Features of a text: words with pairs of neighbours, and pieces of 2 to 5 characters within words.

The same as scikit-learn's analyzers `word` with ngram_range (1, 2) and token_pattern `\w+`, and `char_wb` with
ngram_range (2, 5), so that a model fitted there is scored here without it.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

_WORD = re.compile(r"\w+")
SHORTEST_PIECE = 2
LONGEST_PIECE = 5


def words(text: str) -> list[str]:
    """The words of a normalised text, those of one letter too."""
    return _WORD.findall(text)


def word_features(text: str) -> list[str]:
    """Each word, then each pair of neighbours."""
    found = words(text)
    return found + [f"{first} {second}" for first, second in pairwise(found)]


def character_features(text: str) -> list[str]:
    """Pieces of every word, which is padded by a space on both sides."""
    return [piece for word in text.split() for piece in _pieces(f" {word} ")]


def _pieces(padded: str) -> Iterator[str]:
    for size in range(SHORTEST_PIECE, LONGEST_PIECE + 1):
        if size >= len(padded):
            yield padded
            return
        for start in range(len(padded) - size + 1):
            yield padded[start : start + size]
