"""What a sidecar that died in the middle of a save leaves behind."""

import pytest

from tests.faults.left_open import lane_key, leave_open
from tests.stack.world import World

pytestmark = pytest.mark.stack


async def test_a_transaction_that_a_dead_sidecar_left_open_does_not_hold_the_lane_for_long(world: World) -> None:
    customer = world.customer(await world.make_tenant())
    assert await customer.asks("opening hours") == ["Always."]
    line, *_ = await world.messages(tenant=customer.line.tenant)
    key = lane_key(customer.line.tenant, line["profile_id"])
    await leave_open(world.stack.mongo_url, world.stack.mongo_database, [key])
    assert await customer.asks("opening hours") == ["Always."]
