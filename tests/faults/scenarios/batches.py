"""Webhooks of many messages, and signatures that hold the time."""

import secrets
from collections import Counter

from tests.faults.batches import CHANNEL
from tests.faults.scenario import Run, Scenario
from tests.faults.stage import Stage
from tests.faults.webhooks import batch

TOGETHER = 99
WRITERS = 30
OUTSIDE_S = 600
PLAN = {"channel": CHANNEL, "tenants": 1}
"""One tenant, so that all customers can be in one webhook."""


async def one_of_a_hundred_is_spoiled(stage: Stage, run: Run) -> None:
    """One webhook with messages of many customers and one that nobody can read, three times, behind the others."""
    await run.all_sent()
    for number in range(3):
        writers = run.random.sample(run.load.customers, WRITERS)
        customers = [*writers, *run.random.choices(writers, k=TOGETHER - WRITERS)]
        run.random.shuffle(customers)
        marker = f"spoiled-{number}-{secrets.token_hex(6)}"
        posted = await run.load.say_together(customers, {"id": marker, "from": "nobody", "text": marker})
        run.require(posted.statuses[-1] == 200, "the vendor gets its 2xx for a webhook with one spoiled message")
        run.marks.append(marker)


async def spoiled_ones_are_kept(stage: Stage, run: Run) -> None:
    kept = run.database["dead_letters"].find({"tenant": run.load.lines[0].tenant})
    bodies = [str(letter["body"]) async for letter in kept]
    held = Counter(mark for body in bodies for mark in run.marks if mark in body)
    run.require(held == Counter(run.marks), f"each spoiled message is kept once ({len(held)} of {len(run.marks)})")
    run.note(f"{len(run.marks)} set aside")


async def signatures_are_old_or_early(stage: Stage, run: Run) -> None:
    """The same messages again with a signature of ten minutes ago, of ten minutes ahead, and of now."""
    await run.all_sent()
    records = {record["label"]: record for record in run.accepted_records()}
    for customer in run.load.customers:
        record, line = records[customer.label], customer.line
        entries = [customer.entry(record["sid"], record["text"])]
        for ahead_s, expected in ((-OUTSIDE_S, 403), (OUTSIDE_S, 403), (0, 200)):
            status = await run.load.posts(batch(line.path, entries, line.token, ahead_s))
            run.require(status == expected, f"signed {ahead_s} s from now: {expected} (it said {status})")
        await run.load.says(customer, "and now something new")
    run.note(f"{len(records)} repeated")


SCENARIOS = (
    Scenario(
        "one-of-100-spoiled",
        f"{TOGETHER} messages of {WRITERS} customers and an unreadable one in one webhook",
        one_of_a_hundred_is_spoiled,
        spoiled_ones_are_kept,
        messages=200,
        agent_share=0,
        kills_one=False,
        changes=PLAN,
    ),
    Scenario(
        "signature-too-old",
        f"webhooks again with a signature {OUTSIDE_S} s old, or ahead, and with a good one",
        signatures_are_old_or_early,
        messages=200,
        kills_one=False,
        changes=PLAN,
    ),
)
