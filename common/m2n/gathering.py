"""Many callers' small requests in few large ones: what comes while one is under way goes with the next."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
Send = Callable[[Sequence[T]], Awaitable[Mapping[int, Exception]]]
"""Sends all items and says which failed, by their places. What it raises is the failure of all."""


@dataclass(eq=False)
class _Waiting(Generic[T]):
    items: Sequence[T]
    done: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Gathered(Generic[T]):
    """``at_most`` items go in one request, unless one caller has more. ``wait_s`` is how long a request that could go
    at once waits for company."""

    def __init__(self, send: Send[T], at_most: int, wait_s: float = 0.0) -> None:
        self._send, self._at_most, self._wait_s = send, at_most, wait_s
        self._waiting: list[_Waiting[T]] = []
        self._sending: asyncio.Task[None] | None = None

    async def send(self, items: Sequence[T]) -> None:
        """Returns when all items are sent; raises the failure of the first that was not."""
        if not items:
            return
        waiting = _Waiting(items)
        self._waiting.append(waiting)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())
        await waiting.done

    async def _send_all(self) -> None:
        taken: list[_Waiting[T]] = []
        try:
            while self._waiting:
                await asyncio.sleep(self._wait_s)
                taken = self._take()
                await self._send_taken(taken)
        except asyncio.CancelledError:
            for each in (*taken, *self._waiting):
                each.done.cancel()
            raise

    async def _send_taken(self, taken: list[_Waiting[T]]) -> None:
        try:
            failed = await self._send([item for each in taken for item in each.items])
        except Exception as error:  # every caller's, whatever it is: none of them may wait for ever
            for each in taken:
                _end(each, error)
            return
        place = 0
        for each in taken:
            errors = [failed[number] for number in range(place, place + len(each.items)) if number in failed]
            place += len(each.items)
            _end(each, errors[0] if errors else None)

    def _take(self) -> list[_Waiting[T]]:
        """At least one caller's, and of so many callers as fit."""
        count, callers = 0, 0
        for each in self._waiting:
            count += len(each.items)
            if callers and count > self._at_most:
                break
            callers += 1
        taken, self._waiting = self._waiting[:callers], self._waiting[callers:]
        return taken


def _end(waiting: _Waiting[T], error: Exception | None) -> None:
    """The caller may have gone away."""
    if waiting.done.done():
        return
    if error is None:
        waiting.done.set_result(None)
    else:
        waiting.done.set_exception(error)
