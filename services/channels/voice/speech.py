"""A written message as it is spoken: choices with their keys, no addresses, no signs that only the eye reads."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

_NUMBERED = re.compile(r"([1-9][0-9]{0,2})\. (\S.*)")
_LINK = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)
_KIND = re.compile(r"\[(image|audio|video|file|sticker)\]")
_ENDS = (".", "!", "?", ":", ";", ",", "…", "。", "！", "？", "؟")
_TRAILING = ".,;:!?)]}'\""
_JOINERS = "\u200d\ufe0e\ufe0f"

Press = Callable[[str, str], str]
"""How a choice is said, of its title and its number."""


@dataclass(frozen=True)
class Speech:
    text: str
    choices: int = 0
    """So many keys are offered in it."""


def speech(written: str, press: Press) -> Speech:
    """What is said for a written message; '' where nothing of it can be spoken."""
    lines = written.strip().split("\n")
    first = _first_choice(lines)
    said = [_sentence(_readable(line)) for line in lines[:first]]
    said += [press(_readable(title).rstrip(_TRAILING), number) for number, title in _choices(lines[first:])]
    return Speech(" ".join(filter(None, said)), len(lines) - first)


def _first_choice(lines: list[str]) -> int:
    """Where the numbered lines begin that stand at the end as choices do: apart, and counted on.

    The number of lines where there are none. Numbered lines within a text stay what they are.
    """
    first = len(lines)
    while first and (here := _NUMBERED.fullmatch(lines[first - 1].strip())):
        following = _NUMBERED.fullmatch(lines[first].strip()) if first < len(lines) else None
        if following and int(following[1]) != int(here[1]) + 1:
            break
        first -= 1
    apart = not lines[first - 1].strip() if first else len(lines) > 1
    return first if apart else len(lines)


def _choices(lines: list[str]) -> list[tuple[str, str]]:
    found = (_NUMBERED.fullmatch(line.strip()) for line in lines)
    return [(match[1], match[2]) for match in found if match]


def _readable(line: str) -> str:
    """A line without addresses and emoji; an address within a sentence is said as its host."""
    alone = _LINK.fullmatch(line.strip())
    line = "" if alone else _LINK.sub(_host, line)
    line = _KIND.sub("", line)
    return " ".join("".join(sign for sign in line if not _for_the_eye(sign)).split())


def _host(link: re.Match[str]) -> str:
    bare = link[0].rstrip(_TRAILING)
    try:
        host = urlsplit(bare).hostname or ""
    except ValueError:
        host = ""
    return host.removeprefix("www.") + link[0][len(bare) :]


def _for_the_eye(sign: str) -> bool:
    """Emoji with what joins and colours them, and signs that are no characters at all."""
    if sign in _JOINERS or 0x1F3FB <= ord(sign) <= 0x1F3FF:
        return True
    return sign != "\t" and unicodedata.category(sign) in ("So", "Cc", "Cs", "Co", "Cn")


def _sentence(line: str) -> str:
    return line if not line or line.endswith(_ENDS) else f"{line}."
