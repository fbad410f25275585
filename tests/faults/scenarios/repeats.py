"""The vendor sends a message again: at once, minutes later, a day later."""

import asyncio
import time

from tests.faults.scenario import Run, Scenario
from tests.faults.stage import Stage

COPIES = 50
FORGOTTEN_BY_SQS_S = 301.0
"""SQS knows a deduplication id for 5 minutes; after that only the lane knows the message."""
DAY_S = "90000"
CLOCKS = ("webhooks", "sessions", "delivery")
"""The services whose clocks decide."""


async def fifty_at_once(stage: Stage, run: Run) -> None:
    for customer in run.random.sample(run.load.customers, 6):
        record = await run.load.says(customer, "the same, fifty times", copies=COPIES)
        run.require(record["statuses"].count(200) == COPIES, f"every one of {COPIES} copies gets its 200")


async def again_after_minutes(stage: Stage, run: Run) -> None:
    """Every customer's last message comes again when the queue has forgotten it, then a new one."""
    await run.all_sent()
    await asyncio.sleep(FORGOTTEN_BY_SQS_S)
    await _repeat_all(run)


async def again_after_a_day(stage: Stage, run: Run) -> None:
    """As after minutes, but the installation's time is 25 hours ahead meanwhile."""
    await run.all_sent()
    sent_s = time.monotonic()
    await run.alone.wait()
    for service in CLOCKS:
        stage.stack.change_environment(service, M2N_CLOCK_AHEAD_S=DAY_S)
        await stage.stop(service)
        await stage.start(service)
    await asyncio.sleep(max(0.0, FORGOTTEN_BY_SQS_S - (time.monotonic() - sent_s)))
    await _repeat_all(run)


async def back_to_today(stage: Stage, run: Run) -> None:
    for service in CLOCKS:
        stage.stack.change_environment(service, M2N_CLOCK_AHEAD_S="0")
        await stage.stop(service)
        await stage.start(service)


async def _repeat_all(run: Run) -> None:
    """The new message is behind the repeated one in its queue group: once it is answered, the other was handled."""
    records = {record["label"]: record for record in run.accepted_records()}
    for customer in run.load.customers:
        await run.load.repeats(customer, records[customer.label])
        await run.load.says(customer, "and now something new")
    run.note(f"{len(records)} repeated")


SCENARIOS = (
    Scenario("same-webhook-50-times", f"one webhook {COPIES} times at once, six times", fifty_at_once, kills_one=False),
    Scenario(
        "again-after-5-minutes",
        "every customer's last message again after more than 5 minutes",
        again_after_minutes,
        messages=200,
        customers=60,
        kills_one=False,
        rate_per_s=4,
        place="beside",
    ),
    Scenario(
        "again-after-a-day",
        "every customer's last message again after more than a day",
        again_after_a_day,
        back_to_today,
        messages=200,
        customers=60,
        kills_one=False,
        rate_per_s=4,
        place="last",
    ),
)
