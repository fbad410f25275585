"""The chat's own routes, for the app that takes webhooks: new visitors, their event streams, their inboxes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Request
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent

from m2n.clock import Clock, now
from m2n.message import Moment
from m2n.serialization import to_json
from services.channels.webchat.browser import BrowserMessage
from services.channels.webchat.inbox import MessageTooLarge, VisitorInbox, VisitorKey
from services.channels.webchat.lookup import Chat, Lookup, Resolved, find_chat
from services.channels.webchat.origins import is_allowed
from services.channels.webchat.tokens import bearer, new_visitor_id

LOOK_AGAIN_S = 3.0
"""A waiting stream looks into the inbox after so many seconds, also when nothing woke it."""
KEEP_ALIVE_S = 15
RECONNECT_MS = 1000


class VisitorAnswer(BaseModel):
    """Answer of POST /webchat/{connection}/visitors."""

    visitor: str
    token: str
    expires_at: Moment


class InboxAnswer(BaseModel):
    """Answer of the inbox; ``new`` is false for a message that was there."""

    new: bool


def router(lookup: Lookup, inbox: VisitorInbox, clock: Clock = now) -> APIRouter:
    """The routes. Those below /internal/ are for the sidecar only: the app is to guard them by the sidecar's token."""
    chats = _Chats(lookup, inbox, clock)
    made = APIRouter()
    made.add_api_route("/webchat/{connection}/visitors", chats.enter, methods=["POST"], response_model=VisitorAnswer)
    made.add_api_route("/webchat/{connection}/events", chats.events, methods=["GET"], response_model=None)
    made.add_api_route(
        "/internal/webchat/{connection}/visitors/{visitor}/messages",
        chats.take,
        methods=["POST"],
        response_model=InboxAnswer,
    )
    return made


@dataclass(frozen=True)
class _Chats:
    lookup: Lookup
    inbox: VisitorInbox
    clock: Clock

    async def enter(self, connection: str, request: Request) -> VisitorAnswer:
        """A token for a new visitor, or a fresh one for the visitor whose token is sent along and still good."""
        chat = await self._opened(connection, request)
        known = chat.visitor(bearer(request.headers), self.clock())
        visitor = known.id if known else new_visitor_id()
        token, expires_at = chat.token(visitor, self.clock())
        return VisitorAnswer(visitor=visitor, token=token, expires_at=expires_at)

    async def events(
        self,
        connection: str,
        request: Request,
        token: str = "",
        after: str | None = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> EventSourceResponse:
        """The visitor's messages as server-sent events, from the one after the named on, until the token runs out."""
        chat = await self._opened(connection, request)
        visitor = chat.visitor(bearer(request.headers) or token, self.clock())
        if visitor is None:
            raise HTTPException(401, "token: expected a visitor token that has not run out; ask for a new one")
        stream = self._stream(chat.inbox(visitor.id), last_event_id or after, visitor.expires_at)
        return EventSourceResponse(stream, ping=KEEP_ALIVE_S)

    async def take(self, connection: str, visitor: str, message: BrowserMessage) -> InboxAnswer:
        """Put a message into a visitor's inbox; the same one again changes nothing."""
        chat = await self._chat(connection)
        try:
            return InboxAnswer(new=await self.inbox.append(chat.inbox(visitor), message))
        except MessageTooLarge as too_large:
            raise HTTPException(413, str(too_large)) from None

    async def _stream(self, key: VisitorKey, last: str | None, until: datetime) -> AsyncIterator[ServerSentEvent]:
        yield ServerSentEvent(comment="open", retry=RECONNECT_MS)
        with self.inbox.wakeups.waiter(key.id) as waiter:
            while self.clock() < until:
                for message in await self.inbox.after(key, last):
                    yield ServerSentEvent(id=message.id, data=to_json(message).decode())
                    last = message.id
                await waiter.wait(LOOK_AGAIN_S)

    async def _chat(self, connection: str) -> Chat:
        chat = await find_chat(self.lookup, connection)
        if chat is None:
            raise HTTPException(404, "connection: there is no web chat of this id")
        return chat

    async def _opened(self, connection: str, request: Request) -> Chat:
        """The chat, for a page that may use it."""
        chat = await self._chat(connection)
        if not is_allowed(request.headers, chat.settings.allowed_origins):
            raise HTTPException(403, "origin: this site is not among the connection's allowed_origins")
        return chat


__all__ = ["Lookup", "Resolved", "router"]
