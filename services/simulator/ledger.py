"""What happened, in order: every message, answer and status, with the time."""

import asyncio
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    INBOUND = "inbound"
    """A customer wrote; the webhook is about to be posted."""
    WEBHOOK = "webhook"
    """What the webhook's receiver answered."""
    OUTBOUND = "outbound"
    """A message to a customer was accepted."""
    REFUSED = "refused"
    """A message to a customer was refused."""
    STATUS = "status"
    """A message to a customer has a new status."""
    CALLBACK = "callback"
    """What the status callback's receiver answered."""


@dataclass(frozen=True)
class Entry:
    """``n`` counts from 1 and never starts again; ``at_ns`` is wall-clock time in nanoseconds since 1970."""

    n: int
    at_ns: int
    kind: Kind
    customer: str
    facts: dict[str, Any]

    def shown(self) -> dict[str, Any]:
        return {"n": self.n, "at_ns": self.at_ns, "kind": self.kind, "customer": self.customer, **self.facts}


EVERYBODY = ""


class Ledger:
    """Entries of all customers, and of each. Readers wait for news without polling."""

    def __init__(self) -> None:
        self._count = 0
        self._entries: defaultdict[str, list[Entry]] = defaultdict(list)
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def add(self, kind: Kind, customer: str, **facts: Any) -> Entry:
        self._count += 1
        entry = Entry(self._count, time.time_ns(), kind, customer, facts)
        for whose in (customer, EVERYBODY):
            self._entries[whose].append(entry)
            for waiting in self._waiting.get(whose, ()):
                waiting.set()
        return entry

    def clear(self) -> None:
        self._entries.clear()

    @property
    def last(self) -> int:
        return self._count

    def after(self, n: int, customer: str = EVERYBODY) -> list[Entry]:
        entries = self._entries.get(customer, [])
        return entries[bisect_right(entries, n, key=lambda entry: entry.n) :]

    @contextmanager
    def news(self, customer: str = EVERYBODY) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is a new entry; whoever waits clears it before looking."""
        event = asyncio.Event()
        self._waiting[customer].add(event)
        try:
            yield event
        finally:
            self._waiting[customer].discard(event)
            if not self._waiting[customer]:
                del self._waiting[customer]

    async def wait_for(self, n: int, customer: str, kind: Kind, seconds: float) -> list[Entry]:
        """The customer's entries of that kind after the n-th, as soon as there is one; none when the time is over."""
        with self.news(customer) as news:
            try:
                async with asyncio.timeout(seconds):
                    while not (found := self._of_kind(n, customer, kind)):
                        await news.wait()
                        news.clear()
            except TimeoutError:
                return []
        return found

    def _of_kind(self, n: int, customer: str, kind: Kind) -> list[Entry]:
        return [entry for entry in self.after(n, customer) if entry.kind is kind]
