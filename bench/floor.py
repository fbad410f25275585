"""The floor: a turn's durable steps on the same servers, one after the other, with nothing of M2N in between.

What a turn needs at least with these parts: the message through SQS, the lane saved twice, two wake-ups through Redis,
the intent before the vendor's API is called and the result after it. What M2N writes beside the customer's wait
(transcript, results, step records) is written beside it here, too.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aioboto3
import aiohttp
from pymongo import AsyncMongoClient, UpdateOne
from redis.asyncio import Redis

from deploy.local.stack import Stack

LANE = "x" * 3000
"""About as long as a lane's state."""
EVENT = b"x" * 1500
HOPS = 2
"""To the engine, and to the sender."""
LINES, STEPS = 3, 3
"""Written together beside the way: two lines of the transcript and the vendor's result, and a record of each step."""


@dataclass
class Servers:
    """The stack's own servers, by their own clients."""

    sqs: Any
    queue: str
    documents: Any
    redis: Redis
    http: aiohttp.ClientSession
    vendor: str
    topics: tuple[str, ...]


@asynccontextmanager
async def servers_of(stack: Stack) -> AsyncIterator[Servers]:
    """A queue, a collection and topics of its own on the servers of a running stack."""
    name = f"floor-{secrets.token_hex(4)}"
    async with AsyncExitStack() as opened:
        session = aioboto3.Session("test", "test", region_name="eu-central-1")
        client: Any = session.client("sqs", endpoint_url=stack.sqs_endpoint)
        sqs = await opened.enter_async_context(client)
        made = await sqs.create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"})
        mongo = await opened.enter_async_context(
            AsyncMongoClient[dict[str, Any]](stack.mongo_url, w="majority", readConcernLevel="majority")
        )
        redis = await opened.enter_async_context(Redis.from_url(stack.redis_url))
        http = await opened.enter_async_context(aiohttp.ClientSession())
        topics = tuple(f"{name}-{number}" for number in range(HOPS))
        for topic in topics:
            await redis.xgroup_create(topic, "floor", id="0", mkstream=True)
        yield Servers(
            sqs, made["QueueUrl"], mongo[stack.mongo_database][name], redis, http, stack.url("simulator"), topics
        )
        await mongo[stack.mongo_database].drop_collection(name)
        await redis.delete(*topics)
        await sqs.delete_queue(QueueUrl=made["QueueUrl"])


async def turn(servers: Servers, customer: str) -> tuple[float, float]:
    """Seconds until SQS had the message, and until the vendor had the reply. The rest is done when it returns."""
    began = time.perf_counter()
    await _send(servers, customer)
    acknowledged = time.perf_counter()
    received = (await servers.sqs.receive_message(QueueUrl=servers.queue, WaitTimeSeconds=5))["Messages"][0]
    async with asyncio.TaskGroup() as beside:
        await _write(servers, customer)
        beside.create_task(servers.sqs.delete_message(QueueUrl=servers.queue, ReceiptHandle=received["ReceiptHandle"]))
        await _hop(servers, servers.topics[0])
        await _write(servers, customer)
        beside.create_task(_write_together(servers, f"{customer}-line", LINES))
        beside.create_task(_write_together(servers, f"{customer}-step", STEPS))
        await _hop(servers, servers.topics[1])
        await servers.documents.insert_one({"value": EVENT})
        async with servers.http.get(f"{servers.vendor}/health") as answer:
            await answer.read()
        replied = time.perf_counter()
        await _write(servers, f"{customer}-sent")
    return acknowledged - began, replied - began


async def _send(servers: Servers, customer: str) -> None:
    await servers.sqs.send_message(
        QueueUrl=servers.queue,
        MessageBody=EVENT.decode(),
        MessageGroupId=customer,
        MessageDeduplicationId=secrets.token_hex(16),
    )


async def _write(servers: Servers, key: str) -> None:
    await servers.documents.update_one({"_id": key}, {"$set": {"value": LANE}}, upsert=True)


async def _write_together(servers: Servers, key: str, count: int) -> None:
    writes = [UpdateOne({"_id": f"{key}-{number}"}, {"$set": {"value": EVENT}}, upsert=True) for number in range(count)]
    await servers.documents.bulk_write(writes, ordered=False)


async def _hop(servers: Servers, topic: str) -> None:
    await servers.redis.xadd(topic, {"data": EVENT})
    found: Any = await servers.redis.xreadgroup("floor", "one", {topic: ">"}, count=1, block=5000)
    await servers.redis.xack(topic, "floor", found[0][1][0][0])


async def measure(stack: Stack, rate_per_s: float, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds of acknowledgements and of replies, sorted. Turns begin at planned times and may overlap."""
    async with servers_of(stack) as servers:
        began = time.perf_counter()

        async def planned(number: int) -> tuple[float, float]:
            await asyncio.sleep(began + number / rate_per_s - time.perf_counter())
            return await turn(servers, f"c{number % 60}")

        done = await asyncio.gather(*(planned(number) for number in range(count)))
    return sorted(ack * 1000 for ack, _ in done), sorted(reply * 1000 for _, reply in done)
