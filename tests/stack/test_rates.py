"""Places in a vendor's rate, in the real Redis: fair among customers, kept until they come, gone without harm."""

import asyncio

import pytest
from redis.asyncio import Redis

from m2n.adapters.capabilities import Rate
from services.delivery.rates import Rates
from tests.stack.tenant_documents import unused_id

pytestmark = pytest.mark.stack
SLOW = Rate(per_s=0.1)


class Line:
    """One connection that nobody else uses."""

    def __init__(self, redis: Redis, rate: Rate | None = SLOW, pair: Rate | None = None) -> None:
        self.rates, self.name, self.rate, self.pair = Rates(redis), unused_id("line"), rate, pair

    async def wait(self, message: str, to: str = "ann", calls: int = 1) -> float:
        return await self.rates.wait_s(self.name, to, message, calls, self.rate, self.pair)


async def test_messages_get_places_one_after_the_other(redis: Redis) -> None:
    line = Line(redis)
    waits = [await line.wait(f"m{number}", to=f"c{number}") for number in range(4)]
    assert waits[0] == 0
    assert [round(wait / 10) for wait in waits[1:]] == [1, 2, 3]


async def test_a_place_is_kept_for_who_comes_again(redis: Redis) -> None:
    line = Line(redis)
    await line.wait("first")
    second, third = await line.wait("second"), await line.wait("third")
    again = await line.wait("second")
    assert again <= second < third
    assert await line.wait("fourth") > third, "and asking again takes no other place"


async def test_who_comes_at_their_time_goes_on_at_once(redis: Redis) -> None:
    line = Line(redis, Rate(per_s=20))
    await line.wait("first")
    place = await line.wait("second")
    assert 0 < place <= 0.05
    await asyncio.sleep(place)  # until the place that was given
    assert await line.wait("second") == 0


async def test_so_many_at_once_as_the_vendor_takes(redis: Redis) -> None:
    line = Line(redis, Rate(per_s=0.1, burst=3))
    waits = [await line.wait(f"m{number}") for number in range(5)]
    assert [round(wait / 10) for wait in waits] == [0, 0, 0, 1, 2]


async def test_a_message_of_three_parts_takes_three_places(redis: Redis) -> None:
    line = Line(redis)
    await line.wait("long", calls=3)
    assert round(await line.wait("next") / 10) == 3


async def test_one_customers_rate_is_no_others(redis: Redis) -> None:
    line = Line(redis, rate=None, pair=SLOW)
    assert await line.wait("a1", to="ann") == 0
    assert round(await line.wait("a2", to="ann") / 10) == 1
    assert await line.wait("b1", to="ben") == 0


async def test_one_connections_rate_is_no_others(redis: Redis) -> None:
    first, second = Line(redis), Line(redis)
    await first.wait("m1")
    assert await second.wait("m1") == 0


async def test_a_connection_rests_when_the_vendor_says_so(redis: Redis) -> None:
    line = Line(redis, Rate(per_s=1000, burst=1000))
    await line.rates.block(line.name, 30)
    assert 29 < await line.wait("m1") <= 30


async def test_without_rates_nothing_is_asked() -> None:
    assert await Line(Redis(port=1), rate=None).wait("m1") == 0


async def test_without_redis_the_vendor_says_what_is_too_much() -> None:
    async with Redis(host="127.0.0.1", port=1) as nowhere:
        line = Line(nowhere)
        assert await line.wait("m1") == 0
        await line.rates.block(line.name, 30)
