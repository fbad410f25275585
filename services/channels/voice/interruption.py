"""What a caller has heard of what was being said when they broke in."""

from collections.abc import Sequence
from itertools import accumulate


def heard(said: Sequence[str], until: str) -> tuple[str | None, ...]:
    """For each text, in the order in which they were said: None if all of it was heard, else what was of it.

    ``until`` are the words up to the interruption as Twilio tells them: of the last text alone, or of several.
    """
    texts, words = [_plain(text) for text in said], _plain(until)
    whole = " ".join(texts)
    place = whole.find(words)
    if not words or place < 0:
        return (*(None for _ in texts[:-1]), *(words for _ in texts[-1:]))
    end = place + len(words)
    starts = [0, *accumulate(len(text) + 1 for text in texts)]
    return tuple(_part(text, end - start) for text, start in zip(texts, starts, strict=False))


def _part(text: str, length: int) -> str | None:
    return None if length >= len(text) else text[: max(length, 0)].rstrip()


def _plain(text: str) -> str:
    return " ".join(text.split())
