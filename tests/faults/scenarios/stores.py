"""Redis, MongoDB and SQS die, stand still, come back empty, or lose answers."""

import asyncio
import secrets
import shutil
import time

from redis.asyncio import Redis

from tests.faults.posting import Vendor
from tests.faults.scenario import Run, Scenario
from tests.faults.stage import Stage

QUEUE_AWAY_S = 20.0
ANSWER_WITHIN_S = 5.0


async def redis_comes_back_empty(stage: Stage, run: Run) -> None:
    for share in (0.25, 0.65):
        await run.at(share)
        run.fault()
        await asyncio.to_thread(stage.stack.kill, "redis")
        await stage.stop("redis")
        for kept in (stage.stack.data_dir / "redis").glob("appendonly*"):
            shutil.rmtree(kept) if kept.is_dir() else kept.unlink()
        await stage.start("redis")


async def redis_is_emptied(stage: Stage, run: Run) -> None:
    async with Redis.from_url(stage.stack.redis_url) as redis:
        for share in (0.2, 0.4, 0.6, 0.8):
            await run.at(share)
            run.fault()
            await redis.flushall()


async def mongo_is_killed(stage: Stage, run: Run) -> None:
    for share in (0.25, 0.65):
        await run.at(share)
        run.fault()
        await stage.kill("mongod")


async def mongo_stands_still(stage: Stage, run: Run) -> None:
    await run.at(0.3)
    await stage.suspend("mongod", 10)
    run.fault()


async def commits_lose_their_answer(stage: Stage, run: Run) -> None:
    cuts = 0
    for share in (0.2, 0.4, 0.6, 0.8):
        await run.at(share)
        run.fault()
        stage.stored.cut_after_request(5)
        await run.until(lambda: stage.stored.cuts_done >= 5)
        cuts += stage.stored.cuts_done
    run.note(f"{cuts} answers lost")


async def queue_is_unreachable(stage: Stage, run: Run) -> None:
    """The edge says 503, soon, for as long as the queue is away."""
    await run.at(0.3)
    customer, sid, slowest = run.load.customers[0], f"SM{secrets.token_hex(16)}", 0.0
    vendor = Vendor(run.load.site)
    stage.queued.refuse(True)
    try:
        ends = time.monotonic() + QUEUE_AWAY_S
        while time.monotonic() < ends:
            began = time.monotonic()
            status = await vendor.post(customer.webhook(sid, "anybody there?"))
            run.require(status == 503, f"without the queue the edge answers 503 (it said {status})")
            slowest = max(slowest, time.monotonic() - began)
            await asyncio.sleep(0.5)
    finally:
        stage.queued.refuse(False)
        await vendor.close()
    run.fault()
    run.require(slowest <= ANSWER_WITHIN_S, f"the edge answers within {ANSWER_WITHIN_S:.0f} s (took {slowest:.1f} s)")
    run.note(f"slowest 503 {slowest:.2f} s")


async def queue_answers_are_lost(stage: Stage, run: Run) -> None:
    for share in (0.2, 0.4, 0.6, 0.8):
        await run.at(share)
        run.fault()
        stage.queued.cut_after_request(4)
        await run.until(lambda: stage.queued.cuts_done >= 4)


async def identification_stands_still(stage: Stage, run: Run) -> None:
    """Longer than the queue's visibility: its messages are given again while it still holds them."""
    await run.at(0.5)
    await stage.suspend("identification", 40)
    run.fault()


async def sessions_stand_still(stage: Stage, run: Run) -> None:
    await run.at(0.4)
    await stage.suspend("sessions", 12)
    run.fault()


SCENARIOS = (
    Scenario("redis-empty", "SIGKILL of Redis, which comes back empty, twice", redis_comes_back_empty),
    Scenario("redis-flushed", "FLUSHALL four times", redis_is_emptied),
    Scenario("mongod-killed", "SIGKILL of MongoDB, twice", mongo_is_killed),
    Scenario("mongod-suspended", "MongoDB stands still for 10 s", mongo_stands_still, kills_one=False),
    Scenario("commit-unknown", "connections to MongoDB cut between request and answer", commits_lose_their_answer),
    Scenario(
        "sqs-unreachable",
        f"the queue refuses connections for {QUEUE_AWAY_S:.0f} s",
        queue_is_unreachable,
        kills_one=False,
    ),
    Scenario("sqs-answers-lost", "connections to the queue cut between request and answer", queue_answers_are_lost),
    Scenario(
        "identification-suspended",
        "identification stands still for 40 s, longer than the visibility",
        identification_stands_still,
        kills_one=False,
    ),
    Scenario("sessions-suspended", "sessions stands still for 12 s", sessions_stand_still, kills_one=False),
)
