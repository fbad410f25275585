"""Twilio's Media resource: what belongs to a message, behind the account's credentials.

The bytes lie elsewhere: an address that needs no credentials and is good for some hours.
"""

from dataclasses import dataclass
from datetime import timedelta
from secrets import token_urlsafe
from typing import Annotated

import httpx
from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from services.simulator.state import State
from services.simulator.twilio.accounts import own_message
from services.simulator.twilio.message import API_VERSION, Message, Piece
from services.simulator.twilio.paging import page_of
from services.simulator.twilio.problems import Problem, not_found
from services.simulator.twilio.vendor import vendor_of

OPEN_FOR = timedelta(hours=4)
FILES = "/twilio-media"
"""Where the bytes are; Twilio has another host for them."""


def router(state: State) -> APIRouter:
    media, routes = _Media(state), APIRouter()
    of_message = f"/{API_VERSION}/Accounts/{{account_sid}}/Messages/{{sid}}/Media"
    routes.add_api_route(f"{of_message}.json", media.list, methods=["GET"])
    routes.add_api_route(f"{of_message}/{{media_sid}}.json", media.fetch, methods=["GET"])
    routes.add_api_route(f"{of_message}/{{media_sid}}.json", media.delete, methods=["DELETE"])
    routes.add_api_route(f"{of_message}/{{media_sid}}", media.lead_on, methods=["GET"])
    routes.add_api_route(f"{of_message}/{{media_sid}}", media.delete, methods=["DELETE"])
    routes.add_api_route(f"{FILES}/{{token}}", media.file, methods=["GET"])
    return routes


@dataclass(frozen=True)
class _Media:
    state: State

    async def list(
        self,
        account_sid: str,
        sid: str,
        request: Request,
        page: Annotated[int, Query(alias="Page", ge=0)] = 0,
        size: Annotated[int, Query(alias="PageSize", ge=1, le=1000)] = 50,
    ) -> Response:
        message = own_message(self.state, account_sid, sid, request)
        if isinstance(message, Problem):
            return message.answer()
        found = [piece.resource(message) for piece in message.pieces]
        return JSONResponse(page_of("media_list", found, request, page, size))

    async def fetch(self, account_sid: str, sid: str, media_sid: str, request: Request) -> Response:
        found = self._piece(account_sid, sid, media_sid, request)
        if isinstance(found, Problem):
            return found.answer()
        message, piece = found
        return JSONResponse(piece.resource(message))

    async def delete(self, account_sid: str, sid: str, media_sid: str, request: Request) -> Response:
        found = self._piece(account_sid, sid, media_sid, request)
        if isinstance(found, Problem):
            return found.answer()
        message, piece = found
        message.pieces = tuple(one for one in message.pieces if one is not piece)
        return Response(status_code=204)

    async def lead_on(self, account_sid: str, sid: str, media_sid: str, request: Request) -> Response:
        found = self._piece(account_sid, sid, media_sid, request)
        if isinstance(found, Problem):
            return found.answer()
        _, piece = found
        token = token_urlsafe(24)
        vendor_of(self.state).files[token] = (piece.url, piece.content_type, self.state.now() + OPEN_FOR)
        return RedirectResponse(f"{str(request.base_url).rstrip('/')}{FILES}/{token}", 307)

    async def file(self, token: str) -> Response:
        """The bytes, which the stand-in fetches from where the customer's file is."""
        found = vendor_of(self.state).files.get(token)
        if found is None or found[2] < self.state.now():
            return Response("this address is no longer good", 403, media_type="text/plain")
        url, content_type, _ = found
        try:
            answer = await self.state.http.get(url, follow_redirects=True, timeout=10)
        except httpx.HTTPError as failed:
            return Response(f"the customer's file could not be fetched: {type(failed).__name__}", 502)
        return Response(answer.content, answer.status_code, {"content-type": content_type})

    def _piece(self, account_sid: str, sid: str, media_sid: str, request: Request) -> tuple[Message, Piece] | Problem:
        message = own_message(self.state, account_sid, sid, request)
        if isinstance(message, Problem):
            return message
        piece = next((one for one in message.pieces if one.sid == media_sid), None)
        return (message, piece) if piece else not_found(request.url.path)
