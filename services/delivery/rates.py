"""Keeps to the vendors' rates: each message has its place in its connection's rate, and in its customer's.

A message that comes too soon is told when its place is, and finds it kept when it comes again: so many customers' lanes
share a rate in the order in which they came, and none holds a worker while it waits. The places are in Redis, for all
replicas; when Redis loses them, the vendor's own 429 says what is too much.
"""

from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from m2n.adapters.capabilities import Rate
from m2n.keys import digest
from m2n.telemetry import log

_PLACE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local blocked = tonumber(redis.call('GET', KEYS[4]) or '0')
if blocked > now then return blocked - now end
local kept = redis.call('GET', KEYS[3])
if kept then
  local place = tonumber(kept)
  if place <= now then redis.call('DEL', KEYS[3]) return 0 end
  return place - now
end
local place = now
for number = 1, 2 do
  local gap, burst = tonumber(ARGV[number * 2 - 1]), tonumber(ARGV[number * 2])
  if gap > 0 then
    local full = math.max(tonumber(redis.call('GET', KEYS[number]) or '0'), now)
    local free = full - (burst - 1) * gap
    if free > place then place = free end
    local next = full + tonumber(ARGV[5]) * gap
    redis.call('SET', KEYS[number], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000) + 60000)
  end
end
if place <= now then return 0 end
redis.call('SET', KEYS[3], string.format('%.0f', place), 'PX', math.ceil((place - now) / 1000) + 3600000)
return place - now
"""
"""GCRA with places that are kept. Times in microseconds of Redis's own clock; 0: go on, else how long to wait."""


@dataclass
class Rates:
    redis: Redis
    _place: AsyncScript = field(init=False)

    def __post_init__(self) -> None:
        self._place = self.redis.register_script(_PLACE)

    async def wait_s(
        self, connection: str, to: str, message: str, calls: int, rate: Rate | None, pair_rate: Rate | None
    ) -> float:
        """Seconds until the message's calls may be made; 0: now."""
        if rate is None and pair_rate is None:
            return 0.0
        keys = [_key(connection), _key(connection, to), _key(connection, to, message), _blocked_key(connection)]
        arguments = [*_shape(rate), *_shape(pair_rate), calls]
        try:
            return float(await self._place(keys, arguments)) / 1e6
        except RedisError as away:
            log().warning("rates not kept, the vendor will say what is too much", error=type(away).__name__)
            return 0.0

    async def block(self, connection: str, seconds: float) -> None:
        """The vendor has had too much of the connection: nothing of it goes out for so long."""
        try:
            now, micros = await self.redis.time()
            until = now * 1_000_000 + micros + int(seconds * 1e6)
            await self.redis.set(_blocked_key(connection), until, px=max(int(seconds * 1000), 1))
        except RedisError as away:
            log().warning("a connection that is to rest is not known to the others", error=type(away).__name__)


def _shape(rate: Rate | None) -> tuple[int, int]:
    return (int(1e6 / rate.per_s), rate.burst) if rate else (0, 1)


def _key(*parts: str) -> str:
    return f"m2n:rate:{digest(*parts)}"


def _blocked_key(connection: str) -> str:
    return f"m2n:rate-blocked:{digest(connection)}"
