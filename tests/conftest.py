"""The real stack, once for all tests that need it: on free ports, in a temporary folder."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from pymongo import AsyncMongoClient

from deploy.local.demo_site import DemoSite, set_up
from deploy.local.stack import Stack
from tests.stack.world import World


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def world(stack: Stack) -> AsyncIterator[World]:
    """The stack with the demo tenants on it."""
    site = DemoSite.of(stack)
    keys = set_up(site)
    async with AsyncMongoClient[dict[str, Any]](stack.mongo_url, tz_aware=True) as mongo:
        world = World(stack, site, keys, mongo[stack.mongo_database])
        yield world
        await world.close()
