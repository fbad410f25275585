"""Text as the bot compares it: the same for everyone who types the same thing in another way."""

import unicodedata

MAX_TEXT_LENGTH = 2_000
"""Characters looked at; what a customer means is said by then, and it bounds the work per message."""

_APOSTROPHES = dict.fromkeys(map(ord, "’‘ʼ`´＇"), "'")
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)


def normalised(text: str) -> str:
    """Fold `text` with NFKC and case folding, without control and format characters, spaces collapsed.

    Zero-width and direction marks, NUL and lone surrogates are gone, apostrophes are all `'`. Looks at the
    first 2,000 characters and returns no more than that.
    """
    straight = text[:MAX_TEXT_LENGTH].translate(_APOSTROPHES)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", straight).casefold())
    return " ".join("".join(map(_visible, folded)).split())[:MAX_TEXT_LENGTH].rstrip()


def comparison_key(text: str) -> str:
    """The normalised text without punctuation and skin tones; punctuation only if there is nothing else."""
    whole = normalised(text)
    return " ".join("".join(map(_without_punctuation, whole)).split()) or whole


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    hidden = category in ("Cf", "Cs", "Cn", "Co") or ord(character) in _VARIATION_SELECTORS
    return "" if hidden else character


def _without_punctuation(character: str) -> str:
    category = unicodedata.category(character)
    if character == "'" or category in ("Sk", "Me"):
        return ""
    return " " if category.startswith("P") else character
