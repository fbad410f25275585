"""Wake-ups between processes: one that put something down wakes those in which somebody waits for it.

A note may go with one: what is shown at once or never, such as that an agent types. Redis carries both and may lose
them: whoever waits looks again by itself after a while.
"""

import asyncio
import secrets
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.exceptions import RedisError

from m2n.telemetry import log

NOTES_KEPT = 20
"""So many of the newest notes wait for a slow reader."""
SEND_WITHIN_S = 0.5
"""An append does not wait longer for Redis, whatever the client's own time-outs and retries."""


@dataclass(frozen=True, eq=False)
class Waiter:
    """One who waits for news of one key."""

    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _notes: deque[str] = field(default_factory=lambda: deque(maxlen=NOTES_KEPT))

    def wake(self, note: str = "") -> None:
        if note:
            self._notes.append(note)
        self._woken.set()

    async def wait(self, at_most_s: float) -> tuple[str, ...]:
        """Until woken since the last wait, or until so many seconds are over; the notes that came since then."""
        try:
            await asyncio.wait_for(self._woken.wait(), at_most_s)
        except TimeoutError:
            return ()
        self._woken.clear()
        notes = tuple(self._notes)
        self._notes.clear()
        return notes


class WakeUps:
    """``listen`` is to run beside the app; it ends with RedisError when Redis goes away and is then run again."""

    def __init__(self, redis: Redis, topic: str) -> None:
        self._redis, self._topic = redis, f"m2n:wake-ups:{topic}"
        self._name = secrets.token_hex(8)
        self._waiters: defaultdict[str, set[Waiter]] = defaultdict(set)

    async def wake(self, key: str, note: str = "") -> None:
        """Wake all who wait for the key. Those of this process are woken without Redis, too, and get the note once."""
        self._wake_here(key, note)
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._redis.publish(self._topic, f"{key}\n{note}\n{self._name}" if note else key)
        except (RedisError, TimeoutError) as away:
            log().warning("wake-up not sent, readers look again by themselves", error=type(away).__name__)

    def waiting(self, key: str) -> int:
        """So many wait for the key in this process."""
        return len(self._waiters.get(key, ()))

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
            await listener.subscribe(self._topic)
            async for message in listener.listen():
                self._take(message)

    def _take(self, message: dict[str, object]) -> None:
        """A fresh subscription wakes everybody: what was said before it went by unheard."""
        data = message.get("data")
        if message.get("type") == "message" and isinstance(data, bytes):
            key, _, rest = data.decode().partition("\n")
            note, _, sender = rest.rpartition("\n")
            self._wake_here(key, note if sender != self._name else "")
        elif message.get("type") == "subscribe":
            for key in tuple(self._waiters):
                self._wake_here(key)

    def _wake_here(self, key: str, note: str = "") -> None:
        for one in self._waiters.get(key, ()):
            one.wake(note)
