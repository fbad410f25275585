"""The customers: by number, by the business-scoped user id (BSUID) that Meta gives of each, or both."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from services.simulator.whatsapp_cloud.numbers import Number

_DIGITS = re.compile(r"\+?([1-9][0-9]{4,14})")


@dataclass(frozen=True)
class Person:
    """``customer`` is the name in the control API. Who is not called by a number hides it and has a username."""

    customer: str
    phone: str | None
    bsuid: str | None
    name: str

    @property
    def contact(self) -> dict[str, Any]:
        """As a webhook names it."""
        profile = {"name": self.name} | ({} if self.phone else {"username": self.customer})
        return {"profile": profile, **self.ids}

    @property
    def ids(self) -> dict[str, str]:
        return _named(wa_id=self.phone, user_id=self.bsuid)

    @property
    def sender(self) -> dict[str, str]:
        """As a message names it."""
        return _named(**{"from": self.phone, "from_user_id": self.bsuid})

    @property
    def recipient(self) -> dict[str, str]:
        """As a status names it."""
        return _named(recipient_id=self.phone, recipient_user_id=self.bsuid)


def _named(**ids: str | None) -> dict[str, str]:
    return {name: value for name, value in ids.items() if value}


def person(number: Number, customer: str, name: str = "", bsuid: bool | None = None) -> Person:
    """``bsuid``: True, the number is hidden; False, as before April 2026; None, as it is today: both."""
    digits = digits_of(customer)
    id_ = f"US.{_scoped(number.waba_id, customer)}"
    if digits is None or bsuid is True:
        return Person(customer, None, id_, name or customer)
    return Person(customer, digits, None if bsuid is False else id_, name or customer)


def digits_of(customer: str) -> str | None:
    found = _DIGITS.fullmatch(customer)
    return found[1] if found else None


def _scoped(account: str, customer: str) -> str:
    """A user has another id at each business."""
    known_as = digits_of(customer) or customer
    return str(int.from_bytes(hashlib.sha256(f"{account}:{known_as}".encode()).digest()[:8])).zfill(20)


class People:
    """Who has written, or was written to, at each number."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Person] = {}

    def meet(self, number: Number, one: Person) -> None:
        full = person(number, one.customer, one.name)
        for id_ in (full.phone, full.bsuid):
            if id_:
                self._known[number.phone_number_id, id_] = one

    def find(self, number: Number, id_: str) -> Person | None:
        return self._known.get((number.phone_number_id, id_.removeprefix("+")))

    def forget(self) -> None:
        self._known.clear()
