"""The stack's stores, for tests of what uses them directly."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from deploy.local.stack import Stack


@pytest_asyncio.fixture
async def redis(stack: Stack) -> AsyncIterator[Redis]:
    async with Redis.from_url(stack.redis_url) as client:
        yield client


@pytest_asyncio.fixture
async def database(stack: Stack) -> AsyncIterator[Any]:
    """An empty database."""
    async with AsyncMongoClient[dict[str, Any]](stack.mongo_url, tz_aware=True) as client:
        name = f"test-{id(client)}"
        yield client[name]
        await client.drop_database(name)
