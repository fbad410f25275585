"""Recorded steps in MongoDB: one document a step, and each tenant document once, by its digest."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_json as any_to_json
from pymongo import ASCENDING, UpdateOne

from m2n import clock
from m2n.bulk_writes import BulkWriter, Write
from m2n.database import Database
from m2n.tenant import TenantSnapshot
from services.sessions.recording import TenantUsed, tenant_used
from services.sessions.replay import Recording
from services.sessions.step_record import StepRecord

TENANT_AGAIN = timedelta(days=1)
"""So often it is written down that a tenant document is still in use."""


class NoSuchSession(LookupError):
    """Nothing is recorded of the session; the text says what to do."""


@dataclass(frozen=True)
class RecordedSession:
    id: str
    tenant: str
    last_at: str
    """Time of its last recorded step, in ISO 8601."""


class Recordings:
    """Collections ``session_steps`` and ``session_step_tenants``; both hold what customers wrote or tenants said.

    ``keep`` is how long a step is kept. Writes may come twice and then have one effect.
    """

    def __init__(self, database: Database, keep: timedelta) -> None:
        self._steps, self._tenants = database["session_steps"], database["session_step_tenants"]
        self._writer = BulkWriter(self._steps)
        self._keep = keep
        self._latest: dict[str, tuple[TenantSnapshot, TenantUsed]] = {}
        self._unwritten: dict[str, str] = {}
        self._written: dict[str, datetime] = {}

    async def prepare(self) -> None:
        by_session = [("sessions", ASCENDING), ("tenant", ASCENDING), ("step", ASCENDING)]
        await self._steps.create_index(by_session, name="sessions")
        for collection in (self._steps, self._tenants):
            await collection.create_index("expires_at", expireAfterSeconds=0, name="expiry")

    def tenant(self, snapshot: TenantSnapshot) -> TenantUsed:
        """What the records say of the tenant, worked out once for each snapshot."""
        known = self._latest.get(snapshot.tenant.id)
        if known and known[0] is snapshot:
            return known[1]
        used = tenant_used(snapshot)
        self._latest[snapshot.tenant.id] = (snapshot, used)
        if used.digest not in self._written:
            self._unwritten[used.digest] = used.document
        return used

    async def write(self, tenant: str, profile_id: str, records: Sequence[StepRecord]) -> None:
        """A step's record takes the place of one of the same number, whose state was lost. Raises PyMongoError."""
        if not records:
            return
        documents = [_document(tenant, profile_id, record, self._keep) for record in records]
        now = clock.now()
        due = {record.tenant_digest for record in records if self._due(record.tenant_digest, now)}
        if due:
            await asyncio.gather(self._writer.write(documents), self._write_tenants(tenant, due, now))
        else:
            await self._writer.write(documents)

    async def _write_tenants(self, tenant: str, due: set[str], now: datetime) -> None:
        expires_at = now + self._keep + 2 * TENANT_AGAIN
        await self._tenants.bulk_write([self._kept_tenant(tenant, digest, expires_at) for digest in due], ordered=False)
        for digest in due:
            self._written[digest] = now
            self._unwritten.pop(digest, None)

    def _due(self, digest: str, now: datetime) -> bool:
        written = self._written.get(digest)
        return written is None or now - written > TENANT_AGAIN

    def _kept_tenant(self, tenant: str, digest: str, expires_at: datetime) -> UpdateOne:
        """A document that this process does not have was written before by the one that made the record."""
        changes: dict[str, Any] = {"$max": {"expires_at": expires_at}}
        _, latest = self._latest.get(tenant, (None, None))
        document = self._unwritten.get(digest) or (latest.document if latest and latest.digest == digest else None)
        if document is not None:
            changes["$set"] = {"document": document}
        return UpdateOne({"_id": f"{tenant}:{digest}"}, changes, upsert=document is not None)

    async def of_session(self, session_id: str, tenant: str | None = None) -> Recording:
        """The steps that are there, which may not be all of them. Raises NoSuchSession, PyMongoError."""
        where = {"sessions": session_id} | ({"tenant": tenant} if tenant else {})
        found = await self._steps.find(where, {"_id": 0, "expires_at": 0}).sort("step", ASCENDING).to_list()
        tenants = sorted({document["tenant"] for document in found})
        if not found:
            of_whom = f" of the tenant {tenant!r}" if tenant else ""
            raise NoSuchSession(f"nothing is recorded of a session {session_id!r}{of_whom}; it may be too long ago")
        if len(tenants) > 1:
            raise NoSuchSession(f"{session_id!r} is a session of each of {', '.join(tenants)}; choose with --tenant")
        steps = tuple(StepRecord.model_validate_json(any_to_json(document)) for document in found)
        return Recording(tenants[0], session_id, steps, await self._documents(tenants[0], steps))

    async def latest(self, tenant: str | None = None, limit: int = 20) -> list[RecordedSession]:
        """The sessions with the newest steps, newest first. Raises PyMongoError."""
        pipeline: list[dict[str, Any]] = [
            {"$match": {"tenant": tenant} if tenant else {}},
            {"$sort": {"expires_at": -1}},
            {"$limit": limit * 100},
            {"$unwind": "$sessions"},
            {"$group": {"_id": {"id": "$sessions", "tenant": "$tenant"}, "last": {"$max": "$at"}}},
            {"$sort": {"last": -1, "_id": 1}},
            {"$limit": limit},
        ]
        found = await (await self._steps.aggregate(pipeline)).to_list()
        return [RecordedSession(entry["_id"]["id"], entry["_id"]["tenant"], entry["last"]) for entry in found]

    async def _documents(self, tenant: str, steps: Sequence[StepRecord]) -> dict[str, str]:
        ids = {f"{tenant}:{record.tenant_digest}" for record in steps}
        found = await self._tenants.find({"_id": {"$in": list(ids)}}).to_list()
        return {entry["_id"].rpartition(":")[2]: entry["document"] for entry in found if "document" in entry}


def _document(tenant: str, profile_id: str, record: StepRecord, keep: timedelta) -> Write:
    names = {"tenant": tenant, "profile_id": profile_id}
    document = names | record.model_dump(mode="json", exclude_none=True) | {"expires_at": record.at + keep}
    return Write(f"{tenant}:{profile_id}:{record.step}", document, "replace")
