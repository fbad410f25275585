"""Each service's copy of the tenants' configuration. It follows changes and outlives the tenants service's absence.

A change is published, but one replica only sees each event; so copies are also asked for again after a few seconds,
by version, which costs one small request.
"""

import asyncio
import time
from dataclasses import dataclass, field

from pydantic import Field

from m2n.dapr import DaprClient, DaprUnavailable
from m2n.message import Model
from m2n.serialization import from_json
from m2n.telemetry import log
from m2n.tenant import Connection, TenantSnapshot

FRESH_S = 5.0
MISSING_S = 2.0
SECRET_S = 60.0


class UnknownTenant(LookupError):
    pass


class UnknownConnection(LookupError):
    pass


class ConnectionOwner(Model):
    """Answer of GET /internal/connections/{id}."""

    tenant: str = Field(min_length=1)


@dataclass
class _Copy:
    snapshot: TenantSnapshot
    read_at: float


@dataclass
class TenantDirectory:
    """Cached look-ups of tenants, connections and secrets.

    Look-ups raise UnknownTenant or UnknownConnection, and DaprUnavailable only when nothing is cached.
    """

    dapr: DaprClient
    _tenants: dict[str, _Copy] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)
    _missing: dict[str, float] = field(default_factory=dict)
    _secrets: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)
    _refreshing: dict[str, asyncio.Task[TenantSnapshot]] = field(default_factory=dict)

    async def tenant(self, tenant_id: str) -> TenantSnapshot:
        copy = self._tenants.get(tenant_id)
        if copy is None:
            return await self._refresh(tenant_id)
        if time.monotonic() - copy.read_at > FRESH_S:
            self._refresh(tenant_id).add_done_callback(_say_failure)
        return copy.snapshot

    async def connection(self, connection_id: str) -> tuple[TenantSnapshot, Connection]:
        owner = self._owners.get(connection_id) or await self._find_owner(connection_id)
        snapshot = await self.tenant(owner)
        found = snapshot.tenant.connection(connection_id)
        if found is None:
            self._owners.pop(connection_id, None)
            raise UnknownConnection(connection_id)
        return snapshot, found

    async def secrets(self, connection: Connection) -> dict[str, str]:
        """The connection's secrets by their name in it. Raises NotTaken for one that the store does not have."""
        return {name: await self._secret(ref.store, ref.key) for name, ref in connection.secrets.items()}

    async def changed(self, tenant_id: str) -> None:
        """A change was announced: read the tenant anew, if it is kept here at all."""
        if tenant_id in self._tenants:
            self._secrets.clear()
            await self._refresh(tenant_id)

    def _refresh(self, tenant_id: str) -> asyncio.Task[TenantSnapshot]:
        running = self._refreshing.get(tenant_id)
        if running is None:
            running = asyncio.create_task(self._read(tenant_id))
            self._refreshing[tenant_id] = running
            running.add_done_callback(lambda _: self._refreshing.pop(tenant_id, None))
        return running

    async def _read(self, tenant_id: str) -> TenantSnapshot:
        copy = self._tenants.get(tenant_id)
        headers = {"if-none-match": f'"{copy.snapshot.version}"'} if copy else {}
        answer = await self.dapr.invoke("tenants", "GET", f"/internal/tenants/{tenant_id}", headers=headers)
        if answer.status_code == 304 and copy:
            copy.read_at = time.monotonic()
            return copy.snapshot
        if answer.status_code != 200:
            self._tenants.pop(tenant_id, None)
            raise UnknownTenant(tenant_id)
        snapshot = from_json(TenantSnapshot, answer.content)
        self._tenants[tenant_id] = _Copy(snapshot, time.monotonic())
        return snapshot

    async def _find_owner(self, connection_id: str) -> str:
        if time.monotonic() - self._missing.get(connection_id, -MISSING_S) < MISSING_S:
            raise UnknownConnection(connection_id)
        answer = await self.dapr.invoke("tenants", "GET", f"/internal/connections/{connection_id}")
        if answer.status_code != 200:
            self._remember_missing(connection_id)
            raise UnknownConnection(connection_id)
        owner = from_json(ConnectionOwner, answer.content).tenant
        self._owners[connection_id] = owner
        return owner

    def _remember_missing(self, connection_id: str) -> None:
        if len(self._missing) >= 10_000:
            self._missing.clear()
        self._missing[connection_id] = time.monotonic()

    async def _secret(self, store: str, key: str) -> str:
        kept = self._secrets.get((store, key))
        if kept and time.monotonic() - kept[1] < SECRET_S:
            return kept[0]
        try:
            value = await self.dapr.secret(store, key)
        except DaprUnavailable:
            if kept:
                return kept[0]
            raise
        self._secrets[store, key] = (value, time.monotonic())
        return value


def _say_failure(task: asyncio.Task[TenantSnapshot]) -> None:
    if not task.cancelled() and (error := task.exception()):
        level = "info" if isinstance(error, UnknownTenant) else "warning"
        getattr(log(), level)("tenant copy not refreshed", reason=type(error).__name__)
