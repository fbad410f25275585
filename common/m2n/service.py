"""What every service's app is made of: health, the sidecar's token, limits, subscriptions, dead letters."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypeVar

import orjson
from fastapi import FastAPI, Request, Response
from prometheus_client import generate_latest
from pydantic import TypeAdapter, ValidationError
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from m2n.dapr import PUBSUB, DaprClient
from m2n.deadletters import DeadLetters
from m2n.events import TENANT_CHANGED, TenantChanged, dead_letter_topic
from m2n.guards import SidecarToken
from m2n.settings import Settings
from m2n.telemetry import DEAD_LETTERS, HANDLE_SECONDS, HANDLED, configure_logging, log, where
from m2n.tenants import TenantDirectory, UnknownTenant

E = TypeVar("E")
Handler = Callable[[Any], Awaitable[None]]
MAX_BODY_BYTES = 4 * 1024 * 1024


class Service:
    """One service: its FastAPI app, its sidecar client, its copy of the tenants.

    ``async with`` bodies given to ``resource`` run for the app's life, in the order given.
    """

    def __init__(self, name: str, *, max_body_bytes: int = MAX_BODY_BYTES, follows_tenants: bool = True) -> None:
        self.name = name
        self.settings = Settings()  # pyright: ignore[reportCallIssue]
        configure_logging(name, self.settings.log_level)
        self.dapr = DaprClient(self.settings)
        self.tenants = TenantDirectory(self.dapr)
        self._dead_letters = DeadLetters(self.settings)
        self._subscriptions: list[dict[str, Any]] = []
        self._resources: list[Callable[[], AbstractAsyncContextManager[Any]]] = []
        self.app = FastAPI(title=f"M2N {name}", lifespan=self._lifespan, docs_url=None, redoc_url=None)
        self.app.add_middleware(RequestBodyLimitMiddleware, max_body_size=max_body_bytes)
        self.app.add_middleware(SidecarToken, token=self.settings.app_api_token.get_secret_value())
        self.app.add_api_route("/health", self._health, methods=["GET"])
        self.app.add_api_route("/metrics", self._metrics, methods=["GET"])
        self.app.add_api_route("/dapr/subscribe", self._subscribe, methods=["GET"])
        if follows_tenants:
            self.on(TENANT_CHANGED, TenantChanged)(self._tenant_changed)

    def resource(self, opened: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        self._resources.append(opened)

    def on(self, topic: str, kind: Any) -> Callable[[Callable[[E], Awaitable[None]]], Callable[[E], Awaitable[None]]]:
        """Subscribe a handler. It may get the same event again and then must have no second effect.

        An exception makes the sidecar try again, a bounded number of times; then the event is a dead letter.
        """

        def register(handler: Callable[[E], Awaitable[None]]) -> Callable[[E], Awaitable[None]]:
            self._add_route(topic, TypeAdapter(kind), handler)
            return handler

        return register

    def _add_route(self, topic: str, kind: TypeAdapter[Any], handler: Handler) -> None:
        path = f"/events/{topic}"
        entry = {
            "pubsubname": PUBSUB,
            "topic": topic,
            "route": path,
            "deadLetterTopic": dead_letter_topic(self.name),
        }
        self._subscriptions.append(entry)

        async def take(request: Request) -> Response:
            return await self._handle(topic, kind, handler, await request.body())

        self.app.add_api_route(path, take, methods=["POST"], include_in_schema=False)

    async def _handle(self, topic: str, kind: TypeAdapter[Any], handler: Handler, body: bytes) -> Response:
        began = time.perf_counter()
        try:
            event = kind.validate_python(orjson.loads(body)["data"], strict=False)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValidationError) as bad:
            HANDLED.labels(topic, "unreadable").inc()
            log().error("event unreadable, set aside", topic=topic, error=type(bad).__name__)
            return _status("DROP")
        try:
            await handler(event)
        except Exception as failed:
            HANDLED.labels(topic, "failed").inc()
            log().warning(
                "event not handled, will come again",
                topic=topic,
                error=type(failed).__name__,
                why=_why(failed),
                where=where(failed),
            )
            return Response(status_code=500)
        HANDLED.labels(topic, "done").inc()
        HANDLE_SECONDS.labels(topic).observe(time.perf_counter() - began)
        return _status("SUCCESS")

    async def _take_dead_letter(self, request: Request) -> Response:
        """Keep what no try could handle. A failure here makes the sidecar try again."""
        letter = await self._dead_letters.keep(self.name, await request.body())
        DEAD_LETTERS.labels(self.name).inc()
        log().error("dead letter kept", origin=self.name, topic=letter.topic, tenant=letter.tenant, letter=letter.id)
        return _status("SUCCESS")

    async def _subscribe(self) -> list[dict[str, Any]]:
        topic = dead_letter_topic(self.name)
        return [*self._subscriptions, {"pubsubname": PUBSUB, "topic": topic, "route": f"/events/{topic}"}]

    async def _tenant_changed(self, event: TenantChanged) -> None:
        with suppress(UnknownTenant):  # it was deleted, and so is the copy
            await self.tenants.changed(event.tenant)

    async def _health(self) -> dict[str, str]:
        return {"status": "ok"}

    async def _metrics(self) -> Response:
        return Response(generate_latest(), media_type="text/plain; version=0.0.4")

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        self.app.add_api_route(f"/events/{dead_letter_topic(self.name)}", self._take_dead_letter, methods=["POST"])
        async with AsyncExitStack() as opened:
            opened.push_async_callback(self.dapr.close)
            opened.push_async_callback(self._dead_letters.close)
            for resource in self._resources:
                await opened.enter_async_context(resource())
            log().info("started")
            yield


def _status(word: str) -> Response:
    return Response(orjson.dumps({"status": word}), media_type="application/json")


def _why(failed: Exception) -> str:
    """Own exceptions say why without private data; of others only the kind is logged."""
    return str(failed) if type(failed).__module__.startswith(("m2n", "services")) else ""


async def run_until_cancelled(name: str, job: Callable[[], Awaitable[None]], pause_s: float = 1) -> None:
    """Run an endless job again whenever it fails, and say so."""
    while True:
        try:
            await job()
        except Exception as failed:
            log().error(
                "background job failed, starts again", job=name, error=type(failed).__name__, where=where(failed)
            )
            await asyncio.sleep(pause_s)


def background(name: str, job: Callable[[], Awaitable[None]]) -> Callable[[], AbstractAsyncContextManager[None]]:
    """A resource that runs ``job`` beside the app and cancels it at the end."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        task = asyncio.create_task(run_until_cancelled(name, job))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return opened
