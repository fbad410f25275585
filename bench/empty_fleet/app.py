"""All the apps of the empty fleet; APP_ID says which one this process is.

The edge posts to SQS, the intake takes from there to the lane, the lane saves and publishes to the engine, which calls
the lane, which saves and publishes to the sender, which writes an intent, calls the vendor, writes a result and calls
the lane.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import aioboto3
import aiohttp
import orjson
from dapr.actor import Actor, ActorInterface, ActorRuntime, actormethod
from dapr.actor.runtime.config import ActorRuntimeConfig
from dapr.ext.fastapi import DaprActor
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from m2n.bulk_writes import BulkWriter, Write
from m2n.dapr import PUBSUB, DaprClient, PooledActorClient
from m2n.database import open_database
from m2n.gathering import Gathered
from m2n.queue import BATCH, DELETES_WAIT_S
from m2n.serialization import JsonSerializer, to_json
from m2n.settings import Settings
from services.identification.intake import RECEIVERS
from services.sessions.lane_store import LaneStore

STATE = "x" * 3000
"""About as long as a lane's state."""
DUE = timedelta(minutes=20)
LANE = "EmptyLane"
TURNS, OUTBOUND = "empty.turns", "empty.outbound"


class Message(BaseModel):
    """``vendor`` is the address to call with the message's id; ``filling`` makes it as long as a real one."""

    id: str
    customer: str
    vendor: str
    filling: str = ""


Take = Callable[[Message], Awaitable[None]]
settings = Settings()  # pyright: ignore[reportCallIssue]
dapr = DaprClient(settings)
routes: dict[str, Take] = {}


async def tell_lane(message: Message, method: str) -> None:
    await dapr.invoke_actor(LANE, message.customer, method, message)


class EmptyLaneInterface(ActorInterface):
    @actormethod(name="accept")
    async def accept(self, body: bytes) -> bytes: ...

    @actormethod(name="reply")
    async def reply(self, body: bytes) -> bytes: ...

    @actormethod(name="delivered")
    async def delivered(self, body: bytes) -> bytes: ...


class EmptyLane(Actor, EmptyLaneInterface):
    """Stays in memory for the whole run, so it knows its version without reading it."""

    store: ClassVar[LaneStore]

    def __init__(self, ctx: Any, actor_id: Any) -> None:
        super().__init__(ctx, actor_id)
        self._version = 0

    async def accept(self, body: bytes) -> bytes:
        return await self._save_and_publish(body, TURNS)

    async def reply(self, body: bytes) -> bytes:
        return await self._save_and_publish(body, OUTBOUND)

    async def delivered(self, body: bytes) -> bytes:
        return b"{}"

    async def _save_and_publish(self, body: bytes, topic: str) -> bytes:
        message = Message.model_validate_json(body)
        await self.store.save(self.id.id, self._version, secrets.token_hex(8) + STATE, datetime.now(UTC) + DUE)
        self._version += 1
        await dapr.publish(topic, message)
        return b"{}"


# -- what each app does --------------------------------------------------------------------------------------------


@asynccontextmanager
async def queue() -> AsyncIterator[tuple[Any, str]]:
    session = aioboto3.Session("test", "test", region_name=settings.aws_region)
    opened: Any = session.client("sqs", endpoint_url=settings.sqs_endpoint)
    async with opened as sqs:
        made = await sqs.create_queue(QueueName="empty.fifo", Attributes={"FifoQueue": "true"})
        yield sqs, made["QueueUrl"]


@asynccontextmanager
async def edge(app: FastAPI) -> AsyncIterator[None]:
    async with queue() as (sqs, url):

        @app.post("/webhook")
        async def webhook(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
            message = Message.model_validate_json(await request.body())
            await sqs.send_message(
                QueueUrl=url,
                MessageBody=message.model_dump_json(),
                MessageGroupId=message.customer,
                MessageDeduplicationId=message.id,
            )
            return Response()

        yield


@asynccontextmanager
async def intake(_: FastAPI) -> AsyncIterator[None]:
    async with queue() as (sqs, url):

        async def delete_all(receipts: Sequence[str]) -> Mapping[int, Exception]:
            entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts)]
            await sqs.delete_message_batch(QueueUrl=url, Entries=entries)
            return {}

        deletes = Gathered(delete_all, BATCH, DELETES_WAIT_S)

        async def receive() -> None:
            while True:
                answer = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
                for each in answer.get("Messages", []):
                    bringing.add(task := asyncio.create_task(bring(each)))
                    task.add_done_callback(bringing.discard)

        async def bring(received: dict[str, Any]) -> None:
            await tell_lane(Message.model_validate_json(received["Body"]), "accept")
            await deletes.send([received["ReceiptHandle"]])

        bringing: set[asyncio.Task[None]] = set()
        receivers = [asyncio.create_task(receive()) for _ in range(RECEIVERS)]
        yield
        for task in (*receivers, *bringing):
            task.cancel()
        await asyncio.gather(*receivers, *bringing, return_exceptions=True)


@asynccontextmanager
async def lanes(_: FastAPI) -> AsyncIterator[None]:
    client, database = open_database(settings)
    EmptyLane.store = LaneStore(database)
    await EmptyLane.store.prepare()
    serializer = JsonSerializer()
    ActorRuntime.set_actor_config(
        ActorRuntimeConfig(drain_ongoing_call_timeout=timedelta(milliseconds=500), actor_type_configs=[])
    )
    await ActorRuntime.register_actor(
        EmptyLane,
        message_serializer=serializer,
        state_serializer=serializer,
        actor_client=PooledActorClient(dapr),
    )
    async with client:
        yield


@asynccontextmanager
async def engine(_: FastAPI) -> AsyncIterator[None]:
    async def answer(message: Message) -> None:
        await tell_lane(message, "reply")

    routes[TURNS] = answer
    yield


@asynccontextmanager
async def sender(_: FastAPI) -> AsyncIterator[None]:
    client, database = open_database(settings)
    async with client, aiohttp.ClientSession() as http:
        sent = BulkWriter(database["sent"])

        async def send(message: Message) -> None:
            await sent.write([Write(message.id, {"record": "intent"}, "insert")])
            async with http.post(message.vendor, data=to_json(message)) as answer:
                await answer.read()
            await sent.write([Write(message.id, {"record": "result"}, "replace")])
            await tell_lane(message, "delivered")

        routes[OUTBOUND] = send
        yield


JOBS = {
    "empty-edge": edge,
    "empty-intake": intake,
    "empty-lanes": lanes,
    "empty-engine": engine,
    "empty-sender": sender,
}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with JOBS[settings.app_id](app):
        for topic in routes:
            app.add_api_route(f"/events/{topic}", _event, methods=["POST"])
        yield
    await dapr.close()


app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None)
if settings.app_id == "empty-lanes":
    DaprActor(app)


async def _event(request: Request) -> Response:
    envelope = orjson.loads(await request.body())
    await routes[envelope["topic"]](Message.model_validate(envelope["data"]))
    return Response(b'{"status":"SUCCESS"}', media_type="application/json")


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/dapr/subscribe")
async def subscribe() -> list[dict[str, str]]:
    return [{"pubsubname": PUBSUB, "topic": topic, "route": f"/events/{topic}"} for topic in routes]
