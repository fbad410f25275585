"""The Bot API below ``/telegram``: methods, and downloads of customers' files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from services.simulator.faults import meet, retry_after
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
            return await meet(fault, lambda: self._answer(bot, method, arguments), lambda: _fault_answer(fault))
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
    headers = retry_after(fault)
    if fault.code is None and wait is None:
        return Response(fault.message, status, media_type="text/plain")
    problem = Problem(fault.code or status, fault.message, None if wait is None else round(wait))
    return JSONResponse(problem.body(), status, headers)
