"""Long texts in parts that a channel takes: cut at sentence ends, else between words, else anywhere."""

import re
import unicodedata

_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*(?=\s)|[。！？]|(?=\n)")
_SPACE = re.compile(r"(?=\s)")
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")


def split_text(text: str, limit: int) -> tuple[str, ...]:
    """The text in parts of at most ``limit`` characters; only white space at the cuts is left out.

    A text of white space alone has no parts.
    """
    parts: list[str] = []
    rest = text
    while len(rest) > limit:
        cut = _cut(rest, limit)
        parts.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return tuple(part for part in (*parts, rest) if part.strip())


def _cut(text: str, limit: int) -> int:
    """Where to cut: as late as possible, but a sentence end in the first half would leave too short a part."""
    window = text[: limit + 1]
    sentence = _last(_SENTENCE_END, window, limit)
    if sentence > limit // 2:
        return sentence
    return _last(_SPACE, window, limit) or _whole_character(text, limit)


def _last(pattern: re.Pattern[str], window: str, limit: int) -> int:
    return max((found.end() for found in pattern.finditer(window) if found.end() <= limit), default=0)


def _whole_character(text: str, limit: int) -> int:
    """The latest place up to the limit that does not tear what is shown as one character."""
    for cut in range(limit, max(limit - 32, 0), -1):
        if not _continues(text[cut]) and text[cut - 1] != "\u200d":
            return cut
    return limit


def _continues(character: str) -> bool:
    """Accents, variation selectors, joiners and skin tones belong to what stands before them."""
    return character in _JOINERS or unicodedata.combining(character) != 0 or 0x1F3FB <= ord(character) <= 0x1F3FF
