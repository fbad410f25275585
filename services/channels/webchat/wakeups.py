"""Wake-ups between processes: one that appended to an inbox tells those in which the visitor's page waits.

Redis carries them and may lose them: whoever waits looks again by itself after a while.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.exceptions import RedisError

from m2n.telemetry import log

TOPIC = "m2n:webchat-wake-ups"
SEND_WITHIN_S = 0.5
"""An append does not wait longer for Redis, whatever the client's own time-outs and retries."""


@dataclass(frozen=True)
class Waiter:
    """One who waits for news of one key."""

    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self._woken.set()

    async def wait(self, at_most_s: float) -> None:
        """Until woken since the last wait, or until so many seconds are over."""
        try:
            await asyncio.wait_for(self._woken.wait(), at_most_s)
        except TimeoutError:
            return
        self._woken.clear()


class WakeUps:
    """``listen`` is to run beside the app; it ends with RedisError when Redis goes away and is then run again."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiters: defaultdict[str, set[Waiter]] = defaultdict(set)

    async def wake(self, key: str) -> None:
        """Wake all who wait for the key. Those of this process are woken without Redis, too."""
        self._wake_here(key)
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._redis.publish(TOPIC, key)
        except (RedisError, TimeoutError) as away:
            log().warning("wake-up not sent, readers look again by themselves", error=type(away).__name__)

    @contextmanager
    def waiter(self, key: str) -> Iterator[Waiter]:
        one = Waiter()
        self._waiters[key].add(one)
        try:
            yield one
        finally:
            self._waiters[key].discard(one)
            if not self._waiters[key]:
                del self._waiters[key]

    async def listen(self) -> None:
        """Pass on the wake-ups of other processes, without end. Raises RedisError."""
        async with self._redis.pubsub(ignore_subscribe_messages=False) as listener:
            await listener.subscribe(TOPIC)
            async for message in listener.listen():
                self._take(message)

    def _take(self, message: dict[str, object]) -> None:
        """A fresh subscription wakes everybody: what was said before it went by unheard."""
        data = message.get("data")
        if message.get("type") == "message" and isinstance(data, bytes):
            self._wake_here(data.decode())
        elif message.get("type") == "subscribe":
            for key in tuple(self._waiters):
                self._wake_here(key)

    def _wake_here(self, key: str) -> None:
        for one in self._waiters.get(key, ()):
            one.wake()
