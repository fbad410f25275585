"""What Meta remembers of conversations at the numbers here; all of it can be forgotten at once."""

import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.simulator.whatsapp_cloud.numbers import Number
from services.simulator.whatsapp_cloud.people import People, Person

WINDOW = timedelta(hours=24)


def new_id() -> str:
    return "wamid." + b64encode(secrets.token_bytes(32)).decode()


@dataclass
class Memory:
    people: People = field(default_factory=People)
    wrote_at: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """When the customer wrote last, by number and customer."""
    messages: dict[str, str] = field(default_factory=dict)
    """The customer of each message, from either side, by its id."""
    no_marketing: set[tuple[str, str]] = field(default_factory=set)
    generation: int = 0
    """What belongs to an older one is not gone on with."""

    def forget(self) -> None:
        self.people.forget()
        for kept in (self.wrote_at, self.messages, self.no_marketing):
            kept.clear()
        self.generation += 1

    def window_open(self, number: Number, who: Person, now: datetime, *, strangers: bool) -> bool:
        """``strangers``: whether those who never wrote here count as having written."""
        last = self.wrote_at.get((number.phone_number_id, who.customer))
        return strangers if last is None else now - last <= WINDOW
