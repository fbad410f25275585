"""A service's dead-letter topic: what the sidecar brings is kept with the reason that the service knows."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import orjson
import pytest
import pytest_asyncio

from m2n.dead_letter_keeping import NotKept
from m2n.deadletters import UNKNOWN, Failure
from m2n.message import Model
from m2n.service import MAX_BODY_BYTES, MAX_EVENT_BYTES, Service

TOKEN = "a-token-of-the-sidecar"


class Thing(Model):
    tenant: str
    words: str


class Broken(Exception):
    pass


class Keeper:
    def __init__(self) -> None:
        self.full = False
        self.kept: list[Failure] = []

    async def keep(self, failure: Failure) -> None:
        if self.full:
            raise NotKept
        self.kept.append(failure)

    async def bring_back(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest_asyncio.fixture
async def sidecar(keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """Calls a service's app as its sidecar does."""
    monkeypatch.setenv("APP_API_TOKEN", TOKEN)
    monkeypatch.setenv("M2N_DATA_DIR", str(tmp_path))
    service = Service("thinker", follows_tenants=False)
    monkeypatch.setattr(service, "keeper", keeper)

    @service.on("things", Thing)
    async def think(thing: Thing) -> None:
        if thing.words == "break":
            raise Broken(thing.words)

    transport = httpx.ASGITransport(service.app)
    async with (
        service.app.router.lifespan_context(service.app),
        httpx.AsyncClient(transport=transport, base_url="http://x", headers={"dapr-api-token": TOKEN}) as client,
    ):
        yield client


def event(words: str, event_id: str = "e1") -> bytes:
    return orjson.dumps({"id": event_id, "topic": "things", "data": {"tenant": "acme", "words": words}})


async def brought(sidecar: httpx.AsyncClient, body: bytes) -> httpx.Response:
    """As Dapr wraps what is subscribed to raw."""
    wrapped = {"id": "other", "topic": "dead.thinker", "data_base64": base64.b64encode(body).decode()}
    return await sidecar.post("/events/dead.thinker", content=orjson.dumps(wrapped))


async def test_reason_and_tries_of_the_failed_event_come_along_without_its_words(
    sidecar: httpx.AsyncClient, keeper: Keeper
) -> None:
    for _ in range(8):
        assert (await sidecar.post("/events/things", content=event("break"))).status_code == 500
    assert (await brought(sidecar, event("break"))).json() == {"status": "SUCCESS"}
    (failure,) = keeper.kept
    assert (failure.origin, failure.topic, failure.tenant, failure.tries) == ("thinker", "things", "acme", 8)
    assert failure.reason.startswith("Broken: test_service_dead_letters.py:")
    assert failure.body == event("break")


async def test_an_event_of_which_this_process_knows_nothing_has_an_unknown_reason(
    sidecar: httpx.AsyncClient, keeper: Keeper
) -> None:
    assert (await sidecar.post("/events/things", content=event("fine"))).json() == {"status": "SUCCESS"}
    await brought(sidecar, event("fine"))
    assert [(failure.reason, failure.tries) for failure in keeper.kept] == [(UNKNOWN, 0)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"id": "e", "topic": "things", "data": {"words": 1}}', "unreadable: ValidationError"),
        (b'{"id": "e", "topic": "things"}', "unreadable: KeyError"),
        (b"[1]", "unreadable: AttributeError"),
        (b"\xff", "unreadable: JSONDecodeError"),
    ],
)
async def test_an_unreadable_event_is_known_as_such_at_any_time(
    sidecar: httpx.AsyncClient, keeper: Keeper, body: bytes, reason: str
) -> None:
    assert (await sidecar.post("/events/things", content=body)).json() == {"status": "DROP"}
    await brought(sidecar, body)
    assert [(failure.reason, failure.tries) for failure in keeper.kept] == [(reason, 1)]


async def test_what_is_not_kept_is_not_taken(sidecar: httpx.AsyncClient, keeper: Keeper) -> None:
    keeper.full = True
    assert (await brought(sidecar, event("fine"))).status_code == 500


async def test_a_letter_may_be_a_third_larger_than_the_largest_event(
    sidecar: httpx.AsyncClient, keeper: Keeper
) -> None:
    assert (await brought(sidecar, event("x" * MAX_BODY_BYTES))).status_code == 200
    assert len(keeper.kept[0].body) > MAX_BODY_BYTES
    assert (await brought(sidecar, event("x" * MAX_EVENT_BYTES))).status_code == 413
