"""The lanes' collections in memory, under the real LaneStore: so much of MongoDB as it uses, with its conditions."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pymongo.errors import DuplicateKeyError
from pymongo.results import UpdateResult

from services.sessions.lane_store import LaneStore

T = TypeVar("T")
Documents = dict[str, dict[str, Any]]
Through = Callable[[str, Callable[[], Any], str], Awaitable[Any]]
"""How each request goes: its name (``load`` or ``save``), its effect, its document. It may fail or take its time."""


class MemoryCollection:
    def __init__(self, documents: Documents, through: Through) -> None:
        self._documents, self._through = documents, through

    async def find_one(self, where: Mapping[str, Any], projection: Any = None) -> dict[str, Any] | None:
        return await self._through("load", lambda: self._documents.get(where["_id"]), where["_id"])

    def find(self, where: Mapping[str, Any], projection: Any = None) -> "Found":
        return Found(self._documents, self._through, where)

    async def update_one(
        self, where: Mapping[str, Any], change: Mapping[str, Any], upsert: bool = False
    ) -> UpdateResult:
        return await self._through("save", lambda: self._update(where, change, upsert), where["_id"])

    def _update(self, where: Mapping[str, Any], change: Mapping[str, Any], upsert: bool) -> UpdateResult:
        key = where["_id"]
        document = self._documents.get(key)
        if document is not None and where.items() <= document.items():
            self._documents[key] = _changed(document, change)
            return UpdateResult({"n": 1}, True)
        if not upsert:
            return UpdateResult({"n": 0}, True)
        if document is not None:
            raise DuplicateKeyError("E11000")
        self._documents[key] = _changed(dict(where), change)
        return UpdateResult({"n": 1, "upserted": key}, True)

    async def replace_one(self, where: Mapping[str, Any], document: dict[str, Any], upsert: bool = False) -> None:
        assert upsert
        await self._through("save", lambda: self._documents.update({where["_id"]: document}), where["_id"])


def _changed(document: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in document.items() if name not in change.get("$unset", ())}
    return kept | change.get("$set", {})


@dataclass
class Found:
    """A query by ids, or by what is due."""

    documents: Documents
    through: Through
    where: Mapping[str, Any]

    def sort(self, key: str, direction: int) -> "Found":
        return self

    def limit(self, at_most: int) -> "Found":
        return self

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        for document in await self.through("load", self._matching, str(self.where)):
            yield document

    def _matching(self) -> list[dict[str, Any]]:
        if "due" not in self.where:
            return [self.documents[key] for key in self.where["_id"]["$in"] if key in self.documents]
        but = self.where.get("_id", {"$nin": ()})["$nin"]
        due = [each for each in self.documents.values() if "due" in each and each["due"] <= self.where["due"]["$lte"]]
        return sorted((each for each in due if each["_id"] not in but), key=lambda each: each["due"])


def lane_store(lanes: Documents, applied: Documents, through: Through) -> LaneStore:
    collections = {"lanes": MemoryCollection(lanes, through), "lane_applied": MemoryCollection(applied, through)}
    return LaneStore(collections)  # pyright: ignore[reportArgumentType]
