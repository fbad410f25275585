"""The chat's own routes, for the app that takes webhooks: visitors, what they read, post and upload, their inboxes."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Request
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent

from m2n.serialization import to_json
from services.channels.webchat.browser import BrowserMessage, SignalBody
from services.channels.webchat.doors import Doors
from services.channels.webchat.inbox import MessageTooLarge, VisitorInbox
from services.channels.webchat.lookup import Chat
from services.channels.webchat.posting import Posting
from services.channels.webchat.reading import PageEvent, PageEvents, Reader, with_fresh_links
from services.channels.webchat.settings import MAX_ATTACHMENT_BYTES
from services.channels.webchat.tokens import Visitor
from services.channels.webchat.uploads import Uploads
from services.channels.webchat.visitors import Entrance

KEEP_ALIVE_S = 15
RECONNECT_MS = 1000
MAX_WAIT_S = 25.0
MAX_READERS = 30
"""So many streams and polls of one visitor wait in one process; browsers open a few for a site."""
MAX_ENTRY_BYTES = 4096
MAX_POST_BYTES = 1024 * 1024
"""The longest text that is taken, in JSON's longest spelling of it, and some more."""
LinkTo = Callable[[str, str], str]
"""Of tenant and media id; raises ValueError in an installation without a key for links."""


class InboxAnswer(BaseModel):
    """Answer of the inbox; ``new`` is false for a message that was there."""

    new: bool


def router(reading: "Reading", entrance: Entrance, posting: Posting, uploads: Uploads) -> APIRouter:
    """The routes. Those below /internal/ are for the sidecar only: the app is to guard them by the sidecar's token."""
    made = APIRouter()
    chat = "/webchat/{connection}"
    made.add_api_route(f"{chat}/visitors", entrance.enter, methods=["POST"], max_body_size=MAX_ENTRY_BYTES)
    made.add_api_route(f"{chat}/events", reading.events, methods=["GET"], response_model=None)
    made.add_api_route(f"{chat}/messages", reading.messages, methods=["GET"])
    made.add_api_route(f"{chat}/messages", posting.take, methods=["POST"], max_body_size=MAX_POST_BYTES)
    made.add_api_route(f"{chat}/attachments", uploads.take, methods=["POST"], max_body_size=MAX_ATTACHMENT_BYTES)
    visitor = "/internal/webchat/{connection}/visitors/{visitor}"
    made.add_api_route(f"{visitor}/messages", reading.take, methods=["POST"])
    made.add_api_route(f"{visitor}/signals", reading.signal, methods=["POST"], status_code=204)
    return made


@dataclass(frozen=True)
class Reading:
    """What a visitor's page reads, and how it gets there."""

    doors: Doors
    inbox: VisitorInbox
    link: LinkTo

    async def events(
        self,
        connection: str,
        request: Request,
        token: str = "",
        after: str | None = None,
        both: bool = False,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> EventSourceResponse:
        """The visitor's messages as server-sent events, from the one after the named on, until the token runs out.

        ``both``: also what the visitor said, and the events ``status`` and ``typing``.
        """
        chat, visitor = await self._let_in(connection, request, token)
        reader = self._reader(chat, visitor.id, last_event_id or after, both)
        return EventSourceResponse(self._stream(reader, visitor.expires_at), ping=KEEP_ALIVE_S)

    async def messages(
        self,
        connection: str,
        request: Request,
        after: str | None = None,
        read_to: str | None = None,
        both: bool = False,
        wait: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 0,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> PageEvents:
        """The same for pages that cannot read a stream: at once what there is, else what comes within ``wait`` s."""
        chat, visitor = await self._let_in(connection, request)
        reader = self._reader(chat, visitor.id, last_event_id or after, both)
        reader.read_to, reader.knows_status = read_to, True
        return PageEvents(events=await reader.poll(wait))

    async def take(self, connection: str, visitor: str, message: BrowserMessage) -> InboxAnswer:
        """Put a message into a visitor's inbox; the same one again changes nothing."""
        chat = await self.doors.chat(connection)
        try:
            return InboxAnswer(new=await self.inbox.append(chat.inbox(visitor), message))
        except MessageTooLarge as too_large:
            raise HTTPException(413, str(too_large)) from None

    async def signal(self, connection: str, visitor: str, signal: SignalBody) -> None:
        """Show the visitor that somebody types, now or never; or that a message was read."""
        key = (await self.doors.chat(connection)).inbox(visitor)
        if signal.typing is not None:
            await self.inbox.wakeups.wake(key.id, f"typing {to_json(signal.typing).decode()}")
        if signal.read is not None:
            await self.inbox.read(key, signal.read)

    async def _let_in(self, connection: str, request: Request, token: str = "") -> tuple[Chat, Visitor]:
        chat = await self.doors.opened(connection, request)
        await self.doors.count_address(chat, "reads", chat.settings.limits.address_reads, request)
        visitor = self.doors.visitor(chat, request, token)
        if self.inbox.wakeups.waiting(chat.inbox(visitor.id).id) >= MAX_READERS:
            raise HTTPException(429, f"expected at most {MAX_READERS} pages that read", headers={"retry-after": "10"})
        return chat, visitor

    def _reader(self, chat: Chat, visitor: str, last: str | None, both: bool) -> Reader:
        fresh = with_fresh_links(lambda media_id: self.link(chat.tenant, media_id))
        return Reader(self.inbox, chat.inbox(visitor), last, both, fresh)

    async def _stream(self, reader: Reader, until: datetime) -> AsyncIterator[ServerSentEvent]:
        yield ServerSentEvent(comment="open", retry=RECONNECT_MS)
        async for event in reader.stream(lambda: self.doors.clock() < until):
            yield _sent(event)


def _sent(event: PageEvent) -> ServerSentEvent:
    """Messages without a name, so that every page hears them."""
    name = None if event.event == "message" else event.event
    return ServerSentEvent(id=event.id, event=name, data=_json(event))


def _json(event: PageEvent) -> str:
    return event.model_dump_json(include={"data"})[len('{"data":') : -1]
