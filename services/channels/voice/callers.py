"""Who calls, from what Twilio shows of the number."""

import re

from m2n.message import Identity

_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_KEYS = {letter: str(key) for key, letters in enumerate(("ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ"), 2)
         for letter in letters}  # fmt: skip
_HIDDEN = ("ANONYMOUS", "RESTRICTED", "BLOCKED", "UNKNOWN", "UNAVAILABLE", "PRIVATE")


def spelled(word: str) -> str:
    """A word on a telephone's keys, as Twilio writes numbers that are withheld: ``+266696687`` for ANONYMOUS."""
    return "+" + "".join(_KEYS[letter] for letter in word)


_PLACEHOLDERS = frozenset(map(spelled, _HIDDEN))


def identities(caller: str, call: str) -> tuple[Identity, ...]:
    """The caller's number; for one who hides it, or calls from no telephone, only the call itself."""
    if _PHONE.fullmatch(caller) and caller not in _PLACEHOLDERS:
        return (Identity(scheme="phone", value=caller),)
    return (Identity(scheme="call", value=call),)
