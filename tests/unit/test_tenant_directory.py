"""The services' copies of the tenants: how they follow changes, and what they do while the tenants service is away."""

import asyncio
from typing import Any, cast

import httpx
import pytest

from m2n.dapr import DaprClient, DaprUnavailable, NotTaken
from m2n.settings import Settings
from m2n.tenant import Connection, ConnectionKind, Rules, Tenant, TenantSnapshot
from m2n.tenants import FRESH_S, MAX_REMEMBERED, MISSING_S, MUST_ASK_S, TenantDirectory, UnknownConnection

NOT_IDS = ["a", "Line", "a b", "a\nb", "line-1\n", "../tenants/a-co", "a/b", "ä-co", "", "x" * 64]


class TenantsService:
    """The tenants service, as it answers through a sidecar."""

    def __init__(self) -> None:
        self.snapshots: dict[str, TenantSnapshot] = {}
        self.owners: dict[str, str] = {}
        self.calls: list[str] = []
        self.status: int | None = None
        self.away = False
        self.asked = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()

    def put(self, tenant_id: str, *connections: str) -> None:
        before = self.snapshots.get(tenant_id)
        channels = [Connection(id=name, kind=ConnectionKind.CHANNEL, adapter="phone") for name in connections]
        bot = Connection(id=f"{tenant_id}-bot", kind=ConnectionKind.ENGINE, adapter="echo")
        rules = Rules(engine=bot.id)
        tenant = Tenant(id=tenant_id, name="A", languages=("en",), rules=rules, connections=(bot, *channels))
        self.snapshots[tenant_id] = TenantSnapshot(tenant=tenant, version=before.version + 1 if before else 1)
        self.owners = {name: owner for name, owner in self.owners.items() if owner != tenant_id}
        self.owners |= dict.fromkeys(connections, tenant_id)

    def delete(self, tenant_id: str) -> None:
        del self.snapshots[tenant_id]
        self.owners = {name: owner for name, owner in self.owners.items() if owner != tenant_id}

    async def invoke(self, app_id: str, method: str, path: str, **options: Any) -> httpx.Response:
        assert (app_id, method) == ("tenants", "GET")
        self.calls.append(path.removeprefix("/internal/"))
        self.asked.set()
        await self.answering.wait()
        if self.away:
            raise DaprUnavailable("away")
        if self.status:
            return httpx.Response(self.status)
        kind, wanted = path.removeprefix("/internal/").split("/")
        return self._owner(wanted) if kind == "connections" else self._snapshot(wanted, options.get("headers", {}))

    def _owner(self, wanted: str) -> httpx.Response:
        owner = self.owners.get(wanted)
        return httpx.Response(200, json={"tenant": owner}) if owner else httpx.Response(404)

    def _snapshot(self, wanted: str, headers: dict[str, str]) -> httpx.Response:
        found = self.snapshots.get(wanted)
        if found is None:
            return httpx.Response(404)
        if headers.get("if-none-match") == f'"{found.version}"':
            return httpx.Response(304)
        return httpx.Response(200, text=found.model_dump_json())


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("m2n.tenants.time", clock)
    return clock


@pytest.fixture
def service(clock: Clock) -> TenantsService:
    service = TenantsService()
    service.put("a-co", "line-1")
    return service


@pytest.fixture
def directory(service: TenantsService) -> TenantDirectory:
    return TenantDirectory(cast(DaprClient, service))


async def owner_of(directory: TenantDirectory, connection_id: str) -> str:
    snapshot, connection = await directory.connection(connection_id)
    assert connection.id == connection_id
    return snapshot.tenant.id


async def until_read(directory: TenantDirectory) -> None:
    """Until nothing is being read in the background."""
    async with asyncio.timeout(5):
        await asyncio.gather(*directory._refreshing.values())


async def test_a_fresh_copy_is_used_without_a_call(directory: TenantDirectory, service: TenantsService) -> None:
    for _ in range(3):
        assert await owner_of(directory, "line-1") == "a-co"
    assert service.calls == ["connections/line-1", "tenants/a-co"]


async def test_a_connection_moves_from_a_deleted_tenant(directory: TenantDirectory, service: TenantsService) -> None:
    await directory.connection("line-1")
    service.delete("a-co")
    service.put("b-co", "line-1")
    with pytest.raises(LookupError):
        await directory.changed("a-co")
    assert await owner_of(directory, "line-1") == "b-co"


async def test_a_connection_moves_between_tenants(directory: TenantDirectory, service: TenantsService) -> None:
    await directory.connection("line-1")
    service.put("a-co")
    service.put("b-co", "line-1")
    await directory.changed("a-co")
    assert await owner_of(directory, "line-1") == "b-co"


async def test_a_new_connection_of_a_copied_tenant(directory: TenantDirectory, service: TenantsService) -> None:
    await directory.connection("line-1")
    service.put("a-co", "line-1", "line-2")
    assert await owner_of(directory, "line-2") == "a-co"


async def test_a_missing_connection_is_not_asked_for_each_time(
    directory: TenantDirectory, service: TenantsService, clock: Clock
) -> None:
    await directory.connection("line-1")
    service.owners["line-2"] = "a-co"
    for pause in (0, MISSING_S / 2, MISSING_S):
        clock.at += pause
        with pytest.raises(UnknownConnection):
            await directory.connection("line-2")
    assert service.calls[2:] == ["connections/line-2", "tenants/a-co"] * 2
    service.put("a-co", "line-1", "line-2")
    clock.at += MISSING_S
    assert await owner_of(directory, "line-2") == "a-co"


async def test_a_missing_connection_while_the_service_is_away(
    directory: TenantDirectory, service: TenantsService
) -> None:
    """Whether it exists cannot be said, so it is not said to be unknown."""
    await directory.connection("line-1")
    service.away = True
    with pytest.raises(DaprUnavailable):
        await directory.connection("line-2")


async def test_an_old_copy_is_asked_for_again_before_its_use(
    directory: TenantDirectory, service: TenantsService, clock: Clock
) -> None:
    await directory.connection("line-1")
    service.put("a-co")
    clock.at += MUST_ASK_S + 1
    with pytest.raises(UnknownConnection):
        await directory.connection("line-1")


async def test_a_younger_copy_is_asked_for_again_behind_its_use(
    directory: TenantDirectory, service: TenantsService, clock: Clock
) -> None:
    await directory.tenant("a-co")
    service.put("a-co", "line-1", "line-2")
    clock.at += FRESH_S + 1
    assert (await directory.tenant("a-co")).version == 1
    await until_read(directory)
    assert (await directory.tenant("a-co")).version == 2


async def test_the_services_absence_is_survived(
    directory: TenantDirectory, service: TenantsService, clock: Clock
) -> None:
    await directory.connection("line-1")
    service.away = True
    for _ in range(3):
        clock.at += 3600
        assert await owner_of(directory, "line-1") == "a-co"
    service.away = False
    service.put("a-co", "line-1", "line-2")
    clock.at += 3600
    assert (await directory.tenant("a-co")).version == 2


async def test_a_silent_service_is_waited_for_once_in_a_while(
    directory: TenantDirectory, service: TenantsService, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await directory.tenant("a-co")
    monkeypatch.setattr("m2n.tenants.PATIENCE_S", 0.01)
    service.answering.clear()
    clock.at += 3600
    assert (await directory.tenant("a-co")).version == 1
    monkeypatch.setattr("m2n.tenants.PATIENCE_S", 3600)
    async with asyncio.timeout(5):
        assert (await directory.tenant("a-co")).version == 1
    service.answering.set()
    await until_read(directory)


async def test_one_that_is_cancelled_does_not_cancel_the_others(
    directory: TenantDirectory, service: TenantsService
) -> None:
    service.answering.clear()
    first, second = (asyncio.create_task(directory.tenant("a-co")) for _ in range(2))
    async with asyncio.timeout(5):
        await service.asked.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    service.answering.set()
    assert (await second).version == 1
    assert service.calls == ["tenants/a-co"]


@pytest.mark.parametrize("status", [204, 401, 403, 429])
async def test_other_answers_do_not_make_a_tenant_unknown(
    directory: TenantDirectory, service: TenantsService, clock: Clock, status: int
) -> None:
    await directory.connection("line-1")
    service.status = status
    with pytest.raises(DaprUnavailable):
        await directory.changed("a-co")
    clock.at += 3600
    assert await owner_of(directory, "line-1") == "a-co"
    with pytest.raises(DaprUnavailable):
        await directory.tenant("b-co")
    with pytest.raises(DaprUnavailable):
        await directory.connection("line-2")


@pytest.mark.parametrize("connection_id", NOT_IDS)
async def test_what_cannot_be_an_id_is_not_asked_for(
    directory: TenantDirectory, service: TenantsService, connection_id: str
) -> None:
    with pytest.raises(UnknownConnection):
        await directory.connection(connection_id)
    assert service.calls == []


async def test_memory_is_bounded(
    directory: TenantDirectory, service: TenantsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_REMEMBERED >= 1000
    monkeypatch.setattr("m2n.tenants.MAX_REMEMBERED", 3)
    lines = [f"line-{number}" for number in range(10)]
    service.put("a-co", *lines)
    for line in lines:
        assert await owner_of(directory, line) == "a-co"
        with pytest.raises(UnknownConnection):
            await directory.connection(f"no-{line}")
    assert len(directory._owners) <= 3
    assert len(directory._missing) <= 3


async def test_a_path_that_no_url_can_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_API_TOKEN", "0123456789abcdef")
    client = DaprClient(Settings())  # pyright: ignore[reportCallIssue]
    with pytest.raises(NotTaken, match="400"):
        await client.invoke("tenants", "GET", "/internal/tenants/a\nb")
    await client.close()
