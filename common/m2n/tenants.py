"""Each service's copy of the tenants' configuration. It follows changes and outlives the tenants service's absence.

A change is published, but one replica only sees each event; so copies are also asked for again after a few seconds,
by version, which costs one small request.
"""

import asyncio
import math
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
from pydantic import BaseModel, Field, ValidationError

from m2n.dapr import DaprClient, DaprUnavailable
from m2n.message import Model
from m2n.serialization import from_json
from m2n.telemetry import log
from m2n.tenant import SLUG, Connection, ConnectionKind, TenantSnapshot

M = TypeVar("M", bound=BaseModel)
V = TypeVar("V")
Found = tuple[TenantSnapshot, Connection]
Read = Callable[[str], Awaitable[TenantSnapshot]]
FRESH_S = 5.0
"""A copy older than this is asked for again behind its use; also the pause after a try that failed."""
MUST_ASK_S = 30.0
"""A copy older than this is asked for again before its use."""
PATIENCE_S = 2.0
"""An old copy is used when the tenants service takes longer than this."""
MISSING_S = 2.0
"""A connection that does not exist is asked for again after this."""
SECRET_S = 60.0
MAX_REMEMBERED = 10_000
"""Connection ids that are remembered with their owner, and as missing."""


class UnknownTenant(LookupError):
    pass


class UnknownConnection(LookupError):
    pass


class ConnectionOwner(Model):
    """Answer of GET /internal/connections/{id}."""

    tenant: str = Field(min_length=1)


class ConnectionIds(Model):
    """Answer of GET /internal/connections."""

    connections: tuple[str, ...]


@dataclass
class _Copy:
    snapshot: TenantSnapshot
    read_at: float
    failed_at: float = -math.inf
    """When it was asked for in vain; monotonic, like ``read_at``."""

    def must_ask(self) -> bool:
        now = time.monotonic()
        return now - self.read_at > MUST_ASK_S and now - self.failed_at > FRESH_S

    def should_ask(self) -> bool:
        return time.monotonic() - self.read_at > FRESH_S


@dataclass
class TenantDirectory:
    """Cached look-ups of tenants, connections and secrets.

    Look-ups raise UnknownTenant or UnknownConnection, and DaprUnavailable only for what is not in a copy.
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
            return await self._newest(tenant_id)
        if copy.must_ask():
            return await self._newest_in_time(tenant_id, copy)
        if copy.should_ask():
            self._refresh(tenant_id)
        return copy.snapshot

    async def connection(self, connection_id: str) -> Found:
        """The connection and its tenant. Raises UnknownConnection, also for what cannot be an id at all."""
        if not re.fullmatch(SLUG, connection_id):
            raise UnknownConnection(connection_id)
        found = await self._at_known_owner(connection_id) or await self._at_owner(connection_id)
        if found is None:
            _remember(self._missing, connection_id, time.monotonic())
            raise UnknownConnection(connection_id)
        return found

    async def _at_known_owner(self, connection_id: str) -> Found | None:
        """None, and the owner forgotten, when that tenant is gone or has the connection no more."""
        owner = self._owners.get(connection_id)
        found = await self._connection_of(self.tenant, owner, connection_id) if owner else None
        if found is None:
            self._owners.pop(connection_id, None)
        return found

    async def _at_owner(self, connection_id: str) -> Found | None:
        """A copy without the connection that the tenant is said to have is too old, so a newer one is looked at."""
        owner = await self._find_owner(connection_id)
        found = await self._connection_of(self.tenant, owner, connection_id)
        if found is None and owner in self._tenants:
            found = await self._connection_of(self._newest, owner, connection_id)
        if found:
            _remember(self._owners, connection_id, owner)
        return found

    async def _connection_of(self, read: Read, tenant_id: str, connection_id: str) -> Found | None:
        try:
            snapshot = await read(tenant_id)
        except UnknownTenant:
            return None
        found = snapshot.tenant.connection(connection_id)
        return (snapshot, found) if found else None

    async def secrets(self, connection: Connection) -> dict[str, str]:
        """The connection's secrets by their name in it. Raises NotTaken for one that the store does not have."""
        return {name: await self._secret(ref.store, ref.key) for name, ref in connection.secrets.items()}

    async def connection_ids(self, kind: ConnectionKind, adapter: str) -> tuple[str, ...]:
        """The ids of all tenants' connections to an adapter, as they are now. Raises DaprUnavailable."""
        params = {"kind": kind.value, "adapter": adapter}
        answer = await self.dapr.invoke("tenants", "GET", "/internal/connections", params=params)
        return _content(ConnectionIds, answer).connections

    async def changed(self, tenant_id: str) -> None:
        """A change was announced: read the tenant anew, if it is kept here at all."""
        if tenant_id in self._tenants:
            self._secrets.clear()
            await self._newest(tenant_id)

    async def _newest(self, tenant_id: str) -> TenantSnapshot:
        """One that stops waiting does not stop the others: they share the request."""
        return await asyncio.shield(self._refresh(tenant_id))

    async def _newest_in_time(self, tenant_id: str, copy: _Copy) -> TenantSnapshot:
        """The copy when the tenants service does not answer: work goes on without it."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._newest(tenant_id)
        except (DaprUnavailable, TimeoutError):
            copy.failed_at = time.monotonic()
            return copy.snapshot

    def _refresh(self, tenant_id: str) -> asyncio.Task[TenantSnapshot]:
        running = self._refreshing.get(tenant_id)
        if running is None:
            running = asyncio.create_task(self._read(tenant_id))
            self._refreshing[tenant_id] = running
            running.add_done_callback(lambda _: self._refreshing.pop(tenant_id, None))
            running.add_done_callback(_say_failure)
        return running

    async def _read(self, tenant_id: str) -> TenantSnapshot:
        copy = self._tenants.get(tenant_id)
        headers = {"if-none-match": f'"{copy.snapshot.version}"'} if copy else {}
        answer = await self.dapr.invoke("tenants", "GET", f"/internal/tenants/{tenant_id}", headers=headers)
        if answer.status_code == 304 and copy:
            copy.read_at = time.monotonic()
            return copy.snapshot
        if answer.status_code == 404:
            self._tenants.pop(tenant_id, None)
            raise UnknownTenant(tenant_id)
        snapshot = _content(TenantSnapshot, answer)
        self._tenants[tenant_id] = _Copy(snapshot, time.monotonic())
        return snapshot

    async def _find_owner(self, connection_id: str) -> str:
        if time.monotonic() - self._missing.get(connection_id, -math.inf) < MISSING_S:
            raise UnknownConnection(connection_id)
        answer = await self.dapr.invoke("tenants", "GET", f"/internal/connections/{connection_id}")
        if answer.status_code == 404:
            _remember(self._missing, connection_id, time.monotonic())
            raise UnknownConnection(connection_id)
        return _content(ConnectionOwner, answer).tenant

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


def _content(kind: type[M], answer: httpx.Response) -> M:
    """Raises DaprUnavailable for any other answer: it says nothing about the tenant, so a copy stays."""
    if answer.status_code != 200:
        raise DaprUnavailable(f"the tenants service answered {answer.status_code}")
    try:
        return from_json(kind, answer.content)
    except ValidationError as unreadable:
        raise DaprUnavailable(f"the tenants service's {kind.__name__} is not readable here") from unreadable


def _remember(entries: dict[str, V], key: str, value: V) -> None:
    """Anybody can ask for any id, so the memory is bounded; what is forgotten is asked for again."""
    if key not in entries and len(entries) >= MAX_REMEMBERED:
        entries.clear()
    entries[key] = value


def _say_failure(task: asyncio.Task[TenantSnapshot]) -> None:
    if not task.cancelled() and (error := task.exception()):
        level = "info" if isinstance(error, UnknownTenant) else "warning"
        getattr(log(), level)("tenant copy not refreshed", reason=type(error).__name__)
