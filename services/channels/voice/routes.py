"""The routes of a call, for the app that takes webhooks. Whatever fails, the caller hears a sentence and stays."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

import orjson
from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel
from pymongo.errors import PyMongoError

from m2n import clock
from m2n.adapters.channel import MalformedWebhook
from m2n.adapters.edge_host import EdgeHost, as_received
from m2n.service import where
from m2n.telemetry import log
from services.channels.voice import twiml
from services.channels.voice.calls import CallKey, CallOver, Calls, NewLine
from services.channels.voice.incoming import Asked, Line, asked, find_line
from services.channels.voice.parse import parsed
from services.channels.voice.script import MOST_RESUMED, generic_apology
from services.channels.voice.steps import Step
from services.channels.voice.talk import Talk
from services.channels.voice.telling import Telling

ANSWER_WITHIN_S = 13.0
"""Twilio waits for 15 s."""
LINE_WITHIN_S = 2.0
STATUS_WITHIN_S = 6.0
NOT_FETCHED = "112"
"""Twilio's error codes of answers that it did not get begin with this (11200 to 11299)."""

Answer = Callable[[Asked], Awaitable[str]]


class InboxAnswer(BaseModel):
    """Answer of a call's inbox; ``new`` is false for a message that was there."""

    new: bool


def router(host: EdgeHost, calls: Calls, telling: Telling) -> APIRouter:
    """The routes. The one below /internal/ is for the sidecar only: the app is to guard it by the sidecar's token."""
    made, talk = APIRouter(), Talk(calls, telling)
    call = _CallRoutes(host, calls, telling)
    for name, answer in (("turn", talk.turn), ("wait", talk.wait)):
        made.add_api_route(f"/voice/{{connection}}/{name}", call.spoken(answer), methods=["POST"])
    for name, answer in (("relay-end", talk.relay_end), ("transfer-end", talk.transfer_end)):
        made.add_api_route(f"/voice/{{connection}}/{name}", call.spoken(answer), methods=["POST"])
    for name, answer in (("hold", call.hold), ("whisper", call.whisper), ("dequeued", call.dequeued)):
        made.add_api_route(f"/voice/{{connection}}/{name}", call.quiet(answer), methods=["POST"])
    made.add_api_route("/voice/{connection}/status", call.status, methods=["POST"])
    made.add_api_route("/voice/{connection}/task-events", call.task_event, methods=["POST"])
    made.add_api_route("/voice/{connection}/fallback", call.fallback, methods=["POST", "GET"])
    made.add_api_route(
        "/internal/voice/{connection}/calls/{sid}/messages", call.take, methods=["POST"], response_model=InboxAnswer
    )
    return made


@dataclass(frozen=True)
class _CallRoutes:
    host: EdgeHost
    calls: Calls
    telling: Telling

    def spoken(self, answer: Answer) -> Callable[[str, Request], Awaitable[Response]]:
        """A route whose failure is told to the caller, who then is where they were."""

        async def route(connection: str, request: Request) -> Response:
            known = await self._asked(connection, request)
            if isinstance(known, Response):
                return known
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    return _twiml(await answer(known))
            except Exception as failed:
                _say_failure(failed)
                step = replace(known.step, look=known.step.look + 1, resumed=known.step.resumed + 1)
                return _twiml(known.script.apology(step, known.language, known.step.key))

        return route

    def quiet(self, answer: Answer) -> Callable[[str, Request], Awaitable[Response]]:
        """A route whose failure nobody needs to hear of: the caller goes on waiting, the two are connected."""

        async def route(connection: str, request: Request) -> Response:
            known = await self._asked(connection, request)
            if isinstance(known, Response):
                return known
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    return _twiml(await answer(known))
            except Exception as failed:
                _say_failure(failed)
                waiting = request.url.path.endswith("/hold")
                return _twiml(twiml.document(twiml.pause(5)) if waiting else twiml.document())

        return route

    async def _asked(self, connection: str, request: Request) -> Asked | Response:
        """While nobody can say whose line it is, the caller is asked to wait, which gives nothing away."""
        try:
            return await asked(self.host, connection, request)
        except HTTPException as refused:
            if refused.status_code != 503:
                raise
            return _twiml(self._nowhere(connection, Step.read(request.query_params)))

    def _nowhere(self, connection: str, failed: Step | None) -> str:
        """For a caller of whose line nothing is known now: again from the step that failed, if that is known."""
        if failed is None or failed.resumed >= MOST_RESUMED:
            return generic_apology(None)
        step = replace(failed, look=failed.look + 1, resumed=failed.resumed + 1)
        base = f"{self.host.settings.public_url.rstrip('/')}/voice/{connection}"
        return generic_apology(step.address(base, "wait", lost=failed.key))

    # -- transfers ---------------------------------------------------------------------------------------------

    async def hold(self, known: Asked) -> str:
        """For one who waits in a queue: out of it, once the lane has the conversation back."""
        call = await self.calls.open(known.key)
        if call.transfer and call.transfer.recalled_at:
            return twiml.document(twiml.leave())
        return known.script.hold(known.language, call.transfer)

    async def whisper(self, known: Asked) -> str:
        """A human has answered and hears what it is about; then the two are connected."""
        key = known.line.key(known.query.get("call", ""))
        transfer = await self.calls.joined(key)
        await self.telling.joined(transfer)
        return known.script.whisper(transfer, known.language) if transfer else twiml.document()

    async def dequeued(self, known: Asked) -> str:
        """A human takes the caller out of a queue (the agent's ``<Dial><Queue url>``)."""
        await self.telling.joined(await self.calls.joined(known.key))
        return twiml.document()

    async def task_event(self, connection: str, request: Request) -> Response:
        """TaskRouter: somebody accepted the task of a call. Other events, and other tasks, are not ours."""
        known = await asked(self.host, connection, request, needs_call=False)
        call = _call_of_task(known.fields.get("TaskAttributes", ""))
        if call and known.fields.get("EventType") == "reservation.accepted":
            transfer = await self.calls.joined(known.line.key(call))
            await self.telling.joined(transfer, known.fields.get("WorkerName", "")[:100])
        return Response(status_code=204)

    # -- the call's end, failures, messages --------------------------------------------------------------------

    async def status(self, connection: str, request: Request) -> Response:
        """The call's state. Its end is kept, then its inbox is closed, so that nothing more is said into it."""
        known = await asked(self.host, connection, request)
        line = known.line
        webhook = as_received(line.script.site, request, request.method, await request.body())
        try:
            found = parsed(webhook, line.resolved.tenant.id, connection, line.settings, clock.now())
        except MalformedWebhook as bad:
            raise HTTPException(400, str(bad)) from bad
        for message in found.messages:
            if not await self.telling.keep(line, message, STATUS_WITHIN_S):
                raise HTTPException(503, "not taken, please try again", headers={"retry-after": "2"})
            with suppress(PyMongoError, TimeoutError):  # the session is closed all the same
                async with asyncio.timeout(STATUS_WITHIN_S):
                    await self.telling.end(line, known.key, known.fields.get("CallStatus", ""))
        return Response(status_code=204)

    async def fallback(self, connection: str, request: Request) -> Response:
        """Twilio got no good answer from us. Needs nothing but this process: no queue, no database, no tenant."""
        try:
            async with asyncio.timeout(LINE_WITHIN_S):
                known = await asked(self.host, connection, request)
        except HTTPException as refused:
            if refused.status_code != 503:
                raise
        except Exception as failed:
            _say_failure(failed)
        else:
            return _twiml(_after_error(known))
        found = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        return _twiml(self._nowhere(connection, _failed_step(found.get("ErrorUrl", ""))))

    async def take(self, connection: str, sid: str, line: NewLine) -> InboxAnswer:
        """A message for the caller; the same one again changes nothing. 410: the call is over."""
        found: Line = await find_line(self.host, connection)
        key: CallKey = found.key(sid)
        try:
            return InboxAnswer(new=await self.calls.append(key, line))
        except CallOver:
            raise HTTPException(410, "the call is over") from None


def _after_error(known: Asked) -> str:
    """The call goes on where the answer was missing; where nothing says where that is, it ends."""
    error = known.fields.get("ErrorUrl", "")
    failed = _failed_step(error)
    if failed is None:
        return known.script.end_in_failure(known.language)
    step = replace(failed, resumed=failed.resumed + 1)
    if "/webhooks/" in error.partition("?")[0]:
        return known.script.begin_again(step, known.language)
    lost = failed.key if known.fields.get("ErrorCode", "").startswith(NOT_FETCHED) else ""
    language = _query(error).get("lang", "")
    spoken = language if language in known.line.settings.languages else known.language
    return known.script.apology(replace(step, look=step.look + 1), spoken, lost)


def _failed_step(error_url: str) -> Step | None:
    return Step.read(_query(error_url)) if error_url else None


def _query(url: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(urlsplit(url).query))
    except ValueError:
        return {}


def _call_of_task(attributes: str) -> str:
    """Twilio puts ``call_sid`` into the attributes of a task that <Enqueue> makes; our own are ``call``."""
    try:
        found = orjson.loads(attributes)
    except orjson.JSONDecodeError:
        return ""
    call = (found.get("call_sid") or found.get("call")) if isinstance(found, dict) else None
    return call if isinstance(call, str) else ""


def _say_failure(failed: Exception) -> None:
    log().error("a call met a failure", error=type(failed).__name__, where=where(failed))


def _twiml(document: str) -> Response:
    return Response(document, media_type="text/xml")
