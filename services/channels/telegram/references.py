"""How messages are named: ``<chat>:<message id>``, since Telegram counts the messages of each chat by themselves.

That is what a message is called in either direction, so that quotes, reactions and edits find their target. Whatever
else happens to a message (an edit, a reaction, a press on a button) is an update with a number of its own and is named
by that: ``update:<update id>``.
"""

import re
from dataclasses import dataclass
from typing import Self

_REFERENCE = re.compile(r"(-?[0-9]{1,18}):([1-9][0-9]{0,17})")


@dataclass(frozen=True)
class Reference:
    chat: int
    message: int

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """None for what names no message."""
        found = _REFERENCE.fullmatch(text or "")
        return cls(int(found[1]), int(found[2])) if found else None

    def __str__(self) -> str:
        return f"{self.chat}:{self.message}"


def update_name(update_id: int) -> str:
    return f"update:{update_id}"
