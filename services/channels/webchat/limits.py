"""How much a visitor, and an address, may ask of a chat: counted in Redis, for all processes together.

Each counter is one number (GCRA): when the bucket would be empty again. Without Redis everything is let through: a chat
that answers matters more than one that counts.
"""

import asyncio
import math
from dataclasses import dataclass
from typing import Any, Protocol, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from m2n.adapters.capabilities import Rate
from m2n.keys import digest
from m2n.telemetry import log

ASK_WITHIN_S = 0.25
_PREFIX = "m2n:webchat-limit:"
_SCRIPT = """
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local empty_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + interval
local wait = empty_at - now - burst * interval
if wait > 0.000001 then
  return tostring(wait)
end
redis.call('SET', KEYS[1], string.format('%.6f', empty_at), 'PX', math.ceil((empty_at - now) * 1000))
return '0'
"""


class TooMany(Exception):
    """More than is allowed; ``after_s`` is how long to wait, in whole seconds."""

    def __init__(self, after_s: float) -> None:
        self.after_s = max(math.ceil(after_s), 1)
        super().__init__(f"too much in a short time; wait {self.after_s} s")


class Limiter(Protocol):
    async def take(self, rate: Rate, *what: str) -> None:
        """Count one of what is named. Raises TooMany, and then has not counted it."""
        ...


@dataclass(frozen=True)
class RedisLimiter:
    redis: Redis

    async def take(self, rate: Rate, *what: str) -> None:
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                wait = await cast(Any, self.redis.eval(_SCRIPT, 1, _PREFIX + digest(*what), 1 / rate.per_s, rate.burst))
        except (RedisError, TimeoutError, OSError) as away:
            log().warning("web chat limits not counted", error=type(away).__name__)
            return
        if float(wait) > 0:
            raise TooMany(float(wait))
