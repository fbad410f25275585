"""Twilio's Typing Indicators resource: WhatsApp shows that somebody types, and that the message was read."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from services.simulator.ledger import Kind
from services.simulator.state import State
from services.simulator.twilio.accounts import account_of
from services.simulator.twilio.inbound import phone_of
from services.simulator.twilio.numbers import find, is_whatsapp
from services.simulator.twilio.problems import UNAUTHORIZED, Problem, not_found


def router(state: State) -> APIRouter:
    routes = APIRouter()
    routes.add_api_route("/v2/Indicators/Typing.json", _Typing(state).create, methods=["POST"])
    return routes


@dataclass(frozen=True)
class _Typing:
    state: State

    async def create(self, request: Request) -> Response:
        """In the ledger as two statuses of the customer's message."""
        account_sid = account_of(self.state, request)
        if account_sid is None:
            return UNAUTHORIZED.answer()
        form = await request.form()
        if form.get("channel") != "whatsapp":
            return Problem(20001, "channel: must be whatsapp").answer()
        message = self.state.messages.get(str(form.get("messageId", "")))
        if message is None or message.account_sid != account_sid or message.direction != "inbound":
            return not_found(request.url.path).answer()
        number = find(self.state, message.to)
        if number is None or not is_whatsapp(number.address):
            return not_found(request.url.path).answer()
        known = {"channel": number.line.channel, "line": number.line.connection, "id": message.sid}
        for status in ("typing", "read"):
            self.state.ledger.add(
                Kind.STATUS, phone_of(message.sender), **known, sid=message.sid, sender=message.to, status=status
            )
        return JSONResponse({"success": True})
