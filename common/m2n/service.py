"""What every service's app is made of: health, the sidecar's token, limits, subscriptions, dead letters."""

import asyncio
import base64
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypeVar

import orjson
from fastapi import FastAPI, Request, Response
from prometheus_client import generate_latest
from pydantic import TypeAdapter, ValidationError
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from m2n import clock
from m2n.dapr import PUBSUB, DaprClient
from m2n.dead_letter_keeping import LetterKeeper, NotKept
from m2n.dead_letter_spool import Spool
from m2n.deadletters import REASON_LENGTH, UNKNOWN, DeadLetters, Failure, event_id, failed_event
from m2n.events import TENANT_CHANGED, TenantChanged, dead_letter_topic
from m2n.failed_tries import FailedTries, FailureMemory
from m2n.guards import SidecarToken
from m2n.settings import Settings
from m2n.telemetry import HANDLE_SECONDS, HANDLED, configure_logging, log, where
from m2n.tenants import TenantDirectory, UnknownTenant

E = TypeVar("E")
Handler = Callable[[Any], Awaitable[None]]
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_EVENT_BYTES = 8 * 1024 * 1024
"""Sidecars publish up to 4 MiB; as a dead letter that comes in base64, a third longer."""
GC_EVERY = 20_000
"""New objects that can hold others, until the collector looks at them; a message makes some thousands that soon go."""
SIDECAR_WAITS_S = 10.0
"""The time-out ``handler`` in components/resiliency.yaml."""


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
        self.dead_letters = DeadLetters(self.settings)
        self.keeper = LetterKeeper(self.dead_letters, Spool(self.settings.data_dir / "dead-letters"))
        self._failures = FailureMemory()
        self._kinds: dict[str, TypeAdapter[Any]] = {}
        self._subscriptions: list[dict[str, Any]] = []
        self._resources: list[Callable[[], AbstractAsyncContextManager[Any]]] = []
        self.app = FastAPI(title=f"M2N {name}", lifespan=self._lifespan, docs_url=None, redoc_url=None)
        self.app.add_middleware(_BodyLimits, max_body_bytes=max_body_bytes)
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
        self._kinds[topic] = kind

        async def take(request: Request) -> Response:
            return await self._handle(topic, kind, handler, await request.body())

        self.app.add_api_route(path, take, methods=["POST"], include_in_schema=False)

    async def _handle(self, topic: str, kind: TypeAdapter[Any], handler: Handler, body: bytes) -> Response:
        began = time.perf_counter()
        try:
            envelope = orjson.loads(body)
            event = _event(kind, envelope)
        except _UNREADABLE as bad:
            HANDLED.labels(topic, "unreadable").inc()
            log().error("event unreadable, set aside", topic=topic, error=type(bad).__name__)
            return _status("DROP")
        name = event_id(envelope)
        self._failures.begin(name)
        try:
            await handler(event)
        except Exception as failed:
            self._failures.failed(name, _reason(failed))
            HANDLED.labels(topic, "failed").inc()
            log().warning(
                "event not handled, will come again",
                topic=topic,
                error=type(failed).__name__,
                why=_why(failed),
                where=where(failed),
            )
            return Response(status_code=500)
        seconds = time.perf_counter() - began
        if seconds < SIDECAR_WAITS_S:
            self._failures.done(name)
        HANDLED.labels(topic, "done").inc()
        HANDLE_SECONDS.labels(topic).observe(seconds)
        return _status("SUCCESS")

    async def _take_dead_letter(self, request: Request) -> Response:
        """Keep what no try could handle. A failure here makes the sidecar try again."""
        try:
            await self.keeper.keep(self._dead_event(await request.body()))
        except NotKept:
            return Response(status_code=500)
        return _status("SUCCESS")

    def _dead_event(self, body: bytes) -> Failure:
        body = _raw(body)
        known = self._why_dead(body)
        return failed_event(self.name, body, known.tries, known.reason, clock.now())

    def _why_dead(self, body: bytes) -> FailedTries:
        """What the event failed of, as far as this process knows; that it is unreadable can be seen at any time."""
        try:
            envelope = orjson.loads(body)
            kind = self._kinds.get(str(envelope.get("topic")))
            if kind:
                _event(kind, envelope)
        except _UNREADABLE as bad:
            return FailedTries(1, f"unreadable: {type(bad).__name__}")
        return self._failures.of(event_id(envelope)) or FailedTries(0, UNKNOWN)

    async def _subscribe(self) -> list[dict[str, Any]]:
        """Dead letters come as they are: what is no CloudEvent could not be brought otherwise, and would be lost."""
        topic = dead_letter_topic(self.name)
        entry = {"pubsubname": PUBSUB, "topic": topic, "route": f"/events/{topic}", "metadata": {"rawPayload": "true"}}
        return [*self._subscriptions, entry]

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
            opened.push_async_callback(self.dead_letters.close)
            await opened.enter_async_context(background("spooled dead letters", self.keeper.bring_back)())
            for resource in self._resources:
                await opened.enter_async_context(resource())
            gc.freeze()  # what is there now stays: the collector need not go through it again and again
            gc.set_threshold(GC_EVERY)
            log().info("started")
            yield


class _BodyLimits:
    """Bounds the bodies of requests; those of the sidecar's events have a bound of their own."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._others = RequestBodyLimitMiddleware(app, max_body_size=max_body_bytes)
        self._events = RequestBodyLimitMiddleware(app, max_body_size=MAX_EVENT_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_event = scope["type"] == "http" and scope["path"].startswith("/events/")
        await (self._events if is_event else self._others)(scope, receive, send)


_UNREADABLE = (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValidationError)


def _event(kind: TypeAdapter[Any], envelope: Any) -> Any:
    """Raises one of _UNREADABLE."""
    return kind.validate_python(envelope["data"], strict=False)


def _raw(body: bytes) -> bytes:
    """The bytes that Dapr wrapped because the subscription asks for raw payloads; else all of it."""
    try:
        return base64.b64decode(orjson.loads(body)["data_base64"])
    except (ValueError, KeyError, TypeError):
        return body


def _status(word: str) -> Response:
    return Response(orjson.dumps({"status": word}), media_type="application/json")


def _why(failed: Exception) -> str:
    """Own exceptions say why without private data; of others only the kind is logged."""
    return str(failed) if type(failed).__module__.startswith(("m2n", "services")) else ""


def _reason(failed: Exception) -> str:
    return f"{type(failed).__name__}: {_why(failed) or where(failed)}"[:REASON_LENGTH]


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
