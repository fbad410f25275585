"""A state store in memory with the semantics of the sidecar's: atomic create, last write wins."""

from typing import TypeVar

from pydantic import BaseModel

from m2n.dapr import DaprUnavailable
from m2n.serialization import from_state, to_state

M = TypeVar("M", bound=BaseModel)


class MemoryState:
    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.failing: set[str] = set()
        """Names of methods that fail at their next call."""

    def _maybe_fail(self, method: str) -> None:
        if method in self.failing:
            self.failing.discard(method)
            raise DaprUnavailable(method)

    async def create_state(self, key: str, value: BaseModel, ttl_s: int | None = None) -> bool:
        self._maybe_fail("create_state")
        return self.values.setdefault(key, text := to_state(value)) is text

    async def get_state(self, key: str, kind: type[M]) -> M | None:
        self._maybe_fail("get_state")
        return from_state(kind, self.values[key]) if key in self.values else None
