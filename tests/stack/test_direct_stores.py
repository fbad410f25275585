"""The collections that services write without Dapr, on the real MongoDB: what exactly one of many may do."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from pymongo import AsyncMongoClient

from m2n.events import Outcome
from services.delivery.sending import SentRecord
from services.delivery.sent_store import SentStore
from services.sessions.lane_store import LaneMoved, LaneStore
from tests.stack.world import World

pytestmark = pytest.mark.stack
LANE = "acme:P1"
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest_asyncio.fixture
async def database(world: World) -> AsyncIterator[Any]:
    async with AsyncMongoClient[dict[str, Any]](world.stack.mongo_url, w="majority", tz_aware=True) as client:
        name = f"test-{secrets.token_hex(4)}"
        yield client[name]
        await client.drop_database(name)


async def outcomes(*calls: Any) -> list[type]:
    return [type(each) for each in await asyncio.gather(*calls, return_exceptions=True)]


async def test_one_of_many_makes_a_lane_and_one_replaces_each_version(database: Any) -> None:
    lanes = LaneStore(database)
    await lanes.prepare()
    for version in range(3):
        saves = [lanes.save(LANE, version, f"{version} by {host}", None) for host in range(8)]
        assert sorted(map(str, await outcomes(*saves))) == sorted(map(str, [type(None)] + [LaneMoved] * 7))
        stored = await lanes.load(LANE)
        assert stored
        assert stored.version == version + 1
    with pytest.raises(LaneMoved):
        await lanes.save(LANE, 5, "from a version that never was", None)
    assert (await lanes.is_newest(LANE, 3), await lanes.is_newest(LANE, 2)) == (True, False)
    assert await lanes.is_newest("acme:nobody", 0)


async def test_who_is_due_is_found_by_the_index_until_it_is_saved_or_sleeps(database: Any) -> None:
    lanes = LaneStore(database)
    await lanes.prepare()
    dues = {"late": NOW - timedelta(minutes=5), "now": NOW, "soon": NOW + timedelta(seconds=5), "never": None}
    for name, due in dues.items():
        await lanes.save(f"acme:{name}", 0, "{}", due)
    assert await lanes.due(NOW, 10) == ["acme:late", "acme:now"]
    assert await lanes.due(NOW, 1) == ["acme:late"]
    assert await lanes.due(NOW, 10, ["acme:late"]) == ["acme:now"]
    await lanes.save("acme:late", 1, "{}", NOW + timedelta(hours=1))
    await lanes.sleep("acme:now", 1)
    assert await lanes.due(NOW, 10) == []
    plan = await database["lanes"].find({"due": {"$lte": NOW}}).sort("due", 1).explain()
    assert "'indexName': 'due'" in str(plan["queryPlanner"]["winningPlan"])


async def test_who_was_saved_meanwhile_is_not_put_to_sleep(database: Any) -> None:
    lanes = LaneStore(database)
    await lanes.save(LANE, 0, "{}", NOW)
    await lanes.save(LANE, 1, "{}", NOW)
    await lanes.sleep(LANE, 1)
    assert await lanes.due(NOW, 10) == [LANE]


async def test_sets_of_applied_ids_are_a_lanes_own(database: Any) -> None:
    lanes = LaneStore(database)
    await lanes.keep_applied(LANE, "s1", ["a", "b"], NOW)
    await lanes.keep_applied(LANE, "s2", ["c"], NOW)
    await lanes.keep_applied("globex:P1", "s1", ["other"], NOW)
    assert await lanes.applied(LANE, ["s1", "s2"]) == {"a", "b", "c"}


async def test_one_of_many_writes_the_intent(database: Any) -> None:
    """Of a message that several take up at once, together with the first words of others."""
    stores = [SentStore(database) for _ in range(3)]
    await stores[0].prepare()
    intents = [SentRecord(until=NOW, by=f"{host}.{n}") for host in range(3) for n in range(4)]
    calls = [stores[number // 4].create("sent:acme:m:0", intent) for number, intent in enumerate(intents)]
    others = [stores[0].create(f"sent:acme:other-{n}:0", intents[0]) for n in range(5)]
    made = await asyncio.gather(*calls, *others)
    assert made[: len(calls)].count(True) == 1
    assert made[len(calls) :] == [True] * 5
    stands = await stores[2].get("sent:acme:m:0")
    assert stands == intents[made.index(True)]


async def test_a_result_takes_the_place_of_its_intent(database: Any) -> None:
    store = SentStore(database)
    assert await store.get("k") is None
    await store.create("k", SentRecord(until=NOW, by="me"))
    result = SentRecord(until=NOW, outcome=Outcome.ACCEPTED, vendor_message_id="SM1")
    await store.put("k", result)
    assert (await store.get("k"), await store.create("k", result)) == (result, False)
    await store.delete("k")
    assert await store.get("k") is None
