"""Tenants, the claims on connection ids and the audit trail in MongoDB, changed together or not at all.

A tenant's configuration is kept as JSON text: settings may hold names that MongoDB reserves. A deleted tenant leaves
its version behind, so that one made anew under the same id never repeats a version that a copy may still hold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from pymongo import ASCENDING, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from m2n.clock import now
from m2n.database import Client, Database, Document
from m2n.serialization import from_json
from m2n.tenant import ApiKey, Connection, Tenant
from services.tenants.changes import MAX_FIELDS, Draft, FieldChange, field_changes


class ConnectionTaken(Exception):
    """Another tenant of the installation has a connection of this id."""

    def __init__(self, connection_id: str) -> None:
        super().__init__(connection_id)
        self.connection_id = connection_id


class ChangedMeanwhile(Exception):
    """Somebody else made the tenant at the same time."""


@dataclass(frozen=True)
class Row:
    """A tenant as stored; ``configuration`` is its JSON."""

    id: str
    version: int
    configuration: str
    api_keys: tuple[ApiKey, ...]

    @property
    def tenant(self) -> Tenant:
        return from_json(Tenant, self.configuration)

    def snapshot(self) -> bytes:
        """The JSON of a TenantSnapshot."""
        keys = [key.model_dump(mode="json") for key in self.api_keys]
        return orjson.dumps({"tenant": orjson.Fragment(self.configuration), "version": self.version, "api_keys": keys})


Decide = Callable[[Row | None], Draft | None]
"""From what is stored to what is to be stored; None: delete. May run again, and may raise to change nothing."""


@dataclass(frozen=True)
class Written:
    before: Row | None
    after: Row | None
    version: int

    @property
    def changed(self) -> bool:
        return self.before is None or self.before.version != self.version


class TenantStore:
    def __init__(self, client: Client, database: Database) -> None:
        self._client = client
        self._tenants = database["tenants"]
        self._claims = database["connection_claims"]
        self._audit = database["tenant_audit"]

    async def prepare(self) -> None:
        await self._claims.create_index([("tenant", ASCENDING)])
        await self._claims.create_index([("kind", ASCENDING), ("adapter", ASCENDING)])
        await self._audit.create_index([("tenant", ASCENDING), ("version", ASCENDING)], unique=True)

    async def read(self, tenant_id: str) -> Row | None:
        return _row(await self._tenants.find_one({"_id": tenant_id}))

    async def page(self, after: str, limit: int) -> list[Row]:
        """Tenants in the order of their ids, from the one behind ``after``."""
        found = self._tenants.find({"_id": {"$gt": after}, "configuration": {"$ne": None}})
        return [row async for document in found.sort("_id").limit(limit) if (row := _row(document))]

    async def owner(self, connection_id: str) -> str | None:
        claim = await self._claims.find_one({"_id": connection_id})
        return claim["tenant"] if claim else None

    async def connection_ids(self, kind: str, adapter: str) -> list[str]:
        """All tenants' connections to an adapter."""
        found = self._claims.find({"kind": kind, "adapter": adapter}, {"_id": 1})
        return [claim["_id"] async for claim in found.sort("_id")]

    async def audit(self, tenant_id: str, before: int | None, limit: int) -> list[Document]:
        """Audit entries, newest first, older than version ``before``."""
        older = {} if before is None else {"version": {"$lt": before}}
        found = self._audit.find({"tenant": tenant_id, **older}, projection={"_id": False})
        return await found.sort("version", -1).limit(limit).to_list()

    async def change(self, tenant_id: str, by: str, decide: Decide) -> Written:
        """Change a tenant in one transaction: its document, its claims, its audit entry.

        Nothing is written when nothing changes. Raises ConnectionTaken, ChangedMeanwhile, and what ``decide`` raises.
        """
        async with self._client.start_session() as session:
            return await session.with_transaction(partial(self._change, tenant_id, by, decide))

    async def _change(self, tenant_id: str, by: str, decide: Decide, session: AsyncClientSession) -> Written:
        document = await self._tenants.find_one({"_id": tenant_id}, session=session)
        before = _row(document)
        draft = decide(before)
        version = document["version"] if document else 0
        changes = field_changes(_draft(before), draft)
        if not changes:
            return Written(before, before, version)
        written = await self._write(tenant_id, version, draft, session)
        await self._claim(tenant_id, draft.tenant.connections if draft else (), session)
        entry = _audit_entry(tenant_id, written["version"], by, _action(before, draft), changes, written["changed_at"])
        await self._audit.insert_one(entry, session=session)
        return Written(before, _row(written), written["version"])

    async def _write(self, tenant_id: str, version: int, draft: Draft | None, session: AsyncClientSession) -> Document:
        fields: Document = {"configuration": None, "api_keys": [], "changed_at": now()}
        if draft:
            fields["configuration"] = draft.tenant.model_dump_json()
            fields["api_keys"] = [key.model_dump(mode="json") for key in draft.api_keys]
        try:
            written = await self._tenants.find_one_and_update(
                {"_id": tenant_id, "version": version},
                {"$set": fields, "$inc": {"version": 1}},
                upsert=version == 0,
                return_document=ReturnDocument.AFTER,
                session=session,
            )
        except DuplicateKeyError as race:
            raise ChangedMeanwhile(tenant_id) from race
        if written is None:
            raise ChangedMeanwhile(tenant_id)
        return written

    async def _claim(self, tenant_id: str, wanted: Sequence[Connection], session: AsyncClientSession) -> None:
        """Make the tenant's claims be these. An id is claimed once, so two tenants cannot both have it."""
        ids = [connection.id for connection in wanted]
        await self._claims.delete_many({"tenant": tenant_id, "_id": {"$nin": ids}}, session=session)
        known = {claim["_id"]: claim async for claim in self._claims.find({"tenant": tenant_id}, session=session)}
        for connection in wanted:
            claim = {"kind": connection.kind.value, "adapter": connection.adapter}
            if connection.id not in known:
                await self._claim_one(tenant_id, connection.id, claim, session)
            elif claim.items() - known[connection.id].items():
                await self._claims.update_one({"_id": connection.id}, {"$set": claim}, session=session)

    async def _claim_one(
        self, tenant_id: str, connection_id: str, claim: Document, session: AsyncClientSession
    ) -> None:
        try:
            await self._claims.insert_one({"_id": connection_id, "tenant": tenant_id, **claim}, session=session)
        except DuplicateKeyError as taken:
            raise ConnectionTaken(connection_id) from taken


def _row(document: Document | None) -> Row | None:
    if document is None or document["configuration"] is None:
        return None
    keys = tuple(ApiKey.model_validate(key) for key in document["api_keys"])
    return Row(document["_id"], document["version"], document["configuration"], keys)


def _draft(row: Row | None) -> Draft | None:
    return Draft(tenant=row.tenant, api_keys=row.api_keys) if row else None


def _action(before: Row | None, draft: Draft | None) -> str:
    if before is None:
        return "created"
    return "changed" if draft else "deleted"


def _audit_entry(
    tenant_id: str, version: int, by: str, action: str, changes: Sequence[FieldChange], at: datetime
) -> dict[str, Any]:
    return {
        "tenant": tenant_id,
        "version": version,
        "at": at,
        "by": by,
        "action": action,
        "changes": [change.model_dump() for change in changes[:MAX_FIELDS]],
        "more_changes": max(0, len(changes) - MAX_FIELDS),
    }
