"""Turns through the empty fleet, timed as those of M2N are."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from bench.empty_fleet import EDGE
from bench.process_use import CpuSeconds
from deploy.local.stack import Stack

CUSTOMERS = 60
WARM_PER_S = 40.0
FILLING = "x" * 1500
LIMIT_S = 60.0


@dataclass
class Vendor:
    """Notes when which message came."""

    address: str = ""
    came: dict[str, float] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        self.came[(await request.json())["id"]] = time.perf_counter()
        async with self._news:
            self._news.notify_all()
        return web.json_response({"sid": "SM1"}, status=201)

    async def has(self, names: Set[str]) -> None:
        """Wait until all of them came."""
        async with self._news:
            await self._news.wait_for(lambda: names <= self.came.keys())


@asynccontextmanager
async def vendor() -> AsyncIterator[Vendor]:
    taking, app = Vendor(), web.Application()
    app.router.add_post("/", taking.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    taking.address = f"http://{host}:{port}/"
    yield taking
    await runner.cleanup()


@dataclass(frozen=True)
class Driven:
    ack_ms: tuple[float, ...]
    reply_ms: tuple[float, ...]
    cpu_ms: dict[str, float]


async def warm_up(stack: Stack) -> None:
    """Every customer's first message, which makes the lane. Raises TimeoutError."""
    await drive(stack, WARM_PER_S, CUSTOMERS)


async def drive(stack: Stack, rate_per_s: float, count: int) -> Driven:
    """Raises TimeoutError when not every message reached the vendor."""
    async with vendor() as taking, aiohttp.ClientSession(stack.url(EDGE)) as http:
        before = CpuSeconds.now(stack)
        acks, replies = await _play(http, taking, rate_per_s, count)
        used = CpuSeconds.now(stack).since(before)
    return Driven(acks, replies, {part: seconds * 1000 / count for part, seconds in used.items()})


async def _play(
    http: aiohttp.ClientSession, taking: Vendor, rate_per_s: float, count: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    began, run = time.perf_counter(), secrets.token_hex(4)
    planned = {f"{run}-{number}": began + number / rate_per_s for number in range(count)}

    async def post(name: str, number: int) -> float:
        await asyncio.sleep(planned[name] - time.perf_counter())
        message = {"id": name, "customer": f"c{number % CUSTOMERS}", "vendor": taking.address, "filling": FILLING}
        async with http.post("/webhook", json=message) as answer:
            answer.raise_for_status()
        return time.perf_counter() - planned[name]

    acks = await asyncio.gather(*(post(name, number) for number, name in enumerate(planned)))
    async with asyncio.timeout(LIMIT_S):
        await taking.has(planned.keys())
    replies = (taking.came[name] - at for name, at in planned.items())
    return tuple(sorted(ack * 1000 for ack in acks)), tuple(sorted(reply * 1000 for reply in replies))
