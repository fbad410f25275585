"""The gateway's REST API and socket, below ``/signal``."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, TypeVar

from fastapi import APIRouter, Request, WebSocket
from pydantic import BaseModel, ValidationError
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocketDisconnect

from services.simulator.faults import meet
from services.simulator.ledger import Kind
from services.simulator.signal import requests
from services.simulator.signal.answers import (
    NO_ACCOUNT,
    NO_ATTACHMENT,
    Refusal,
    invalid,
    of_fault,
    problem,
    unauthorized,
)
from services.simulator.signal.memory import Account, Memory, Person
from services.simulator.signal.sending import Desk
from services.simulator.state import State
from services.simulator.vendors import facts

CHANNEL = "signal"
ABOUT = {"versions": ["v1", "v2"], "build": 2, "mode": "json-rpc", "version": "0.98", "capabilities": {"v2/send": []}}
R = TypeVar("R", bound=BaseModel)
Endpoint = Callable[..., Awaitable[Response]]


def router(state: State, memory: Memory) -> APIRouter:
    api, routes = _Gateway(state, memory), APIRouter(prefix=f"/{CHANNEL}")
    routes.add_api_websocket_route("/v1/receive/{number}", api.receive)
    for path, methods, endpoint in (
        ("/v2/send", ["POST"], api.send),
        ("/v1/reactions/{number}", ["POST", "DELETE"], api.react),
        ("/v1/typing-indicator/{number}", ["PUT", "DELETE"], api.typing),
        ("/v1/receipts/{number}", ["POST"], api.receipt),
        ("/v1/remote-delete/{number}", ["DELETE"], api.delete),
        ("/v1/attachments/{id_}", ["GET"], api.attachment),
        ("/v1/search/{number}", ["GET"], api.search),
        ("/v1/identities/{number}/trust/{who}", ["PUT"], api.trust),
        ("/v1/accounts/{number}/rate-limit-challenge", ["POST"], api.challenge),
        ("/v1/about", ["GET"], api.about),
        ("/v1/health", ["GET"], api.health),
    ):
        routes.add_api_route(path, _refusing(endpoint), methods=methods, response_model=None)
    return routes


def _refusing(endpoint: Endpoint) -> Endpoint:
    @wraps(endpoint)
    async def answer(*arguments: Any, **named: Any) -> Response:
        try:
            return await endpoint(*arguments, **named)
        except Refusal as refused:
            return unauthorized() if refused.status == 401 else problem(refused.words, refused.status)

    return answer


@dataclass(frozen=True)
class _Gateway:
    state: State
    memory: Memory

    async def send(self, request: Request) -> Response:
        """Send a message, unless a fault was asked for or something is wrong with it."""
        wanted = await _read(request, requests.SendRequest)
        account = self.memory.accounts.get(wanted.number)
        if account is not None:
            _authorize(account, request)
        fault = self.state.next_fault(CHANNEL)
        if fault is not None:
            answer_of_fault = partial(of_fault, fault, wanted.number, self.memory)
            return await meet(fault, lambda: self._sent(request, wanted), answer_of_fault)
        return await self._sent(request, wanted)

    async def _sent(self, request: Request, wanted: requests.SendRequest) -> Response:
        desk = Desk(self.state, self.memory, f"{str(request.base_url).rstrip('/')}/{CHANNEL}")
        try:
            return JSONResponse(desk.send(wanted).body(), 201)
        except Refusal as refused:
            self._refused(wanted, refused)
            raise

    def _refused(self, wanted: requests.SendRequest, refused: Refusal) -> None:
        account = self.memory.accounts.get(wanted.number)
        line = {"channel": CHANNEL, "line": account.line.connection if account else ""}
        for address in wanted.recipients or ("",):
            person = self.memory.recipient(address)
            who = person.who if person else address
            self.state.ledger.add(Kind.REFUSED, who, **line, code=refused.status, reason=refused.words)

    async def react(self, number: str, request: Request) -> Response:
        account, wanted = await self._asked(number, request, requests.ReactionRequest)
        person = self._addressed(wanted.recipient)
        gone = request.method == "DELETE"
        if not wanted.reaction and not gone:
            raise invalid("reaction missing")
        if not wanted.target_author:
            raise invalid("target_author missing")
        if not wanted.timestamp:
            raise invalid("timestamp missing")
        author = account.number if account.names(wanted.target_author) else person.uuid
        reaction = {"target": f"{author}:{wanted.timestamp}", "emoji": None if gone else wanted.reaction}
        self._show(account, person, text="" if gone else wanted.reaction, reaction=reaction)
        return Response(status_code=204)

    async def typing(self, number: str, request: Request) -> Response:
        account, wanted = await self._asked(number, request, requests.TypingRequest)
        self._note(account, self._addressed(wanted.recipient), "typing", on=request.method == "PUT")
        return Response(status_code=204)

    async def receipt(self, number: str, request: Request) -> Response:
        account, wanted = await self._asked(number, request, requests.ReceiptRequest)
        person = self._addressed(wanted.recipient)
        if wanted.receipt_type not in ("read", "viewed"):
            raise invalid("receipt type must be read or viewed")
        self._note(account, person, f"{wanted.receipt_type}_by_us", of=f"{person.uuid}:{wanted.timestamp}")
        return Response(status_code=204)

    async def delete(self, number: str, request: Request) -> Response:
        """The phone minds it only of messages that were ours to that customer."""
        account, wanted = await self._asked(number, request, requests.DeleteRequest)
        person = self._addressed(wanted.recipient)
        if not wanted.timestamp:
            raise invalid("timestamp missing")
        ours = self.memory.sent_to.get((number, wanted.timestamp)) == person.uuid
        id_ = self._show(account, person, seen=ours, deletes=f"{number}:{wanted.timestamp}")
        return JSONResponse({"timestamp": id_.rpartition(":")[2]}, 201)

    async def attachment(self, id_: str, request: Request) -> Response:
        file = self.memory.files.get(id_)
        if file is None:
            raise Refusal(NO_ATTACHMENT, 404)
        if file.number in self.memory.accounts:
            _authorize(self.memory.accounts[file.number], request)
        return Response(file.content, media_type=file.mime)

    async def search(self, number: str, request: Request) -> Response:
        self._account(number, request)
        asked = ((one, self.memory.recipient(one)) for one in request.query_params.getlist("numbers"))
        return JSONResponse([{"number": one, "registered": bool(who and not who.has_left)} for one, who in asked])

    async def trust(self, number: str, who: str, request: Request) -> Response:
        """The operator has seen the new safety number."""
        self._account(number, request)
        self._addressed(who).has_new_keys = False
        return Response(status_code=204)

    async def challenge(self, number: str, request: Request) -> Response:
        """A captcha that was solved lifts the limit: the faults that are still to come are gone."""
        _, wanted = await self._asked(number, request, requests.ChallengeRequest)
        if wanted.challenge_token not in self.memory.challenges or not wanted.captcha:
            raise Refusal("Submit challenge error")
        self.memory.challenges.discard(wanted.challenge_token)
        others = [fault for fault in self.state.faults if fault.channel != CHANNEL or fault.status != 429]
        self.state.faults.clear()
        self.state.faults.extend(others)
        return Response(status_code=204)

    async def about(self) -> Response:
        return JSONResponse(ABOUT)

    async def health(self) -> Response:
        return Response(status_code=204)

    async def receive(self, socket: WebSocket, number: str) -> None:
        """Tells what is received from now on; what came before is gone."""
        account = self.memory.accounts.get(number)
        if account is None or not _may(account, socket.headers.get("authorization", "")):
            await socket.close()
            return
        await socket.accept()
        account.sockets.add(socket)
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            pass
        finally:
            account.sockets.discard(socket)

    async def _asked(self, number: str, request: Request, kind: type[R]) -> tuple[Account, R]:
        return self._account(number, request), await _read(request, kind)

    def _account(self, number: str, request: Request) -> Account:
        account = self.memory.accounts.get(number)
        if account is None:
            raise Refusal(NO_ACCOUNT)
        _authorize(account, request)
        return account

    def _addressed(self, address: str) -> Person:
        if not address:
            raise invalid("recipient missing")
        person = self.memory.recipient(address)
        if person is None:
            raise Refusal("Failed to send message")
        return person

    def _show(self, account: Account, person: Person, **shown: Any) -> str:
        """Something that the customer sees; its id."""
        id_ = f"{account.number}:{self.memory.next_ms(int(self.state.now().timestamp() * 1000))}"
        self.state.ledger.add(Kind.OUTBOUND, person.who, **facts(account.line, id_, **shown))
        return id_

    def _note(self, account: Account, person: Person, status: str, **more: Any) -> None:
        self.state.ledger.add(Kind.STATUS, person.who, **facts(account.line, "", status=status, **more))


async def _read(request: Request, kind: type[R]) -> R:
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError:
        raise invalid("invalid request") from None


def _authorize(account: Account, request: Request) -> None:
    if not _may(account, request.headers.get("authorization", "")):
        raise Refusal("unauthorized", 401)


def _may(account: Account, authorization: str) -> bool:
    """The gateway lets everybody in; the proxy before it wants the token, if there is one."""
    wanted = f"Bearer {account.token}"
    return not account.token or hmac.compare_digest(authorization.encode(), wanted.encode())
