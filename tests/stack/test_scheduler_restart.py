"""The scheduler comes back, however it was ended before."""

import asyncio

import pytest

from tests.stack.world import World

pytestmark = pytest.mark.stack


async def test_the_scheduler_leads_again_however_often_it_was_killed_and_stopped(world: World) -> None:
    stack = world.stack
    for _ in range(2):
        await asyncio.to_thread(stack.kill, "scheduler")
        await asyncio.to_thread(stack.wait_ready, "scheduler")
    await asyncio.to_thread(stack.restart, "scheduler")
    pid = stack.pid("scheduler")
    customer = world.customer(await world.make_tenant())
    assert await customer.asks("opening hours") == ["Always."]
    assert stack.pid("scheduler") == pid
