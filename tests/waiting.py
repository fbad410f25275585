"""Waiting for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

LIMIT_S = 30.0
T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T | None]], limit_s: float = LIMIT_S, every_s: float = 0.05) -> T:
    """The first truthy result of ``look``; fails when there is none within the limit."""
    deadline = time.monotonic() + limit_s
    while True:
        found = await look()
        if found:
            return found
        assert time.monotonic() < deadline, f"nothing within {limit_s:.0f} s"
        await asyncio.sleep(every_s)  # between two looks


async def until(holds: Callable[[], object], limit_s: float = 10.0) -> None:
    """Returns as soon as it holds; fails when it does not within the limit."""

    async def look() -> bool:
        return bool(holds())

    await eventually(look, limit_s, every_s=0.005)
