"""How a message is named. Signal knows it by its author and the moment it was sent, in milliseconds since 1970.

A customer's message is ``<uuid>:<ms>``, one of several that came as one ``<uuid>:<ms>#<n>``. Ours is ``self:<ms>``:
receipts of a customer name our messages by the moment alone, and so does the answer to a send call.
"""

import re
from dataclasses import dataclass

OURS = "self"
MAX_MS = 253_402_300_799_999
"""The end of the year 9999."""
_REFERENCE = re.compile(r"([^\s#]{1,64}):([0-9]{1,15})(#[0-9]{1,4})?")


@dataclass(frozen=True)
class Reference:
    author: str
    """A customer's uuid (or phone number), or OURS."""
    sent_ms: int

    def __str__(self) -> str:
        return f"{self.author}:{self.sent_ms}"

    @property
    def is_ours(self) -> bool:
        return self.author == OURS


def read(text: str | None) -> Reference | None:
    """None for what is no id of a Signal message."""
    found = _REFERENCE.fullmatch(text or "")
    if found is None or int(found[2]) > MAX_MS:
        return None
    return Reference(found[1], int(found[2]))


def numbered(reference: Reference, number: int) -> str:
    """Id of the n-th of the messages that one of Signal's became."""
    return f"{reference}#{number}" if number else str(reference)
