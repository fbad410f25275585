"""Errors of the REST APIs, all of one shape: {"error": ..., "details": [{"field", "expected", "do"}]}."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException

from m2n.dapr import DaprUnavailable
from m2n.field_problems import FieldProblem, problems_of_details
from m2n.telemetry import log


class ApiError(Exception):
    """Ends a request with this answer. ``error`` is one sentence for the caller."""

    def __init__(
        self,
        status: int,
        error: str,
        details: tuple[FieldProblem, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.status, self.error, self.details, self.headers = status, error, details, dict(headers or {})


def json_answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    content = orjson.dumps(body)
    return Response(content, status, media_type="application/json", headers=dict(headers or {}))


def add_error_answers(app: FastAPI, *unavailable: type[Exception]) -> None:
    """Make every error of the app's routes an answer of the one shape; ``unavailable`` pass by themselves."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _request_error)
    app.add_exception_handler(HTTPException, _http_error)
    for kind in (PyMongoError, DaprUnavailable, *unavailable):
        app.add_exception_handler(kind, _unavailable)


def _answer(error: ApiError) -> Response:
    body: dict[str, Any] = {"error": error.error}
    if error.details:
        body["details"] = [asdict(problem) for problem in error.details]
    return json_answer(body, error.status, error.headers)


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _answer(error)


async def _request_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    details = [{**detail, "loc": tuple(detail["loc"])[1:]} for detail in error.errors()]
    return _answer(ApiError(422, "the request has fields that do not fit", problems_of_details(details)))


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(ApiError(error.status_code, str(error.detail), headers=error.headers))


async def _unavailable(request: Request, error: Exception) -> Response:
    log().warning("request not served", method=request.method, error=type(error).__name__)
    text = "something that is needed for this does not answer; the same request may be sent again"
    return _answer(ApiError(503, text, headers={"retry-after": "2"}))
