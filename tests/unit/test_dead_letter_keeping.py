"""Dead letters: named by what they hold, remembered with their reason, kept on disk when the database is away."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from pymongo.errors import ServerSelectionTimeoutError

from m2n import dead_letter_keeping
from m2n.dead_letter_keeping import LetterKeeper, NotKept
from m2n.dead_letter_spool import Spool, SpoolFull, UnreadableFile
from m2n.deadletters import REASON_LENGTH, Failure, Source, failed_event, failed_message
from m2n.failed_tries import UNFINISHED, FailedTries, FailureMemory
from tests.unit.builders import NOON
from tests.waiting import until


def event(data: Any, event_id: str = "e1", topic: str = "turns") -> bytes:
    return orjson.dumps({"id": event_id, "topic": topic, "data": data, "specversion": "1.0"})


def dead(body: bytes, reason: str = "Broken: it", tries: int = 8) -> Failure:
    return failed_event("router", body, tries, reason, NOON)


# -- what a failure is -----------------------------------------------------------------------------------------------


def test_the_same_event_published_again_is_the_same_letter_and_another_failure() -> None:
    first, again = dead(event({"tenant": "acme", "n": 1})), dead(event({"n": 1, "tenant": "acme"}, "e2"))
    assert (first.tenant, first.topic, first.source) == ("acme", "turns", Source.TOPIC)
    assert first.letter_id == again.letter_id
    assert first.failure_id != again.failure_id


@pytest.mark.parametrize(
    "other", [event({"tenant": "acme", "n": 2}), event({"tenant": "acme", "n": 1}, topic="replies"), b"no JSON"]
)
def test_another_event_is_another_letter(other: bytes) -> None:
    assert dead(other).letter_id != dead(event({"tenant": "acme", "n": 1})).letter_id


@pytest.mark.parametrize(
    ("data", "tenant"),
    [
        ({"tenant": "acme"}, "acme"),
        ({"session": {"tenant": "acme"}}, "acme"),
        ({"tenant": ["acme"]}, ""),
        ({"tenant": "$where"}, ""),
        ({"tenant": "a\n"}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_the_tenant_is_what_the_event_names_if_it_can_be_one(data: Any, tenant: str) -> None:
    assert dead(event(data)).tenant == tenant


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"null", b'{"topic": "turns"}'])
def test_what_is_no_event_has_no_place_to_go_back_to(body: bytes) -> None:
    failure = dead(body)
    assert (failure.topic, failure.tenant, failure.body) == ("", "", body)


def test_a_message_is_named_by_its_group_and_body() -> None:
    def of(group: str, body: str, failure_id: str) -> Failure:
        return failed_message("q.fifo", group, body, failure_id=failure_id, tries=3, reason="r" * 300, at=NOON)

    one, again = of("g", '{"tenant": "acme"}', "m1"), of("g", '{"tenant": "acme"}', "m2")
    assert (one.tenant, one.group, one.topic, len(one.reason)) == ("acme", "g", "q.fifo", REASON_LENGTH)
    assert one.letter_id == again.letter_id
    assert len({one.letter_id, of("h", '{"tenant": "acme"}', "m1").letter_id, of("g", "{}", "m1").letter_id}) == 3


# -- what is remembered of failed tries ------------------------------------------------------------------------------


def test_tries_are_counted_and_the_last_reason_stays() -> None:
    memory = FailureMemory()
    for number in range(3):
        memory.begin("e1")
        memory.failed("e1", f"reason {number}")
    assert memory.of("e1") == FailedTries(3, "reason 2")
    memory.begin("e1")
    assert memory.of("e1") == FailedTries(4, UNFINISHED)
    memory.done("e1")
    assert memory.of("e1") is None


def test_the_oldest_are_forgotten_first() -> None:
    memory = FailureMemory(remembered=3)
    for name in ("a", "b", "c", "a", "d", "e"):
        memory.begin(name)
    assert [name for name in "abcde" if memory.of(name)] == ["a", "d", "e"]


# -- the spool -------------------------------------------------------------------------------------------------------


def test_a_spooled_letter_is_private_and_comes_back_whole(tmp_path: Path) -> None:
    spool, failure = Spool(tmp_path / "letters"), dead(b"\xff\x00 bytes")
    old = os.umask(0)
    try:
        spool.put(failure)
        spool.put(failure)
    finally:
        os.umask(old)
    (name,) = spool.names()
    assert spool.read(name) == failure
    assert stat.S_IMODE((tmp_path / "letters" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "letters").stat().st_mode) == 0o700
    spool.remove(name)
    spool.remove(name)
    assert spool.names() == []


def test_the_spool_has_a_bound(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=1000)
    spool.put(dead(b"x" * 100))
    with pytest.raises(SpoolFull):
        spool.put(dead(b"y" * 600))
    assert len(spool.names()) == 1


def test_a_letter_cut_off_in_the_middle_is_none_and_stays_on_disk(tmp_path: Path) -> None:
    (tmp_path / "half.unfinished").write_bytes(b'{"letter_id"')
    (tmp_path / "bad.letter").write_bytes(b'{"letter_id"')
    spool = Spool(tmp_path)
    assert spool.names() == ["bad.letter"]
    with pytest.raises(UnreadableFile):
        spool.read("bad.letter")
    assert spool.names() == []
    assert (tmp_path / "bad.unreadable").exists()


# -- keeping ---------------------------------------------------------------------------------------------------------


class Store:
    """Takes letters unless it is away; knows failures that it has."""

    def __init__(self) -> None:
        self.away = False
        self.asked = 0
        self.failures: list[str] = []

    async def keep(self, failure: Failure) -> bool:
        self.asked += 1
        if self.away:
            raise ServerSelectionTimeoutError("no primary")
        if failure.failure_id in self.failures:
            return False
        self.failures.append(failure.failure_id)
        return True


@asynccontextmanager
async def bringing_back(keeper: LetterKeeper) -> AsyncIterator[None]:
    task = asyncio.create_task(keeper.bring_back())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letter_keeping, "RETRY_S", 0.01)


async def test_while_the_database_is_away_letters_go_to_disk_and_come_back_by_themselves(tmp_path: Path) -> None:
    store, spool = Store(), Spool(tmp_path)
    keeper = LetterKeeper(store, spool)
    async with bringing_back(keeper):
        store.away = True
        await keeper.keep(dead(event(1, "e1")))
        await keeper.keep(dead(event(2, "e2")))
        await until(lambda: store.asked > 4, 5)
        assert len(spool.names()) == 2
        store.away = False
        await until(lambda: spool.names() == [], 5)
    assert store.failures == ["e1", "e2"]


async def test_letters_of_an_earlier_process_are_brought_back_also_those_that_are_there_already(tmp_path: Path) -> None:
    store, spool = Store(), Spool(tmp_path)
    spool.put(dead(event(1, "e1")))
    spool.put(dead(event(2, "e2")))
    store.failures = ["e1"]
    async with bringing_back(LetterKeeper(store, spool)):
        await until(lambda: spool.names() == [], 5)
    assert store.failures == ["e1", "e2"]


async def test_an_unreadable_file_does_not_hold_up_the_others(tmp_path: Path) -> None:
    store, spool = Store(), Spool(tmp_path)
    (tmp_path / "bad.letter").write_bytes(b"{")
    spool.put(dead(event(1, "e1")))
    async with bringing_back(LetterKeeper(store, spool)):
        await until(lambda: store.failures == ["e1"], 5)


async def test_when_neither_takes_it_the_caller_hears_of_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = Store()
    store.away = True
    with pytest.raises(NotKept):
        await LetterKeeper(store, Spool(tmp_path / "file" / "letters")).keep(dead(event(1)))
    with pytest.raises(NotKept):
        await LetterKeeper(store, Spool(tmp_path, max_bytes=10)).keep(dead(event(1)))
