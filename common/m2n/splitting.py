"""Long texts in parts that a channel takes: cut at sentence ends, else between words, else anywhere."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import accumulate

_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*(?=\s)|[。！？]|(?=\n)")
_SPACE = re.compile(r"(?=\s)")
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")

Measure = Callable[[str], int]
"""How much of a limit one character takes: vendors count characters, UTF-16 units or UTF-8 bytes."""


def characters(_: str) -> int:
    return 1


def utf16_units(character: str) -> int:
    return 2 if ord(character) > 0xFFFF else 1


def utf8_bytes(character: str) -> int:
    return len(character.encode("utf-8", "surrogatepass"))


def length(text: str, measure: Measure = characters) -> int:
    return len(text) if measure is characters else sum(map(measure, text))


def split_text(text: str, limit: int, measure: Measure = characters) -> tuple[str, ...]:
    """The text in parts of at most ``limit`` in that measure; only white space at the cuts is left out.

    A text of white space alone has no parts.
    """
    parts: list[str] = []
    rest = text
    while (room := _fitting(rest, limit, measure)) < len(rest):
        cut = _cut(rest, room)
        parts.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return tuple(part for part in (*parts, rest) if part.strip())


def split_lines(lines: Iterable[str], limit: int, measure: Measure = characters) -> tuple[str, ...]:
    """Lines in parts, cut between lines; a line that is too long by itself is cut as a text is."""
    parts: list[str] = []
    for line in (piece for whole in lines for piece in (split_text(whole, limit, measure) or (whole,))):
        if parts and length(f"{parts[-1]}\n{line}", measure) <= limit:
            parts[-1] = f"{parts[-1]}\n{line}"
        else:
            parts.append(line)
    return tuple(part.strip("\n") for part in parts if part.strip())


def _fitting(text: str, limit: int, measure: Measure) -> int:
    """How many characters of the text fit, at least one."""
    if measure is characters:
        return min(len(text), limit)
    sizes = list(accumulate(map(measure, text[: limit + 1])))
    return max(bisect_right(sizes, limit), 1)


def _cut(text: str, room: int) -> int:
    """Where to cut: as late as possible, but a sentence end in the first half would leave too short a part."""
    window = text[: room + 1]
    sentence = _last(_SENTENCE_END, window, room)
    if sentence > room // 2:
        return sentence
    return _last(_SPACE, window, room) or _whole_character(text, room)


def _last(pattern: re.Pattern[str], window: str, room: int) -> int:
    return max((found.end() for found in pattern.finditer(window) if found.end() <= room), default=0)


def _whole_character(text: str, room: int) -> int:
    """The latest place up to there that does not tear what is shown as one character."""
    for cut in range(room, max(room - 32, 0), -1):
        if not _continues(text[cut]) and text[cut - 1] != "\u200d":
            return cut
    return room


def _continues(character: str) -> bool:
    """Accents, variation selectors, joiners and skin tones belong to what stands before them."""
    return character in _JOINERS or unicodedata.combining(character) != 0 or 0x1F3FB <= ord(character) <= 0x1F3FF
