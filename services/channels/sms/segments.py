"""How many segments a text takes as SMS.

A text goes out in 7-bit characters if it has no others than those of 3GPP TS 23.038 (GSM-7), else in UTF-16 units of
16 bits (UCS-2). A message of one segment holds 160 or 70 of them; segments of a longer one hold 153 or 67, since each
says which part of the message it is. A character that takes two places never lies in two segments.
"""

from dataclasses import dataclass

from m2n.splitting import Measure, split_text, utf16_units

MAX_SEGMENTS = 10
"""So many are sent as one message unless a connection says otherwise; longer ones get lost at some carriers."""
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
"""Characters that GSM-7 writes as two."""


def septets(character: str) -> int:
    """Places that a character takes in GSM-7; one for a character that GSM-7 does not have."""
    return 2 if character in _EXTENSION else 1


@dataclass(frozen=True)
class Encoding:
    """``alone`` and ``joined``: how much a segment holds that is the whole message, and one of several."""

    name: str
    alone: int
    joined: int
    measure: Measure

    def most(self, segments: int, *, wide: bool) -> int:
        """How much always fits into so many segments; each may end with a place to spare before a wide character."""
        if segments == 1:
            return self.alone
        return self.joined * segments - (segments - 1 if wide else 0)


GSM7 = Encoding("GSM-7", 160, 153, septets)
UCS2 = Encoding("UCS-2", 70, 67, utf16_units)


def encoding(text: str) -> Encoding:
    """The encoding that carries the text."""
    return GSM7 if all(letter in _BASIC or letter in _EXTENSION for letter in text) else UCS2


def count(text: str) -> int:
    """So many segments the text takes as one message; at least one."""
    used = encoding(text)
    sizes = [used.measure(letter) for letter in text]
    if sum(sizes) <= used.alone:
        return 1
    segments, room = 1, used.joined
    for size in sizes:
        if size > room:
            segments, room = segments + 1, used.joined
        room -= size
    return segments


def split(text: str, segments: int) -> tuple[str, ...]:
    """The text in messages of at most so many segments, cut at sentence ends where that is possible."""
    if count(text) <= segments:
        return (text,)
    used = encoding(text)
    wide = any(used.measure(letter) > 1 for letter in text)
    return split_text(text, used.most(segments, wide=wide), used.measure)
