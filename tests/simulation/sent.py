"""What was sent, as one delivery process reads and writes it in MongoDB."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from services.delivery.sending import SentRecord, StoreUnavailable
from tests.simulation.processes import Process

T = TypeVar("T")


@dataclass
class SentPort:
    """``records`` outlive the process."""

    process: Process
    records: dict[str, SentRecord]

    async def create(self, key: str, record: SentRecord) -> bool:
        return await self._call("create sent", lambda: self.records.setdefault(key, record) is record, key)

    async def get(self, key: str) -> SentRecord | None:
        return await self._call("get sent", lambda: self.records.get(key), key)

    async def put(self, key: str, record: SentRecord) -> None:
        await self._call("put sent", lambda: self.records.update({key: record}), key)

    async def delete(self, key: str) -> None:
        await self._call("delete sent", lambda: self.records.pop(key, None), key)

    async def _call(self, port: str, effect: Callable[[], T], key: str) -> T:
        return await self.process.call(port, effect, key, StoreUnavailable, sidecar=False)
