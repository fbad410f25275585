"""What a peer stands on, and how the load finds it: the vendor's stand-in, a Redis, and nobody who knows tenants."""

import random
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from aiohttp import web

from deploy.local.ports import HOST
from deploy.local.stack import Stack
from tests.faults.customers import TOKEN
from tests.faults.site import Site

SLOWED_SENDS = 100_000
"""More than any run has: the simulator counts how many sends a fault is for."""
VARIES_S = (0.03, 0.05)


@dataclass(frozen=True)
class Ground:
    """``token`` is the auth token of all accounts at the vendor."""

    simulator: str
    redis_url: str = field(repr=False)
    redis_pid: int
    token: str = field(repr=False)

    @classmethod
    def of(cls, stack: Stack) -> "Ground":
        return cls(stack.url("simulator"), stack.redis_url, stack.pid("redis"), stack.secrets[TOKEN])

    @asynccontextmanager
    async def site(self, peer: str) -> AsyncIterator[Site]:
        """The peer at this address, as the load sees it. There are no stores to ask what a peer declares."""
        async with _agreeable() as tenants:
            yield Site(
                addresses={"simulator": self.simulator, "webhooks": peer, "tenants": tenants},
                public_url=peer,
                admin_key="nobody-asks-for-it",
                secrets={TOKEN: self.token},
                mongo_url="",
                mongo_database="",
                sqs_endpoint="",
                sqs_queue="",
            )

    @asynccontextmanager
    async def vendor_takes(self, seconds: float) -> AsyncIterator[None]:
        """Within the block the vendor takes so long for each send; several at once do not wait for one another."""
        async with self._delayed([{"count": SLOWED_SENDS, "delay_s": seconds}] if seconds else []):
            yield

    @asynccontextmanager
    async def vendor_varies(self, sends: int, seed: int) -> AsyncIterator[None]:
        """Within the block the vendor takes 30 to 50 ms for each of so many sends, and then none."""
        chance = random.Random(seed)
        async with self._delayed([{"count": 1, "delay_s": chance.uniform(*VARIES_S)} for _ in range(sends)]):
            yield

    @asynccontextmanager
    async def _delayed(self, faults: Iterable[Mapping[str, float]]) -> AsyncIterator[None]:
        async with httpx.AsyncClient(base_url=self.simulator, trust_env=False) as http:
            try:
                for fault in faults:
                    (await http.post("/control/faults", json=fault)).raise_for_status()
                yield
            finally:
                (await http.delete("/control/faults")).raise_for_status()


@asynccontextmanager
async def _agreeable() -> AsyncIterator[str]:
    """Says yes to every request: the load enters its tenants before it begins, and a peer has none."""

    async def agree(_: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", agree)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
