"""Twilio's REST API 2010-04-01: the Messages resource."""

import asyncio
import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope
from starlette.types import Send as SendToClient

from services.simulator.ledger import Kind
from services.simulator.settings import Fault
from services.simulator.state import State
from services.simulator.twilio.message import API_VERSION, Message
from services.simulator.twilio.problems import TEST_CREDENTIALS, UNAUTHORIZED, Problem, not_found
from services.simulator.twilio.progress import deliver, phone_of
from services.simulator.twilio.sending import Send, choose_sender, problem_of, test_problem_of

ACCOUNT = f"/{API_VERSION}/Accounts/{{account_sid}}"


def router(state: State) -> APIRouter:
    api, routes = _Messages(state), APIRouter()
    routes.add_api_route(f"{ACCOUNT}/Messages.json", api.create, methods=["POST"])
    routes.add_api_route(f"{ACCOUNT}/Messages.json", api.list, methods=["GET"])
    routes.add_api_route(f"{ACCOUNT}/Messages/{{sid}}.json", api.fetch, methods=["GET"])
    routes.add_api_route(f"{ACCOUNT}/Messages/{{sid}}/Media/{{media_sid}}", api.media, methods=["GET"])
    return routes


@dataclass(frozen=True)
class _Messages:
    state: State

    async def create(self, account_sid: str, request: Request) -> Response:
        """Send a message, unless a fault was asked for or something is wrong with it."""
        if not _may(self.state, account_sid, request):
            return _error(UNAUTHORIZED)
        send = Send.read(await request.form())
        fault = self.state.next_fault()
        if fault is not None:
            return await self._faulty(account_sid, send, fault)
        return self._created(account_sid, send)

    def _created(self, account_sid: str, send: Send) -> Response:
        taken = self._take(account_sid, send)
        if isinstance(taken, Problem):
            self.state.ledger.add(
                Kind.REFUSED, phone_of(send.to), sender=send.sender, code=taken.code, reason=taken.message
            )
            return _error(taken)
        return JSONResponse(taken.resource(), 201)

    def _take(self, account_sid: str, send: Send) -> Message | Problem:
        test = account_sid in self.state.test_accounts
        problem = problem_of(send) or (test_problem_of(send) if test else None)
        if problem is not None:
            return problem
        sender = send.sender if test else choose_sender(send, account_sid, self.state.senders)
        if isinstance(sender, Problem):
            return sender
        if (sender, send.to) in self.state.opted_out:
            return Problem(21610, "Attempt to send to unsubscribed recipient")
        message = self._message(account_sid, send, sender)
        if not test:
            self.state.messages[message.sid] = message
            deliver(self.state, message)
        return message

    def _message(self, account_sid: str, send: Send, sender: str) -> Message:
        return Message(
            account_sid=account_sid,
            sender=sender,
            to=send.to,
            created=self.state.now(),
            direction="outbound-api",
            body=send.body,
            media=send.media,
            content_sid=send.content_sid or None,
            content_variables=send.content_variables or None,
            action=send.action or None,
            messaging_service_sid=send.service or None,
            callback=send.callback or None,
        )

    async def _faulty(self, account_sid: str, send: Send, fault: Fault) -> Response:
        await asyncio.sleep(fault.delay_s)
        answer = self._created(account_sid, send) if fault.takes else _fault_answer(fault)
        if fault.drop:
            return _BrokenOff(answer)
        return answer if fault.status is None or answer.status_code != 201 else _fault_answer(fault)

    async def list(
        self,
        account_sid: str,
        request: Request,
        page: Annotated[int, Query(alias="Page", ge=0)] = 0,
        size: Annotated[int, Query(alias="PageSize", ge=1, le=1000)] = 50,
    ) -> Response:
        """The account's messages, newest first, filtered by ``To`` and ``From``."""
        if not _may(self.state, account_sid, request):
            return _error(UNAUTHORIZED)
        if account_sid in self.state.test_accounts:
            return _error(TEST_CREDENTIALS)
        wanted = request.query_params
        found = [
            message.resource()
            for message in reversed(self.state.messages.values())
            if message.account_sid == account_sid
            and wanted.get("To", message.to) == message.to
            and wanted.get("From", message.sender) == message.sender
        ]
        return JSONResponse(_page(found, request, page, size))

    async def fetch(self, account_sid: str, sid: str, request: Request) -> Response:
        if not _may(self.state, account_sid, request):
            return _error(UNAUTHORIZED)
        message = self.state.messages.get(sid)
        if message is None or message.account_sid != account_sid:
            return _error(not_found(request.url.path))
        return JSONResponse(message.resource())

    async def media(self, account_sid: str, sid: str, media_sid: str, request: Request) -> Response:
        """Leads on to the file, for the account's credentials."""
        if not _may(self.state, account_sid, request):
            return _error(UNAUTHORIZED)
        url = self.state.media.get(media_sid)
        return RedirectResponse(url, 307) if url else _error(not_found(request.url.path))


def _may(state: State, account_sid: str, request: Request) -> bool:
    """HTTP Basic with the account's SID and auth token."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic" or account_sid not in state.tokens:
        return False
    try:
        given = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(given, f"{account_sid}:{state.tokens[account_sid]}".encode())


def _error(problem: Problem) -> Response:
    headers = {"www-authenticate": 'Basic realm="Twilio API"'} if problem.status == 401 else {}
    return JSONResponse(problem.body(), problem.status, headers)


def _fault_answer(fault: Fault) -> Response:
    status = fault.status or 500
    headers = {} if fault.retry_after_s is None else {"retry-after": f"{fault.retry_after_s:g}"}
    if fault.code is None:
        return Response(fault.message, status, headers, "text/plain")
    return JSONResponse(Problem(fault.code, fault.message, status).body(), status, headers)


def _page(found: list[dict[str, Any]], request: Request, page: int, size: int) -> dict[str, Any]:
    start = page * size

    def uri(number: int) -> str:
        url = request.url.include_query_params(Page=number, PageSize=size)
        return f"{url.path}?{url.query}"

    return {
        "messages": found[start : start + size],
        "page": page,
        "page_size": size,
        "start": start,
        "end": max(start, min(start + size, len(found)) - 1),
        "uri": uri(page),
        "first_page_uri": uri(0),
        "next_page_uri": uri(page + 1) if len(found) > start + size else None,
        "previous_page_uri": uri(page - 1) if page else None,
    }


class _BrokenOff(Response):
    """An answer whose connection breaks before its body: the server closes what the app leaves unfinished."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.body, answer.status_code, dict(answer.headers))

    async def __call__(self, scope: Scope, receive: Receive, send: SendToClient) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
