"""The Graph API as a Page uses it for Messenger: its messages, and people's profiles."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from services.simulator.faults import meet, retry_after
from services.simulator.ledger import Kind
from services.simulator.messenger.files import PATH, Files
from services.simulator.messenger.memory import Memory, Person, new_mid
from services.simulator.messenger.page import Page
from services.simulator.messenger.problems import (
    BAD_PROOF,
    BAD_TOKEN,
    NEEDS_PROOF,
    NO_TOKEN,
    NO_USER,
    Problem,
    asked_for,
    no_object,
)
from services.simulator.messenger.progress import Progress, Sent
from services.simulator.messenger.sending import Message, Send, Template, problem_of, read
from services.simulator.settings import Fault
from services.simulator.vendors import facts

_VERSION = re.compile(r"v[0-9]{1,3}\.[0-9]{1,2}")
_PROFILE = ("first_name", "last_name", "name", "profile_pic")


def router(memory: Memory, files: Files, progress: Progress) -> APIRouter:
    api, routes = _Api(memory, progress), APIRouter()
    routes.add_api_route(PATH + "/{id_}/{name}", files.give, methods=["GET"])
    routes.add_api_route("/messenger/{version}/{node}/messages", api.send, methods=["POST"])
    routes.add_api_route("/messenger/{version}/{psid}", api.profile, methods=["GET"])
    return routes


@dataclass(frozen=True)
class _Api:
    memory: Memory
    progress: Progress

    async def send(self, version: str, node: str, request: Request) -> Response:
        """A message or a sender action, unless a fault was asked for or something is wrong with it."""
        page = self._page(version, request)
        if isinstance(page, Problem):
            return _error(page)
        if node not in ("me", page.id):
            return _error(no_object(node))
        given = _json(await request.body())
        asked = read(given)
        if isinstance(asked, Problem):
            return self._refused(page, _named_in(given), asked)
        fault = self.memory.state.next_fault("messenger") if asked.message else None
        if fault is not None:
            return await meet(fault, lambda: self._answered(page, asked), lambda: _fault_answer(fault))
        return await self._answered(page, asked)

    async def profile(self, version: str, psid: str, request: Request, fields: str = ",".join(_PROFILE)) -> Response:
        """The fields of a person's profile that were asked for; without any all."""
        page = self._page(version, request)
        if isinstance(page, Problem):
            return _error(page)
        person = self.memory.people.get((page.id, psid))
        if person is None:
            return _error(no_object(psid))
        first, _, last = (person.name or person.customer).partition(" ")
        picture = f"{str(request.base_url).rstrip('/')}/static/icon.svg"
        known = dict(zip(_PROFILE, (first, last, f"{first} {last}".strip(), picture), strict=True))
        return JSONResponse({name: known[name] for name in fields.split(",") if name in known} | {"id": psid})

    def _page(self, version: str, request: Request) -> Page | Problem:
        """The Page whose token it is."""
        if not _VERSION.fullmatch(version):
            return Problem(2500, f"Unknown path components: /{version}")
        token = _token(request)
        if not token:
            return NO_TOKEN
        page = self.memory.page_of_token(token)
        return BAD_TOKEN if page is None else _wrong_proof(page, request) or page

    async def _answered(self, page: Page, asked: Send) -> Response:
        person = self.memory.known(page, asked.recipient.id)
        if person is None:
            return self._refused(page, asked.recipient.id, NO_USER)
        problem = problem_of(asked, person, self.memory.state.now())
        if problem is not None:
            return self._refused(page, person.psid, problem)
        if asked.message is None:
            self._note_action(person, asked)
            return JSONResponse({"recipient_id": person.psid})
        return JSONResponse({"recipient_id": person.psid, "message_id": self._take(person, asked, asked.message)})

    def _refused(self, page: Page, psid: str, problem: Problem) -> Response:
        person = self.memory.people.get((page.id, psid))
        customer = person.customer if person else psid
        noted = facts(page.line, "", seen=False, code=problem.code, subcode=problem.subcode, reason=problem.message)
        self.memory.state.ledger.add(Kind.REFUSED, customer, **noted)
        return _error(problem)

    def _take(self, person: Person, send: Send, message: Message) -> str:
        """Hand the message to the customer, in the order of acceptance, and let its echo and receipts follow."""
        mid = new_mid()
        person.mids.add(mid)
        noted = facts(
            person.page.line,
            mid,
            **_shown(message),
            messaging_type=send.messaging_type,
            tag=send.tag,
            metadata=message.metadata,
        )
        self.memory.state.ledger.add(Kind.OUTBOUND, person.customer, **noted)
        sent = Sent(mid, person, self.memory.now_ms(), _echoed(message))
        self.memory.state.start(self.progress.go_on(sent))
        return mid

    def _note_action(self, person: Person, send: Send) -> None:
        """What a person sees of it is gone in a moment, but for a reaction."""
        payload = send.payload
        reaction = {"target": payload.message_id, "emoji": payload.reaction} if payload else None
        noted = facts(person.page.line, "", seen=False, action=send.sender_action, reaction=reaction)
        self.memory.state.ledger.add(Kind.OUTBOUND, person.customer, **noted)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _named_in(given: Any) -> str:
    """Whom a request that cannot be read was for, as far as that can be seen."""
    recipient = given.get("recipient") if isinstance(given, dict) else None
    named = recipient.get("id") if isinstance(recipient, dict) else None
    return named[:64] if isinstance(named, str) and named else "nobody"


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else request.query_params.get("access_token", "")


def _wrong_proof(page: Page, request: Request) -> Problem | None:
    given = request.query_params.get("appsecret_proof")
    if given is None:
        return NEEDS_PROOF if page.wants_proof else None
    right = hmac.new(page.app_secret.encode(), page.token.encode(), hashlib.sha256).hexdigest()
    return None if hmac.compare_digest(right.encode(), given.encode()) else BAD_PROOF


def _shown(message: Message) -> dict[str, Any]:
    """What the customer sees, in the ledger's shape."""
    choices = [
        {"title": reply.title, "says": {"choice": {"id": reply.payload, "title": reply.title}}}
        for reply in message.quick_replies or ()
    ]
    attachment = message.attachment
    pictures = [attachment.payload.url] if attachment and attachment.type == "image" else []
    files = [attachment.payload.url] if attachment and attachment.type != "image" else []
    shown = {"pictures": pictures, "files": files, "choices": choices}
    if message.template is not None:
        return shown | {"text": _filled(message.template), "template": message.template.name}
    return shown | {"text": message.text or ""}


def _filled(template: Template) -> str:
    """The texts of templates are Meta's; its name and what it was filled with stand for them."""
    given = [one.text or one.payload or one.url or "" for part in template.components for one in part.parameters]
    return ": ".join((template.name, ", ".join(given))) if given else template.name


def _echoed(message: Message) -> dict[str, Any]:
    shown: dict[str, Any] = {"text": message.text} if message.text is not None else {}
    if message.template is not None:
        shown["text"] = _filled(message.template)
    if message.attachment is not None:
        kind, payload = message.attachment.type, {"url": message.attachment.payload.url}
        shown["attachments"] = [{"type": kind, "payload": payload}]
    return shown | ({} if message.metadata is None else {"metadata": message.metadata})


def _error(problem: Problem) -> Response:
    headers = {"www-authenticate": 'OAuth "Facebook Platform" "invalid_token"'} if problem.status == 401 else {}
    return JSONResponse(problem.body(), problem.status, headers)


def _fault_answer(fault: Fault) -> Response:
    status = fault.status or 500
    headers = retry_after(fault)
    if fault.code is None:
        return Response(fault.message, status, headers, "text/plain")
    return JSONResponse(asked_for(fault.code, fault.message, status).body(), status, headers)
