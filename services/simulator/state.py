"""All that the simulator remembers."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from services.simulator.ledger import Ledger
from services.simulator.settings import Fault, Sender, StatusPlan, WebChat
from services.simulator.twilio.message import Message
from services.simulator.vendors import Line, StandIn

Pair = tuple[str, str]
"""Sender and customer, as addresses."""


@dataclass
class State:
    """``tokens`` are the accounts' auth tokens by SID; ``test_accounts`` the SIDs that are test credentials."""

    http: httpx.AsyncClient
    ledger: Ledger = field(default_factory=Ledger)
    tokens: dict[str, str] = field(default_factory=dict)
    test_accounts: set[str] = field(default_factory=set)
    senders: dict[str, Sender] = field(default_factory=dict)
    webchats: dict[str, WebChat] = field(default_factory=dict)
    lines: dict[tuple[str, str], Line] = field(default_factory=dict)
    """Connections at the vendors, by channel and connection."""
    stand_ins: dict[str, StandIn] = field(default_factory=dict)
    """The vendors that share this state, by channel."""
    messages: dict[str, Message] = field(default_factory=dict)
    opted_out: set[Pair] = field(default_factory=set)
    last_inbound: dict[Pair, datetime] = field(default_factory=dict)
    strangers_wrote: bool = False
    faults: deque[Fault] = field(default_factory=deque)
    statuses: StatusPlan = field(default_factory=StatusPlan)
    ahead: timedelta = timedelta(0)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def now(self) -> datetime:
        """The simulator's time, which can be put ahead to close 24-hour windows."""
        return datetime.now(UTC) + self.ahead

    def next_fault(self, channel: str = "twilio") -> Fault | None:
        """The fault that the next send at that vendor meets; each is used up after its count."""
        place = next((at for at, fault in enumerate(self.faults) if fault.channel == channel), None)
        if place is None:
            return None
        fault = self.faults[place]
        if fault.count > 1:
            self.faults[place] = fault.model_copy(update={"count": fault.count - 1})
        else:
            del self.faults[place]
        return fault

    def line(self, channel: str, connection: str) -> Line | None:
        return self.lines.get((channel, connection))

    def enter(self, line: Line) -> None:
        """Make a connection known at its vendor. Raises ValueError for what does not fit, LookupError for no vendor."""
        self.stand_ins[line.channel].enter(line)
        self.lines[line.channel, line.connection] = line

    def start(self, job: Coroutine[Any, Any, None]) -> None:
        """Run beside the requests until done, at most until the end of the app."""
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.http.aclose()

    def forget(self) -> None:
        """Drop all conversations; accounts, senders and web chats stay."""
        for kept in (self.messages, self.opted_out, self.last_inbound, self.faults):
            kept.clear()
        self.ledger.clear()
        for stand_in in self.stand_ins.values():
            stand_in.forget()
        self.statuses, self.ahead = StatusPlan(), timedelta(0)
