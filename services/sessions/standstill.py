"""Notices that this process stood still (suspended, swapped out): its lanes may have lived elsewhere meanwhile."""

import asyncio
import time

LONGEST_S = 2.0
"""A sidecar takes three failed health checks, one a second, before it gives the app's lanes away."""
LOOK_EVERY_S = 0.5


class Standstill:
    """Counts the times at which nothing ran here for longer than LONGEST_S."""

    def __init__(self) -> None:
        self._count = 0
        self._last_s = time.monotonic()

    def count(self) -> int:
        now_s = time.monotonic()
        if now_s - self._last_s > LONGEST_S:
            self._count += 1
        self._last_s = now_s
        return self._count

    async def watch(self) -> None:
        """Look for ever, so that quiet times are not taken for standing still."""
        while True:
            self.count()
            await asyncio.sleep(LOOK_EVERY_S)
