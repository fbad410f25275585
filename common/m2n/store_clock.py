"""All hosts take their time from the database, so that no host's wrong clock ends a session early or late."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from pymongo.errors import PyMongoError

from m2n import clock
from m2n.database import Database
from m2n.service import background
from m2n.settings import Settings
from m2n.telemetry import log

ASK_EVERY_S = 10.0
SLOWEST_S = 0.4
"""An answer that takes longer says too little: the time in it is right to half of that."""
TOLERATED = timedelta(milliseconds=250)
"""Smaller differences are left alone, so that time never runs backwards for the jitter of an answer."""


async def ask(database: Database, ahead: timedelta = timedelta(0)) -> timedelta:
    """Set the clock by the database's; returns by how much it was moved. Raises PyMongoError."""
    began = time.monotonic()
    answer = await database.command("hello", codec_options=database.codec_options)
    took_s = time.monotonic() - began
    if took_s > SLOWEST_S:
        return timedelta(0)
    middle = began + took_s / 2
    theirs = answer["localTime"] + ahead
    difference = theirs - clock.now() + timedelta(seconds=time.monotonic() - middle)
    if abs(difference) < TOLERATED:
        return timedelta(0)
    clock.set_to(theirs, middle)
    return difference


@asynccontextmanager
async def database_time(database: Database, settings: Settings) -> AsyncIterator[None]:
    """Follow the database's clock, from before the first message on. A resource of a service."""
    ahead = timedelta(seconds=settings.clock_ahead_s)
    await _ask_or_say(database, ahead)
    async with background("database time", partial(_follow, database, ahead))():
        yield


async def _follow(database: Database, ahead: timedelta) -> None:
    while True:
        await asyncio.sleep(ASK_EVERY_S)
        await _ask_or_say(database, ahead)


async def _ask_or_say(database: Database, ahead: timedelta) -> None:
    try:
        moved = await ask(database, ahead)
    except PyMongoError as failed:
        log().warning("time not asked from the database", error=type(failed).__name__)
        return
    if moved:
        log().warning("clock set by the database's", moved_s=round(moved.total_seconds(), 3))
