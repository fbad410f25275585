"""Time comes from the database and goes on by the monotonic clock; the host's wall clock moves nothing."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson.codec_options import CodecOptions
from pymongo.errors import ServerSelectionTimeoutError

from m2n import clock
from m2n.store_clock import ask


class Database:
    """Answers ``hello`` with a time; fails when it has none."""

    def __init__(self, local_time: datetime | None, takes_s: float = 0) -> None:
        self.local_time, self.takes_s = local_time, takes_s
        self.codec_options = CodecOptions[dict[str, Any]](tz_aware=True)

    async def command(self, name: str, codec_options: CodecOptions[dict[str, Any]]) -> dict[str, Any]:
        assert (name, codec_options.tz_aware) == ("hello", True)
        await asyncio.sleep(self.takes_s)
        if self.local_time is None:
            raise ServerSelectionTimeoutError("away")
        return {"localTime": self.local_time}


@pytest.fixture(autouse=True)
def clock_as_it_was() -> Iterator[None]:
    yield
    clock.set_to(datetime.now(UTC), time.monotonic())


async def test_the_databases_time_counts() -> None:
    ahead = datetime.now(UTC) + timedelta(hours=2)
    moved = await ask(Database(ahead))  # pyright: ignore[reportArgumentType]
    assert timedelta(hours=2) - moved < timedelta(seconds=1)
    assert abs(clock.now() - ahead) < timedelta(seconds=1)


async def test_a_small_difference_is_left_alone() -> None:
    near = datetime.now(UTC) + timedelta(milliseconds=100)
    assert await ask(Database(near)) == timedelta(0)  # pyright: ignore[reportArgumentType]


async def test_an_answer_that_took_long_is_not_believed() -> None:
    database = Database(datetime.now(UTC) + timedelta(hours=2), takes_s=0.5)
    before = clock.now()
    assert await ask(database) == timedelta(0)  # pyright: ignore[reportArgumentType]
    assert clock.now() - before < timedelta(minutes=1)


async def test_without_the_database_time_goes_on() -> None:
    before = clock.now()
    with pytest.raises(ServerSelectionTimeoutError):
        await ask(Database(None))  # pyright: ignore[reportArgumentType]
    assert timedelta(0) <= clock.now() - before < timedelta(seconds=5)


def test_a_wrong_host_clock_is_what_counts_before_the_database_was_asked() -> None:
    program = "from m2n import clock; print(clock.now().timestamp())"
    environment = {"M2N_HOST_CLOCK_AHEAD_S": "7200", "PYTHONPATH": ":".join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=True, text=True
    )
    assert abs(float(answer.stdout) - time.time() - 7200) < 60
