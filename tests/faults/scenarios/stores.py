"""Redis, MongoDB and SQS die, stand still, come back empty, or lose answers."""

import asyncio
import secrets
import shutil
import time

from redis.asyncio import Redis

from tests.faults.customers import Customer
from tests.faults.left_open import lane_key, leave_open
from tests.faults.posting import Vendor
from tests.faults.scenario import Run, Scenario
from tests.faults.stage import Stage

QUEUE_AWAY_S = 20.0
ANSWER_WITHIN_S = 5.0
HELD = 5
HELD_MOST_S = 20.0
"""Customers whose lane was held wait no longer."""


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


async def transactions_are_left_open(stage: Stage, run: Run) -> None:
    """As by a sidecar that dies in the middle of a save; until MongoDB ends them, the lanes cannot be saved."""
    for share in (0.3, 0.6):
        await run.at(share)
        held = [customer for customer in run.random.sample(run.load.customers, HELD) if await _lane(run, customer)]
        keys = [await _lane(run, customer) for customer in held]
        await leave_open(stage.stack.mongo_url, stage.stack.mongo_database, keys)
        run.fault()
        records = await asyncio.gather(*(run.load.says(customer, "is it stuck?") for customer in held))
        await run.until(lambda records=records: not any(map(run.load.waits, records)), HELD_MOST_S)


async def _lane(run: Run, customer: Customer) -> str:
    """Key of the customer's lane; empty before the first message was taken there."""
    words = {"$regex": f"^{customer.line.tenant} {customer.label} "}
    line = await run.database["messages"].find_one({"tenant": customer.line.tenant, "content.text": words})
    return lane_key(customer.line.tenant, line["profile_id"]) if line else ""


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
        "transactions-left-open",
        f"{HELD} lanes are held by a transaction that nobody ends, twice",
        transactions_are_left_open,
    ),
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
