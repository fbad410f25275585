"""The Graph API below ``/whatsapp_cloud``: messages of a number, and customers' media."""

import re
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from services.simulator.faults import meet, retry_after
from services.simulator.ledger import Kind
from services.simulator.settings import Fault
from services.simulator.state import State
from services.simulator.whatsapp_cloud.media import Piece, Shelf
from services.simulator.whatsapp_cloud.memory import Memory, new_id
from services.simulator.whatsapp_cloud.numbers import Number, bearer
from services.simulator.whatsapp_cloud.people import Person
from services.simulator.whatsapp_cloud.problems import (
    PROOF_MISSING,
    PROOF_WRONG,
    TOKEN,
    Problem,
    invalid,
    no_such_object,
    of_fault,
    unexpected,
)
from services.simulator.whatsapp_cloud.progress import Progress, Sent
from services.simulator.whatsapp_cloud.requests import Read, Send, read_request
from services.simulator.whatsapp_cloud.sending import addressee, problem_of
from services.simulator.whatsapp_cloud.showing import shown

CHANNEL = "whatsapp_cloud"
_VERSION = re.compile(r"v[0-9]{1,3}\.[0-9]{1,2}")


@dataclass(frozen=True)
class Api:
    """``numbers`` are the known ones by their id at Meta."""

    state: State
    memory: Memory
    shelf: Shelf
    progress: Progress
    numbers: dict[str, Number]

    def router(self) -> APIRouter:
        routes = APIRouter(prefix=f"/{CHANNEL}", include_in_schema=False)
        routes.add_api_route("/lookaside/attachments/{key}", self.download, methods=["GET"])
        routes.add_api_route("/{version}/{phone_number_id}/messages", self.messages, methods=["POST"])
        routes.add_api_route("/{version}/{media_id}", self.media, methods=["GET"])
        return routes

    async def messages(self, version: str, phone_number_id: str, request: Request) -> Response:
        """Send a message, or say that one was read."""
        number = self._opened(version, phone_number_id, request)
        if isinstance(number, Problem):
            return number.answer()
        asked = read_request(await request.body())
        if isinstance(asked, Read):
            return self._read(number, asked)
        fault = self.state.next_fault(CHANNEL)
        if fault is not None:
            return await meet(fault, lambda: self._sent(number, asked), lambda: _fault_answer(fault))
        return await self._sent(number, asked)

    def _opened(self, version: str, phone_number_id: str, request: Request) -> Number | Problem:
        """The number, if the request's token opens it."""
        token = bearer(request.headers)
        if not any(number.knows(token) for number in self.numbers.values()):
            return TOKEN
        if not _VERSION.fullmatch(version):
            return unexpected(f"Unknown path components: /{version}")
        number = self.numbers.get(phone_number_id)
        if number is None or not number.knows(token):
            return no_such_object(phone_number_id)
        return _proof_problem(number, request.query_params.get("appsecret_proof")) or number

    async def _sent(self, number: Number, asked: Send | Problem) -> Response:
        who = asked if isinstance(asked, Problem) else addressee(number, asked, self.memory)
        if isinstance(asked, Problem) or isinstance(who, Problem):
            return self._refused(number, asked, who)
        problem = problem_of(number, asked, who, self.memory, self.state)
        return self._accepted(number, asked, who) if problem is None else self._refused(number, asked, problem)

    def _accepted(self, number: Number, send: Send, who: Person) -> Response:
        id_ = new_id()
        self.memory.people.meet(number, who)
        self.memory.messages[id_] = who.customer
        self.state.ledger.add(Kind.OUTBOUND, who.customer, **shown(number, send, id_))
        sent = Sent(id_, number, who, send.biz_opaque_callback_data, self.memory.generation)
        self.state.start(self.progress.go_on(sent, self.state.statuses))
        contact = {"input": send.to or send.recipient, **who.ids}
        status = {"message_status": "accepted"} if send.template else {}
        return JSONResponse(
            {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": id_, **status}]}
        )

    def _refused(self, number: Number, asked: Send | Problem, why: Person | Problem) -> Response:
        problem = asked if isinstance(asked, Problem) else why
        assert isinstance(problem, Problem)
        to = "" if isinstance(asked, Problem) else asked.to or asked.recipient or ""
        known, line = self.memory.people.find(number, to), number.line
        customer = known.customer if known else to or "unknown"
        facts = {"channel": line.channel, "line": line.connection, "code": problem.code}
        self.state.ledger.add(Kind.REFUSED, customer, **facts, reason=problem.details or problem.title)
        return problem.answer()

    def _read(self, number: Number, read: Read) -> Response:
        """The customer sees the ticks of their message turn blue."""
        customer = self.memory.messages.get(read.message_id)
        if customer is None:
            return invalid("message_id: there is no such message").answer()
        line, typing = number.line, read.typing_indicator is not None
        facts = {"channel": line.channel, "line": line.connection, "id": read.message_id}
        self.state.ledger.add(Kind.STATUS, customer, **facts, status="read", error_code=None, typing=typing)
        return JSONResponse({"success": True})

    async def media(self, version: str, media_id: str, request: Request) -> Response:
        """Where the bytes of a customer's file are, for the next 5 minutes."""
        piece = self._piece(media_id)
        number = self._opened(version, piece.phone_number_id if piece else media_id, request)
        if isinstance(number, Problem) or piece is None or piece.content is None:
            return (number if isinstance(number, Problem) else no_such_object(media_id)).answer()
        base = str(request.base_url).rstrip("/")
        return JSONResponse(
            {
                "messaging_product": "whatsapp",
                "url": f"{base}/{CHANNEL}/lookaside/attachments/{self.shelf.address(piece, self.state.now())}",
                "mime_type": piece.mime,
                "sha256": piece.sha256,
                "file_size": len(piece.content),
                "id": piece.id,
            }
        )

    def _piece(self, media_id: str) -> Piece | None:
        return self.shelf.by_id(media_id, self.state.now())

    async def download(self, key: str, request: Request) -> Response:
        """The bytes; 401 without the token, 404 after 5 minutes."""
        piece = self.shelf.by_address(key, self.state.now())
        number = self.numbers.get(piece.phone_number_id) if piece else None
        if piece is None or number is None:
            return Response("URL signature expired", 404, media_type="text/plain")
        if not number.knows(bearer(request.headers)):
            return TOKEN.answer()
        return Response(piece.content or b"", media_type=piece.mime)


def _proof_problem(number: Number, proof: str | None) -> Problem | None:
    if proof is None:
        return PROOF_MISSING if number.proof_required else None
    return None if proof == number.proof() else PROOF_WRONG


def _fault_answer(fault: Fault) -> Response:
    headers = retry_after(fault)
    problem = of_fault(fault)
    if problem is not None:
        return problem.answer(headers)
    return Response(fault.message, fault.status or 500, headers, "text/plain")
