"""Wakes the lanes that are due.

When a lane is due stands in its document, written with its state, so no crash can come between the two. One actor for
the whole installation looks for such lanes; a reminder in Dapr's scheduler drives it, whichever host it lives on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import ClassVar

from dapr.actor import Actor, ActorInterface, Remindable

from m2n import clock
from m2n.dapr import DaprClient, DaprUnavailable, NotTaken
from m2n.lanes import LaneAnswer
from m2n.telemetry import log
from services.sessions.lane_store import LaneStore

WAKER_TYPE = "LaneWaker"
WAKER_ID = "all"
REMINDER = "look"
EVERY_S = 2.0
REGISTERED_EVERY_S = 60.0
"""The reminder is set anew so often, should the scheduler have lost it."""
AT_ONCE = 16
AT_MOST = 500
"""Lanes of one look; the others follow with the next."""
AGAIN_FIRST = timedelta(seconds=4)
AGAIN_LAST = timedelta(minutes=5)

Wake = Callable[[str], Awaitable[LaneAnswer]]


class WakeUps:
    """One look after the other. A lane that fails for a fault of its own is woken later and later, not in a tight
    loop; one that cannot be reached is still due at the next look."""

    def __init__(self, lanes: LaneStore, wake: Wake) -> None:
        self._lanes, self._wake = lanes, wake
        self._room = asyncio.Semaphore(AT_ONCE)
        self._failures: dict[str, tuple[int, datetime]] = {}
        """Of lanes that failed: how often in a row, and until when they are left alone."""

    async def look(self) -> None:
        """Raises PyMongoError."""
        now = clock.now()
        left_alone = [lane for lane, (_, until) in self._failures.items() if now < until]
        due = await self._lanes.due(now, AT_MOST, left_alone)
        await asyncio.gather(*(self._wake_one(lane) for lane in due))

    async def _wake_one(self, lane: str) -> None:
        try:
            async with self._room:
                answer = await self._wake(lane)
        except (DaprUnavailable, NotTaken) as failed:
            return log().warning("lane not woken yet, will be", lane=lane, why=str(failed))
        if not answer.at_fault:
            self._failures.pop(lane, None)
            return
        count = self._failures.get(lane, (0, None))[0] + 1
        wait = min(AGAIN_FIRST * 2 ** min(count - 1, 10), AGAIN_LAST)
        self._failures[lane] = (count, clock.now() + wait)
        log().error("lane could not look at itself", lane=lane, why=answer.why, again_in_s=wait.total_seconds())


class LaneWakerInterface(ActorInterface):
    """It has no methods: its reminder alone calls it."""


class LaneWaker(Actor, LaneWakerInterface, Remindable):
    wake_ups: ClassVar[WakeUps]

    async def receive_reminder(
        self,
        name: str,
        state: bytes,
        due_time: timedelta,
        period: timedelta | None = None,
        ttl: timedelta | None = None,
    ) -> None:
        await self.wake_ups.look()


async def keep_reminded(dapr: DaprClient) -> None:
    """Sees to it, for ever, that the waker has its reminder; every process may. A failure is tried again soon."""
    path = f"/actors/{WAKER_TYPE}/{WAKER_ID}/reminders/{REMINDER}"
    wanted = {"dueTime": f"{EVERY_S:g}s", "period": f"{EVERY_S:g}s"}
    while True:
        try:
            answer = await dapr.request("PUT", path, json=wanted)
        except DaprUnavailable as failed:
            log().warning("waker not registered yet", why=str(failed))
            await asyncio.sleep(EVERY_S)
            continue
        if answer.status_code >= 400:
            log().error("waker not registered", status=answer.status_code)
        await asyncio.sleep(REGISTERED_EVERY_S)
