"""Reminders of lanes in great number, set as the lanes set them: by the API of the sessions service's sidecar."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Self

import aiohttp

from deploy.local.stack import Stack
from m2n.lanes import ACTOR_TYPE
from services.sessions.actor import FIRES_AGAIN, REMINDER

HOST = "sessions"
AT_ONCE = 32


class Reminders:
    """Those that were armed for a while can be ended together."""

    def __init__(self, stack: Stack) -> None:
        self._base = f"{stack.sidecar_url(HOST)}/v1.0/actors/{ACTOR_TYPE}"
        self._headers = {"dapr-api-token": stack.sidecar_token(HOST)}
        self._passing: list[str] = []

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=AT_ONCE)
        self._http = aiohttp.ClientSession(connector=connector, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def arm(self, lanes: Sequence[str], due: timedelta, *, passing: bool = False) -> None:
        """The reminder of each of these lanes, which are ids of actors. None of them is woken by that."""
        body = reminder_body(due)
        if passing:
            self._passing += lanes
        await _for_each(lanes, lambda lane: self._call("PUT", lane, body))

    async def disarm_passing(self) -> None:
        """End what was armed for a while."""
        ended, self._passing = self._passing, []
        await _for_each(ended, lambda lane: self._call("DELETE", lane))

    async def _call(self, method: str, lane: str, body: dict[str, Any] | None = None) -> None:
        async with self._http.request(method, f"{self._base}/{lane}/reminders/{REMINDER}", json=body) as answer:
            await answer.read()
            answer.raise_for_status()


def reminder_body(due: timedelta) -> dict[str, Any]:
    """A registration as the actor SDK sends it for a lane."""
    return {"dueTime": _go(due), "period": _go(FIRES_AGAIN), "data": "", "reminderName": REMINDER}


def _go(duration: timedelta) -> str:
    return f"{round(duration.total_seconds() * 1000)}ms"


async def _for_each(lanes: Sequence[str], call: Callable[[str], Awaitable[None]]) -> None:
    left = iter(lanes)

    async def work() -> None:
        for lane in left:
            await call(lane)

    async with asyncio.TaskGroup() as workers:
        for _ in range(min(AT_ONCE, len(lanes))):
            workers.create_task(work())
