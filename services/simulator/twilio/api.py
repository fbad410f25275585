"""Twilio's REST API 2010-04-01: the Messages resource, and what belongs to it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from services.simulator.faults import meet, retry_after
from services.simulator.ledger import Kind
from services.simulator.settings import Fault
from services.simulator.state import State
from services.simulator.twilio import media_api, typing_api
from services.simulator.twilio.accounts import may, own_message
from services.simulator.twilio.fetching import Looked, look_at
from services.simulator.twilio.inbound import phone_of
from services.simulator.twilio.message import API_VERSION, Message, Piece, new_sid
from services.simulator.twilio.numbers import Number, channel_of, find, is_whatsapp
from services.simulator.twilio.paging import page_of
from services.simulator.twilio.problems import TEST_CREDENTIALS, UNAUTHORIZED, Problem
from services.simulator.twilio.progress import deliver
from services.simulator.twilio.sending import Send, choose_number, problem_of, test_problem_of
from services.simulator.twilio.vendor import vendor_of

ACCOUNT = f"/{API_VERSION}/Accounts/{{account_sid}}"


def router(state: State) -> APIRouter:
    api, routes = _Messages(state), APIRouter()
    routes.include_router(media_api.router(state))
    routes.include_router(typing_api.router(state))
    routes.add_api_route(f"{ACCOUNT}/Messages.json", api.create, methods=["POST"])
    routes.add_api_route(f"{ACCOUNT}/Messages.json", api.list, methods=["GET"])
    routes.add_api_route(f"{ACCOUNT}/Messages/{{sid}}.json", api.fetch, methods=["GET"])
    routes.add_api_route(f"{ACCOUNT}/Messages/{{sid}}.json", api.delete, methods=["DELETE"])
    return routes


@dataclass(frozen=True)
class _Messages:
    state: State

    async def create(self, account_sid: str, request: Request) -> Response:
        """Send a message, unless a fault was asked for or something is wrong with it."""
        if not may(self.state, account_sid, request):
            return UNAUTHORIZED.answer()
        send = Send.read(await request.form())
        fault = self.state.next_fault() or self.state.next_fault(channel_of(send.to))
        if fault is not None:
            return await meet(fault, lambda: self._created(account_sid, send), lambda: _fault_answer(fault))
        return await self._created(account_sid, send)

    async def _created(self, account_sid: str, send: Send) -> Response:
        chosen = self._sender(account_sid, send)
        if isinstance(chosen, Problem):
            self._note_refusal(send, chosen)
            return chosen.answer()
        message = self._message(account_sid, send, chosen)
        if chosen is not None:
            looked = await look_at(self.state.http, send.media, whatsapp=is_whatsapp(send.to))
            self._take(message, chosen, looked)
        return JSONResponse(message.resource(), 201)

    def _sender(self, account_sid: str, send: Send) -> Number | Problem | None:
        """The number that sends, or why nothing is sent; None: these are test credentials, which send nothing."""
        problem = problem_of(send)
        if problem is not None:
            return problem
        if account_sid in self.state.test_accounts:
            return test_problem_of(send)
        if self._is_unknown_template(account_sid, send.content_sid):
            return Problem(21655, "The ContentSid is Invalid")
        number = choose_number(self.state, account_sid, send)
        if isinstance(number, Number) and (number.group, send.to) in self.state.opted_out:
            return Problem(21610, "Attempt to send to unsubscribed recipient")
        return number

    def _is_unknown_template(self, account_sid: str, content_sid: str) -> bool:
        own = [sid for sid, one in vendor_of(self.state).templates.items() if one.account_sid == account_sid]
        return bool(content_sid and own) and content_sid not in own

    def _note_refusal(self, send: Send, problem: Problem) -> None:
        number = find(self.state, send.sender)
        where = {"channel": number.line.channel, "line": number.line.connection} if number else {}
        self.state.ledger.add(
            Kind.REFUSED, phone_of(send.to), **where, sender=send.sender, code=problem.code, reason=problem.message
        )

    def _message(self, account_sid: str, send: Send, number: Number | None) -> Message:
        return Message(
            account_sid=account_sid,
            sender=number.address if number else send.sender,
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
            status="accepted" if send.service and not send.sender else "queued",
        )

    def _take(self, message: Message, number: Number, looked: Looked) -> None:
        found = zip(message.media, looked.types, strict=False)
        message.pieces = tuple(Piece(new_sid("ME"), kind, url, message.created) for url, kind in found)
        self.state.messages[message.sid] = message
        deliver(self.state, number, message, looked)

    async def list(
        self,
        account_sid: str,
        request: Request,
        page: Annotated[int, Query(alias="Page", ge=0)] = 0,
        size: Annotated[int, Query(alias="PageSize", ge=1, le=1000)] = 50,
    ) -> Response:
        """The account's messages, newest first, filtered by ``To`` and ``From``."""
        if not may(self.state, account_sid, request):
            return UNAUTHORIZED.answer()
        if account_sid in self.state.test_accounts:
            return TEST_CREDENTIALS.answer()
        wanted = request.query_params
        found = [
            message.resource()
            for message in reversed(self.state.messages.values())
            if message.account_sid == account_sid
            and wanted.get("To", message.to) == message.to
            and wanted.get("From", message.sender) == message.sender
        ]
        return JSONResponse(page_of("messages", found, request, page, size))

    async def fetch(self, account_sid: str, sid: str, request: Request) -> Response:
        found = own_message(self.state, account_sid, sid, request)
        return found.answer() if isinstance(found, Problem) else JSONResponse(found.resource())

    async def delete(self, account_sid: str, sid: str, request: Request) -> Response:
        found = own_message(self.state, account_sid, sid, request)
        if isinstance(found, Problem):
            return found.answer()
        del self.state.messages[sid]
        return Response(status_code=204)


def _fault_answer(fault: Fault) -> Response:
    status = fault.status or 500
    headers = retry_after(fault)
    if fault.code is None:
        return Response(fault.message, status, headers, "text/plain")
    return JSONResponse(Problem(fault.code, fault.message, status).body(), status, headers)
