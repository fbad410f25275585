"""All the apps of the empty fleet; APP_ID says which one this process is.

The edge posts to SQS, the intake takes from there to the lane, the lane saves and tells the router, which tells the
engine, which tells the lane, which saves and tells the sender, which writes an intent, calls the vendor, writes a
result and tells the lane.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aioboto3
import aiohttp
import orjson
from dapr.actor import Actor, ActorInterface, ActorRuntime, actormethod
from dapr.actor.runtime.config import ActorRuntimeConfig
from dapr.ext.fastapi import DaprActor
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from m2n.dapr import PUBSUB, DaprClient, PooledActorClient
from m2n.serialization import JsonSerializer, to_json
from m2n.settings import Settings
from services.sessions.lane_store import LaneStore

STATE = "x" * 3000
"""About as long as a lane's state."""
LANE = "EmptyLane"


class Message(BaseModel):
    """``vendor`` is the address to call with the message's id; ``filling`` makes it as long as a real one."""

    id: str
    customer: str
    vendor: str
    filling: str = ""


class Record(BaseModel):
    by: str = ""


Take = Callable[[Message], Awaitable[None]]
settings = Settings()  # pyright: ignore[reportCallIssue]
dapr = DaprClient(settings)
routes: dict[str, Take] = {}


def passes(taken: str, told: str) -> None:
    async def take(message: Message) -> None:
        await dapr.publish(told, message)

    routes[taken] = take


class EmptyLaneInterface(ActorInterface):
    @actormethod(name="accept")
    async def accept(self, body: bytes) -> bytes: ...

    @actormethod(name="reply")
    async def reply(self, body: bytes) -> bytes: ...

    @actormethod(name="delivered")
    async def delivered(self, body: bytes) -> bytes: ...


class EmptyLane(Actor, EmptyLaneInterface):
    def __init__(self, ctx: Any, actor_id: Any) -> None:
        super().__init__(ctx, actor_id)
        self._store = LaneStore(ctx, actor_id.id)

    async def accept(self, body: bytes) -> bytes:
        return await self._save_and_tell(body, "empty.turns")

    async def reply(self, body: bytes) -> bytes:
        return await self._save_and_tell(body, "empty.outbound")

    async def delivered(self, body: bytes) -> bytes:
        return b"{}"

    async def _save_and_tell(self, body: bytes, topic: str) -> bytes:
        await self._store.save("lane", secrets.token_hex(8) + STATE, {}, ())
        await dapr.publish(topic, Message.model_validate_json(body))
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

        async def receive() -> None:
            while True:
                answer = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
                await asyncio.gather(*(bring(each) for each in answer.get("Messages", [])))

        async def bring(received: dict[str, Any]) -> None:
            message = Message.model_validate_json(received["Body"])
            await dapr.get_state(f"who:{message.customer}", Record)
            await dapr.invoke_actor(LANE, message.customer, "accept", message)
            await sqs.delete_message(QueueUrl=url, ReceiptHandle=received["ReceiptHandle"])

        receivers = [asyncio.create_task(receive()) for _ in range(4)]
        yield
        for receiver in receivers:
            receiver.cancel()
        await asyncio.gather(*receivers, return_exceptions=True)


@asynccontextmanager
async def lanes(app: FastAPI) -> AsyncIterator[None]:
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

    def told(method: str) -> Take:
        async def take(message: Message) -> None:
            await dapr.invoke_actor(LANE, message.customer, method, message)

        return take

    routes["empty.replies"], routes["empty.receipts"] = told("reply"), told("delivered")
    yield


@asynccontextmanager
async def router(_: FastAPI) -> AsyncIterator[None]:
    passes("empty.turns", "empty.engine")
    yield


@asynccontextmanager
async def engine(_: FastAPI) -> AsyncIterator[None]:
    passes("empty.engine", "empty.replies")
    yield


@asynccontextmanager
async def sender(_: FastAPI) -> AsyncIterator[None]:
    async with aiohttp.ClientSession() as http:

        async def send(message: Message) -> None:
            key = f"sent:{message.id}"
            await dapr.create_state(key, Record(by="intent"), 9 * 86_400)
            async with http.post(message.vendor, data=to_json(message)) as answer:
                await answer.read()
            await dapr.put_state(key, Record(by="result"), 9 * 86_400)
            await dapr.publish("empty.receipts", message)

        routes["empty.outbound"] = send
        yield


JOBS = {
    "empty-edge": edge,
    "empty-intake": intake,
    "empty-lanes": lanes,
    "empty-router": router,
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
