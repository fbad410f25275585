"""What comes in is poison, what goes out is not taken, clocks are wrong, engines slow."""

import secrets
from typing import Any
from urllib.parse import urlencode

import aioboto3

from m2n.adapters.channel import WebhookRequest
from m2n.clock import now
from m2n.keys import group_id
from m2n.tenant import Connection, ConnectionKind
from services.channels.whatsapp_twilio.adapter import channel
from tests.faults.customers import WHATSAPP, Customer
from tests.faults.scenario import Run, Scenario
from tests.faults.stage import Stage

POISONED = 5
SLOW_MS = 3000
HOURS_2 = 7200


async def poison_in_front(stage: Stage, run: Run) -> None:
    """Between good messages of a customer's lies one that nobody can read."""
    session = aioboto3.Session("test", "test", region_name="eu-central-1")
    opened: Any = session.client("sqs", endpoint_url=stage.stack.sqs_endpoint)
    async with opened as sqs:
        queue = (await sqs.get_queue_url(QueueName=stage.stack.sqs_queue))["QueueUrl"]
        for customer in run.random.sample(run.load.customers, POISONED):
            await run.at(run.random.uniform(0.1, 0.8))
            marker = f"poison-{secrets.token_hex(8)}"
            await sqs.send_message(
                QueueUrl=queue,
                MessageBody=marker,
                MessageGroupId=_group(customer),
                MessageDeduplicationId=marker,
            )
            run.marks.append(marker)
            await run.load.says(customer, "right behind the poison")


def _group(customer: Customer) -> str:
    form = customer.form(f"SM{secrets.token_hex(16)}", "x")
    request = WebhookRequest(
        "POST", "http://x/", {"content-type": "application/x-www-form-urlencoded"}, urlencode(form).encode()
    )
    line = customer.line
    settings = {"account_sid": line.account, "sender": line.sender, "base_url": "http://x"}
    connection = Connection(id=line.connection, kind=ConnectionKind.CHANNEL, adapter=WHATSAPP, settings=settings)
    return group_id(channel.parse(request, line.tenant, connection, now()).messages[0])


async def poison_is_kept(stage: Stage, run: Run) -> None:
    async def all_there() -> bool:
        bodies = [letter["body"] async for letter in run.database["dead_letters"].find({})]
        return all(any(mark.encode() in bytes(body) for body in bodies) for mark in run.marks)

    await run.until_async(all_there, 60)
    run.note(f"{len(run.marks)} set aside")


async def vendor_is_unwell(stage: Stage, run: Run) -> None:
    """Busy, failing, refusing, slow, and answers that are lost after the message was taken."""
    faults: tuple[dict[str, Any], ...] = (
        {"count": 3, "status": 500},
        {"count": 2, "status": 429, "code": 20429, "retry_after_s": 1},
        {"count": 1, "status": 400, "code": 63016},
        {"count": 3, "accepted": True, "drop": True},
        {"count": 5, "delay_s": 1.0},
    )
    for share in (0.1, 0.4, 0.7):
        await run.at(share)
        for fault in run.random.sample(faults, len(faults)):
            answer = await run.simulator.post("/control/faults", json=fault)
            run.require(answer.status_code == 204, "the stand-in takes the order for a fault")


async def receipts_are_shuffled(stage: Stage, run: Run) -> None:
    plan = {"sent_s": 0.05, "delivered_s": 0.05, "read_s": 0.05, "shuffled": True, "duplicated": True}
    answer = await run.simulator.put("/control/statuses", json=plan)
    run.require(answer.status_code == 204, "the stand-in takes the plan of statuses")


async def every_answer_is_read(stage: Stage, run: Run) -> None:
    ours = {"tenant": {"$in": [line.tenant for line in run.load.lines]}, "author": {"$ne": "customer"}}

    async def all_read() -> bool:
        return await run.database["messages"].count_documents({**ours, "status": {"$ne": "read"}}) == 0

    await run.until_async(all_read, 60)


async def engine_is_slow(stage: Stage, run: Run) -> None:
    await run.at(1)


async def clocks_jump(stage: Stage, run: Run) -> None:
    """The host of sessions is two hours ahead, then two behind, then right again."""
    for share, ahead_s in ((0.2, HOURS_2), (0.5, -HOURS_2), (0.8, 0)):
        await run.at(share)
        for service in ("sessions", "webhooks"):
            stage.stack.change_environment(service, M2N_HOST_CLOCK_AHEAD_S=str(ahead_s))
            await stage.stop(service)
            await stage.start(service)


async def no_session_ended(stage: Stage, run: Run) -> None:
    """Silence of 20 minutes ends a session; nobody was silent for so long."""
    ended = {"tenant": {"$in": [line.tenant for line in run.load.lines]}, "what": "session.expired"}
    run.require(await run.database["session_events"].count_documents(ended) == 0, "no session ends early")


async def reminders_come_late(stage: Stage, run: Run) -> None:
    """Sessions are to end while no process is there that could end them."""
    await run.all_sent()
    await run.load.drained(60)
    await stage.stop("sessions")
    await run.pause(60)
    await stage.start("sessions")


async def every_session_ended_once(stage: Stage, run: Run) -> None:
    tenants = {"tenant": {"$in": [line.tenant for line in run.load.lines]}}
    sessions = set(await run.database["messages"].distinct("session_id", tenants))

    async def all_ended() -> bool:
        ended = run.database["session_events"].find({**tenants, "what": "session.expired"})
        return sorted([event["session_id"] async for event in ended]) == sorted(sessions)

    await run.until_async(all_ended, 60)
    run.note(f"{len(sessions)} sessions ended once")


SCENARIOS = (
    Scenario("poison", "messages that nobody can read in front of good ones", poison_in_front, poison_is_kept),
    Scenario("vendor-unwell", "500, 429, 400, slow, taken with the answer lost", vendor_is_unwell, kills_one=False),
    Scenario(
        "receipts-shuffled", "receipts doubled and in the opposite order", receipts_are_shuffled, every_answer_is_read
    ),
    Scenario(
        "engine-slow",
        f"every tenth message makes the engine take {SLOW_MS / 1000:.0f} s",
        engine_is_slow,
        kills_one=False,
        changes={"slow_share": 0.1, "slow_ms": SLOW_MS},
    ),
    Scenario(
        "clock-jumps", "host clocks of sessions and webhooks 2 h ahead, then behind", clocks_jump, no_session_ended
    ),
    Scenario(
        "reminders-late",
        "sessions is away for 60 s while sessions are to end",
        reminders_come_late,
        every_session_ended_once,
        messages=100,
        kills_one=False,
        agent_share=0,
        changes={"session_timeout_s": 10},
    ),
)
