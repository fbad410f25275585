"""The public edge with a webhook of which a part cannot be read."""

from collections.abc import Mapping
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI, HTTPException, Request, Response

from m2n.dead_letter_keeping import NotKept
from m2n.deadletters import Failure, Source
from m2n.message import Inbound
from m2n.tenant import Connection, ConnectionKind, Tenant, TenantSnapshot
from services.webhooks import edge as edge_module
from services.webhooks.edge import Edge
from tests.faults.batches import CHANNEL
from tests.faults.batches.adapter import channel
from tests.faults.webhooks import batch
from tests.unit.builders import tenant

PATH = f"/webhooks/{CHANNEL}/acme-b"
GOOD = {"id": "1", "from": "+15551234567", "text": "hi"}
SPOILED = {"id": "2", "from": "nobody", "text": "hi"}


class Directory:
    async def connection(self, connection_id: str) -> tuple[TenantSnapshot, Connection]:
        made: Tenant = tenant()
        connection = Connection(id=connection_id, kind=ConnectionKind.CHANNEL, adapter=CHANNEL)
        return TenantSnapshot(tenant=made, version=1), connection

    async def secrets(self, connection: Connection) -> Mapping[str, str]:
        return {"auth-token": "token"}


class Queue:
    def __init__(self) -> None:
        self.sent: list[Inbound] = []

    async def send(self, messages: list[Inbound]) -> None:
        self.sent += messages


class Keeper:
    def __init__(self) -> None:
        self.kept: list[Failure] = []
        self.full = False

    async def keep(self, failure: Failure) -> None:
        if self.full:
            raise NotKept(failure.letter_id)
        self.kept.append(failure)


class Bench:
    """An edge whose queue and dead letters can be looked at."""

    def __init__(self) -> None:
        self.queue, self.keeper = Queue(), Keeper()
        self.edge = Edge(Directory(), None, self.queue, self.keeper, "http://testserver")  # pyright: ignore[reportArgumentType]
        app = FastAPI()

        @app.post(PATH)
        async def take(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
            return await self.edge.take(CHANNEL, "acme-b", request)

        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")

    async def posts(self, *entries: Mapping[str, Any], token: str = "token") -> int:
        webhook = batch(PATH, entries, token)
        answer = await self._http.post(PATH, content=webhook.body, headers=dict(webhook.sign("")))
        return answer.status_code

    @property
    def taken(self) -> list[str]:
        return [message.vendor_message_id for message in self.queue.sent]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(edge_module, "channel", lambda _: channel)
    return Bench()


async def test_what_cannot_be_read_is_set_aside_and_the_rest_is_taken(bench: Bench) -> None:
    assert await bench.posts(GOOD, SPOILED, GOOD | {"id": "3"}) == 200
    assert bench.taken == ["1", "3"]
    (letter,) = bench.keeper.kept
    assert (letter.source, letter.topic, letter.origin) == (Source.WEBHOOK, f"{CHANNEL}/acme-b", "webhooks")
    assert letter.tenant == tenant().id
    assert orjson.loads(letter.body) == {"messages": [SPOILED]}
    assert "nobody" not in letter.reason


async def test_the_vendors_repeat_is_the_same_letter(bench: Bench) -> None:
    assert [await bench.posts(SPOILED), await bench.posts(GOOD, SPOILED)] == [200, 200]
    first, second = bench.keeper.kept
    assert (first.letter_id, first.failure_id) == (second.letter_id, second.failure_id)


async def test_the_vendor_is_asked_to_come_again_when_a_part_cannot_be_kept(bench: Bench) -> None:
    bench.keeper.full = True
    assert await bench.posts(GOOD, SPOILED) == 503
    assert bench.taken == []


async def test_a_part_that_is_put_back_is_taken_once_it_can_be_read(bench: Bench) -> None:
    with pytest.raises(HTTPException) as refused:
        await bench.edge.take_again(CHANNEL, "acme-b", orjson.dumps({"messages": [SPOILED]}))
    assert refused.value.status_code == 422
    await bench.edge.take_again(CHANNEL, "acme-b", orjson.dumps({"messages": [GOOD]}))
    assert bench.taken == ["1"]


async def test_a_forged_webhook_sets_nothing_aside(bench: Bench) -> None:
    assert await bench.posts(SPOILED, token="another") == 403
    assert bench.keeper.kept == []
