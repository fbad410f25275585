"""The Bot API below ``/telegram``: methods, and downloads of customers' files."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from services.simulator.settings import Fault
from services.simulator.state import State
from services.simulator.telegram.bots import Bot
from services.simulator.telegram.files import download
from services.simulator.telegram.methods import CHANGING, Methods
from services.simulator.telegram.problems import NOT_FOUND, UNAUTHORIZED, Problem, Refused, bad

CHANNEL = "telegram"


def router(state: State, methods: Methods, bots: Mapping[str, Bot]) -> APIRouter:
    """``bots``: by their tokens."""
    api, routes = _Api(state, methods, bots), APIRouter(prefix=f"/{CHANNEL}")
    routes.add_api_route("/bot{token}/{method}", api.call, methods=["GET", "POST"])
    routes.add_api_route("/file/bot{token}/{path:path}", api.file, methods=["GET"])
    return routes


@dataclass(frozen=True)
class _Api:
    state: State
    methods: Methods
    bots: Mapping[str, Bot]

    async def call(self, token: str, method: str, request: Request) -> Response:
        """One method, unless a fault was asked for; its arguments from the address, a form or JSON."""
        bot = self.bots.get(token)
        if bot is None:
            return _error(UNAUTHORIZED if ":" in token else NOT_FOUND)
        try:
            arguments = await _arguments(request)
        except Refused as refused:
            return _error(refused.problem)
        fault = self.state.next_fault(CHANNEL) if method.lower() in CHANGING else None
        if fault is not None:
            return await self._faulty(bot, method, arguments, fault)
        return await self._answer(bot, method, arguments)

    async def file(self, token: str, path: str) -> Response:
        bot = self.bots.get(token)
        return download(self.state, bot, path) if bot else _error(UNAUTHORIZED)

    async def _answer(self, bot: Bot, method: str, arguments: Mapping[str, Any]) -> Response:
        try:
            result = await self.methods.run(bot, method, arguments)
        except Refused as refused:
            return _error(refused.problem)
        return JSONResponse({"ok": True, "result": result})

    async def _faulty(self, bot: Bot, method: str, arguments: Mapping[str, Any], fault: Fault) -> Response:
        await asyncio.sleep(fault.delay_s)
        answer = await self._answer(bot, method, arguments) if fault.takes else _fault_answer(fault)
        if fault.drop:
            return _BrokenOff(answer)
        return answer if fault.status is None or answer.status_code != 200 else _fault_answer(fault)


async def _arguments(request: Request) -> dict[str, Any]:
    given: dict[str, Any] = dict(request.query_params)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return given | dict(await request.form())
    try:
        found = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise bad("can't parse JSON object")
    return given | found


def _error(problem: Problem) -> Response:
    return JSONResponse(problem.body(), problem.status)


def _fault_answer(fault: Fault) -> Response:
    status, wait = fault.status or 500, fault.retry_after_s
    headers = {} if wait is None else {"retry-after": f"{wait:g}"}
    if fault.code is None and wait is None:
        return Response(fault.message, status, media_type="text/plain")
    problem = Problem(fault.code or status, fault.message, None if wait is None else round(wait))
    return JSONResponse(problem.body(), status, headers)


class _BrokenOff(Response):
    """An answer whose connection breaks before its body: the server closes what the app leaves unfinished."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.body, answer.status_code, dict(answer.headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
