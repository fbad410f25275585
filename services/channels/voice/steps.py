"""Where a call is in its dialogue. It stands in the addresses that Twilio asks next, so no answer is given twice.

Each answer leads to an address that no other answer of the call leads to; a request for it again is a repeat.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Self
from urllib.parse import urlencode

MOST = 1_000_000


@dataclass(frozen=True, order=True)
class Step:
    turn: int = 1
    """The how-manieth listening of the call comes to its end here, or did last."""
    look: int = 0
    """So many looks were taken for an answer to it."""
    silences: int = 0
    """The caller was silent so many times in a row."""
    transfers: int = 0
    """So many transfers were tried because nobody answered or understood."""
    resumed: int = 0
    """So many failures in a row."""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Self:
        """What is no number counts as the first; the address is the vendor's word, under its signature."""
        return cls(**{field.name: _number(query.get(field.name, ""), field.default) for field in fields(cls)})

    def address(self, base: str, route: str, **more: str) -> str:
        """The address of one of the connection's routes at this step."""
        shown = {field.name: value for field in fields(self) if (value := getattr(self, field.name)) != field.default}
        query = urlencode({"turn": self.turn, **shown, **more})
        return f"{base}/{route}?{query}"

    @property
    def key(self) -> str:
        """Names the request of this step among those of its call."""
        return f"{self.turn}.{self.look}"

    def next_turn(self, **changes: int) -> "Step":
        return replace(self, turn=self.turn + 1, look=0, resumed=0, **changes)

    def next_look(self) -> "Step":
        return replace(self, look=self.look + 1, resumed=0)


def _number(text: str, otherwise: object) -> int:
    given = int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else otherwise
    assert isinstance(given, int)
    return min(given, MOST)
