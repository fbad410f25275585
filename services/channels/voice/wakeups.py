"""Wake-ups between processes: whoever appended to a call wakes the one in which Twilio's request waits.

Redis carries them and may lose them: whoever waits looks again by itself.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from m2n.telemetry import log

TOPIC = "m2n:voice-wake-ups"
SEND_WITHIN_S = 0.5


class WakeUps:
    """``listen`` is to run beside the app; it ends with RedisError when Redis goes away and is then run again."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    async def wake(self, key: str) -> None:
        """All who wait for the key; those of this process also while Redis is away."""
        self._wake_here(key)
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._redis.publish(TOPIC, key)
        except (RedisError, TimeoutError) as away:
            log().warning("voice wake-up not sent, calls look again by themselves", error=type(away).__name__)

    @contextmanager
    def news(self, key: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the key is woken; whoever waits clears it before looking."""
        event = asyncio.Event()
        self._waiting[key].add(event)
        try:
            yield event
        finally:
            self._waiting[key].discard(event)
            if not self._waiting[key]:
                del self._waiting[key]

    async def listen(self) -> None:
        """Pass on what other processes say, without end. Raises RedisError."""
        async with self._redis.pubsub() as listener:
            await listener.subscribe(TOPIC)
            async for message in listener.listen():
                if message["type"] == "subscribe":
                    self._wake_all()
                elif message["type"] == "message":
                    self._wake_here(message["data"].decode())

    def _wake_all(self) -> None:
        """What was said before the subscription went by unheard."""
        for key in tuple(self._waiting):
            self._wake_here(key)

    def _wake_here(self, key: str) -> None:
        for event in self._waiting.get(key, ()):
            event.set()


async def wait(event: asyncio.Event, at_most_s: float) -> None:
    try:
        async with asyncio.timeout(max(at_most_s, 0)):
            await event.wait()
    except TimeoutError:
        return
