"""Recorded steps in memory; like the collection, a step takes the place of one of the same number."""

from collections.abc import Sequence

from m2n.dapr import DaprUnavailable
from m2n.tenant import TenantSnapshot
from services.sessions.recording import TenantUsed, tenant_used
from services.sessions.replay import Recording
from services.sessions.step_record import StepRecord


class MemoryRecordings:
    def __init__(self) -> None:
        self.steps: dict[int, StepRecord] = {}
        self.tenants: dict[str, str] = {}
        self.failing_writes = 0

    def tenant(self, snapshot: TenantSnapshot) -> TenantUsed:
        used = tenant_used(snapshot)
        self.tenants[used.digest] = used.document
        return used

    async def write(self, tenant: str, profile_id: str, records: Sequence[StepRecord]) -> None:
        if self.failing_writes:
            self.failing_writes -= 1
            raise DaprUnavailable("recordings")
        self.steps |= {record.step: record for record in records}

    def of_session(self, session_id: str) -> Recording:
        steps = tuple(self.steps[number] for number in sorted(self.steps) if session_id in self.steps[number].sessions)
        used = {record.tenant_digest for record in steps}
        return Recording("acme", session_id, steps, {digest: self.tenants[digest] for digest in sorted(used)})
