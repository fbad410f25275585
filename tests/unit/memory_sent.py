"""Delivery's records in memory; a method fails at its next call when told."""

from services.delivery.sending import SentRecord, StoreUnavailable


class MemorySent:
    def __init__(self) -> None:
        self.records: dict[str, SentRecord] = {}
        self.failing: set[str] = set()

    async def create(self, key: str, record: SentRecord) -> bool:
        self._maybe_fail("create")
        return self.records.setdefault(key, record) is record

    async def get(self, key: str) -> SentRecord | None:
        self._maybe_fail("get")
        return self.records.get(key)

    async def put(self, key: str, record: SentRecord) -> None:
        self._maybe_fail("put")
        self.records[key] = record

    async def delete(self, key: str) -> None:
        self._maybe_fail("delete")
        self.records.pop(key, None)

    def _maybe_fail(self, method: str) -> None:
        if method in self.failing:
            self.failing.discard(method)
            raise StoreUnavailable(method)
