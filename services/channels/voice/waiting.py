"""Waits for what is to be said next in a call."""

import asyncio
from dataclasses import dataclass

from services.channels.voice.calls import Call, CallKey, CallLine, Calls
from services.handover.phone.transfer import Transfer

LOOK_AGAIN_S = 1.0
"""A look into the call, also when nothing woke it."""
SETTLE_S = 0.25
"""A bot's answer is often several messages, which come one by one: so long after one for the next."""
SETTLE_MOST_S = 1.5
SENTENCE_S = 1.0
"""The lane's sentence before a transfer comes on another way than the transfer: so long it is waited for."""


@dataclass(frozen=True)
class Next:
    """What is to be done next in a call; ``lines`` are said before the transfer."""

    lines: tuple[CallLine, ...] = ()
    transfer: Transfer | None = None
    over: bool = False

    @property
    def nothing(self) -> bool:
        return not (self.lines or self.transfer or self.over)


async def next_for(calls: Calls, key: CallKey, look: str, within_s: float) -> Next:
    """What this look is to say and do, as soon as there is something. Raises pymongo's errors."""
    loop = asyncio.get_running_loop()
    until, settled = loop.time() + within_s, _Settling()
    with calls.wakeups.waiter(key.id) as waiter:
        while True:
            call = await calls.get(key)
            ready_at = settled.ready_at(call, look, loop.time())
            if min(ready_at, until) <= loop.time():
                return await _taken(calls, key, look)
            await waiter.wait(min(ready_at, until, loop.time() + LOOK_AGAIN_S) - loop.time())


async def _taken(calls: Calls, key: CallKey, look: str) -> Next:
    lines = await calls.take(key, look)
    transfer = await calls.take_transfer(key, look)
    call = await calls.get(key)
    return Next(lines, transfer, call is not None and call.over is not None)


class _Settling:
    """When nothing more belongs to what came."""

    def __init__(self) -> None:
        self._seen, self._first_at, self._last_at = 0, 0.0, 0.0

    def ready_at(self, call: Call | None, look: str, at: float) -> float:
        """The moment to answer; never while there is nothing."""
        if call is None:
            return float("inf")
        if call.over or call.taken_by(look):
            return at
        waiting, transfers = len(call.waiting()), bool(call.transfer and call.transfer.waits)
        seen = waiting + transfers
        if not seen:
            return float("inf")
        if seen != self._seen:
            self._first_at = self._first_at or at
            self._seen, self._last_at = seen, at
        pause = SENTENCE_S if transfers and not waiting else SETTLE_S
        return min(self._last_at + pause, self._first_at + SETTLE_MOST_S)
