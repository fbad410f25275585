"""What a page is told: messages, and beside them what is only true now; the same over a stream and a long poll."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from pydantic import BaseModel

from m2n.message import media_of
from m2n.serialization import to_json
from m2n.wake_ups import Waiter
from services.channels.webchat.browser import BrowserMessage
from services.channels.webchat.inbox import VisitorInbox, VisitorKey

LOOK_AGAIN_S = 3.0
"""A waiting reader looks into the inbox after so many seconds, also when nothing woke it."""
FreshLinks = Callable[[BrowserMessage], BrowserMessage]


class PageEvent(BaseModel):
    """``message`` is a message; ``status`` says what became of the visitor's own; ``typing`` that somebody types."""

    event: Literal["message", "status", "typing"]
    id: str | None = None
    data: dict[str, Any]


class PageEvents(BaseModel):
    """Answer of GET /webchat/{connection}/messages."""

    events: tuple[PageEvent, ...]


@dataclass
class Reader:
    """One page that reads an inbox from a message on. ``both``: also what the visitor said, and the other events.

    ``knows_status``: the page has been told ``read_to``; else it is told the first time, whatever it is.
    """

    inbox: VisitorInbox
    key: VisitorKey
    last: str | None
    both: bool
    fresh: FreshLinks
    read_to: str | None = None
    knows_status: bool = False

    async def stream(self, goes_on: Callable[[], bool]) -> AsyncIterator[PageEvent]:
        with self.inbox.wakeups.waiter(self.key.id) as waiter:
            while goes_on():
                for event in await self._news():
                    yield event
                for event in await self._notes(waiter, LOOK_AGAIN_S):
                    yield event

    async def poll(self, wait_s: float) -> tuple[PageEvent, ...]:
        """What there is, or what comes within the time."""
        until = asyncio.get_running_loop().time() + wait_s
        with self.inbox.wakeups.waiter(self.key.id) as waiter:
            while True:
                events = await self._news()
                left_s = until - asyncio.get_running_loop().time()
                if events or left_s <= 0:
                    return events
                events = await self._notes(waiter, min(left_s, LOOK_AGAIN_S))
                if events:
                    return events

    async def _news(self) -> tuple[PageEvent, ...]:
        news = await self.inbox.news(self.key, self.last, self.read_to)
        self.last = news.messages[-1].id if news.messages else self.last
        messages = tuple(self._message(message) for message in news.messages if self.both or not message.is_own)
        if not self.both or (self.knows_status and news.read_to == self.read_to):
            return messages
        self.knows_status, self.read_to = True, news.read_to
        return (*messages, PageEvent(event="status", data={"read_to": self.read_to}))

    def _message(self, message: BrowserMessage) -> PageEvent:
        data = orjson.loads(to_json(self.fresh(message)))
        return PageEvent(event="message", id=message.id, data=data)

    async def _notes(self, waiter: Waiter, at_most_s: float) -> tuple[PageEvent, ...]:
        notes = await waiter.wait(at_most_s)
        return tuple(_noted(notes)) if self.both else ()


def _noted(notes: tuple[str, ...]) -> Iterator[PageEvent]:
    for note in notes:
        kind, _, rest = note.partition(" ")
        if kind == "typing":
            yield PageEvent(event="typing", data=orjson.loads(rest))
        elif kind == "sent":
            yield PageEvent(event="status", data={"sent": rest})


def with_fresh_links(link: Callable[[str], str]) -> FreshLinks:
    """Messages with new links to stored media: those with which they came may have run out. ``link`` is by media id."""

    def fresh(message: BrowserMessage) -> BrowserMessage:
        media = media_of(message.content)
        if media is None or media.id is None:
            return message
        linked = media.model_copy(update={"url": _made(link, media.id) or media.url})
        return message.model_copy(update={"content": message.content.model_copy(update={"media": linked})})

    return fresh


def _made(link: Callable[[str], str], media_id: str) -> str | None:
    """None in an installation without a key for links."""
    try:
        return link(media_id)
    except ValueError:
        return None
