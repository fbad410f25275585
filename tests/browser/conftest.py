"""The real stack, a shop's site on another origin, and a Chromium."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser as Chromium

from tests.browser.site import Site, chromium
from tests.stack.world import World


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Chromium]:
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def site(world: World) -> AsyncIterator[Site]:
    async with Site(world.stack.url("webhooks")).running() as running:
        yield running
