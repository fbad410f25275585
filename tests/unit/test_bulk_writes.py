"""Writes of many callers in few requests: each caller hears of its own."""

import asyncio
from typing import Any

import pytest
from pymongo import InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, OperationFailure

from m2n.bulk_writes import AT_MOST, BulkWriter, Write


class Collection:
    """Keeps what each request holds. Writes of a key in ``refused`` fail, all of a request while ``away``."""

    def __init__(self) -> None:
        self.requests: list[list[Any]] = []
        self.refused: set[str] = set()
        self.there: set[str] = set()
        self.away = False
        self.asked = asyncio.Event()
        """Set with the first request."""
        self.gate = asyncio.Event()
        self.gate.set()

    async def update_one(self, where: Any, change: Any, upsert: bool) -> None:
        assert upsert
        await self._take([UpdateOne(where, change, upsert=True)])

    async def replace_one(self, where: Any, document: Any, upsert: bool) -> None:
        assert upsert
        await self._take([ReplaceOne(where, document, upsert=True)])

    async def insert_one(self, document: Any) -> None:
        await self._take([InsertOne(document)])

    async def bulk_write(self, operations: list[Any], ordered: bool) -> None:
        assert not ordered
        await self._take(operations)

    async def _take(self, operations: list[Any]) -> None:
        self.requests.append(operations)
        self.asked.set()
        await self.gate.wait()
        if self.away:
            raise AutoReconnect("away")
        keys = [_key(each) for each in operations]
        errors = [{"index": n} for n, key in enumerate(keys) if key in self.refused]
        errors += [{"index": n, "code": 11000} for n, key in enumerate(keys) if key in self.there]
        if errors and len(operations) == 1 and errors[0].get("code"):
            raise DuplicateKeyError("E11000")
        if errors and len(operations) == 1:
            raise OperationFailure("refused")
        if errors:
            raise BulkWriteError({"writeErrors": errors, "writeConcernErrors": []})


def _key(operation: Any) -> str:
    return operation._doc["_id"] if isinstance(operation, InsertOne) else operation._filter["_id"]


def write(key: str) -> Write:
    return Write(key, {"$set": {"a": 1}})


@pytest.fixture
def collection() -> Collection:
    return Collection()


@pytest.fixture
def writer(collection: Collection) -> BulkWriter:
    return BulkWriter(collection)  # pyright: ignore[reportArgumentType]


async def test_what_comes_meanwhile_goes_together(collection: Collection, writer: BulkWriter) -> None:
    collection.gate.clear()
    first = asyncio.create_task(writer.write([write("a")]))
    await collection.asked.wait()
    others = [asyncio.create_task(writer.write([write(key), Write(f"{key}2", {}, "replace")])) for key in "bcd"]
    await asyncio.sleep(0)  # they have asked now, and wait
    collection.gate.set()
    await asyncio.gather(first, *others)
    assert [len(request) for request in collection.requests] == [1, 6]
    assert isinstance(collection.requests[1][1], ReplaceOne)


async def test_nobody_is_told_before_it_is_written(collection: Collection, writer: BulkWriter) -> None:
    collection.gate.clear()
    waiting = asyncio.create_task(writer.write([write("a")]))
    await collection.asked.wait()
    assert not waiting.done()
    collection.gate.set()
    await waiting


async def test_a_write_that_fails_is_its_callers_failure_alone(collection: Collection, writer: BulkWriter) -> None:
    collection.refused = {"b"}
    told = await asyncio.gather(
        *(writer.write([write(key), write(f"{key}2")]) for key in "abc"), return_exceptions=True
    )
    assert [type(each) for each in told] == [type(None), BulkWriteError, type(None)]
    assert len(collection.requests) == 1


@pytest.mark.parametrize("keys", ["b", "abc"])
async def test_who_inserts_what_is_there_hears_that(collection: Collection, writer: BulkWriter, keys: str) -> None:
    collection.there = {"b"}
    inserts = (writer.write([Write(key, {"a": 1}, "insert")]) for key in keys)
    told = dict(zip(keys, await asyncio.gather(*inserts, return_exceptions=True), strict=True))
    assert isinstance(told.pop("b"), DuplicateKeyError)
    assert set(told.values()) <= {None}


async def test_an_outage_is_everybodys_and_passes(collection: Collection, writer: BulkWriter) -> None:
    collection.away = True
    told = await asyncio.gather(*(writer.write([write(key)]) for key in "ab"), return_exceptions=True)
    assert [type(each) for each in told] == [AutoReconnect, AutoReconnect]
    collection.away = False
    await writer.write([write("a")])


async def test_a_caller_that_went_away_holds_no_other_up(collection: Collection, writer: BulkWriter) -> None:
    collection.gate.clear()
    gone, stays = (asyncio.create_task(writer.write([write(key)])) for key in "ab")
    await collection.asked.wait()
    gone.cancel()
    collection.gate.set()
    await stays
    assert sum(len(request) for request in collection.requests) == 2


async def test_a_request_is_bounded(collection: Collection, writer: BulkWriter) -> None:
    await asyncio.gather(*(writer.write([write(f"{number}")]) for number in range(AT_MOST + 10)))
    assert [len(request) for request in collection.requests] == [AT_MOST, 10]


async def test_nothing_is_no_request(collection: Collection, writer: BulkWriter) -> None:
    await writer.write([])
    assert collection.requests == []
