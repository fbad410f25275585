"""What a page posts: as for any webhook, and besides into the visitor's own inbox, counted, and only of one's own.

The message is put into the inbox before the queue gets it, so that it stands above its answer. If the process dies in
between, the page has no 2xx and posts it again; both take each id once.
"""

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Protocol

from fastapi import HTTPException, Request, Response
from pymongo.errors import PyMongoError

from m2n.adapters.channel import MalformedWebhook, Parsed, WebhookRequest
from m2n.adapters.edge_host import Resolved, as_received
from m2n.message import Inbound
from m2n.telemetry import UNREADABLE, log
from services.channels.webchat.browser import shown_own
from services.channels.webchat.doors import TRY_AGAIN, Doors
from services.channels.webchat.inbox import MessageTooLarge, VisitorInbox, VisitorKey
from services.channels.webchat.lookup import Chat
from services.channels.webchat.parse import CHANNEL
from services.channels.webchat.tokens import Visitor


class Keeper(Protocol):
    """What is needed of ``EdgeHost``."""

    async def find(self, channel: str, connection_id: str) -> Resolved: ...
    def keep(self, parsed: Parsed, resolved: Resolved) -> Awaitable[None]: ...


@dataclass(frozen=True)
class Posting:
    doors: Doors
    inbox: VisitorInbox
    host: Keeper
    public_url: str

    async def take(self, connection: str, request: Request) -> Response:
        """One post: 404 unknown, 403 not from the visitor, 400 unreadable, 429 too many, 503 not taken."""
        chat = await self.doors.chat(connection)
        await self.doors.count_address(chat, "posts", chat.settings.limits.address_posts, request)
        resolved = await self.host.find(CHANNEL, connection)
        webhook = as_received(self.public_url, request, request.method, await request.body())
        if not resolved.channel.verify(webhook, resolved.connection, resolved.secrets):
            log().warning("web chat post refused: token", tenant=chat.tenant, connection=connection)
            raise HTTPException(403, "the token is missing, wrong or over, or this site is not allowed")
        parsed = self._parsed(webhook, resolved)
        visitor = self.doors.visitor(chat, request)
        await self._count(chat, visitor, parsed)
        await self._keep(chat.inbox(visitor.id), parsed, resolved)
        answer = resolved.channel.acknowledge(parsed)
        return Response(answer.body, answer.status, media_type=answer.media_type)

    def _parsed(self, webhook: WebhookRequest, resolved: Resolved) -> Parsed:
        try:
            return resolved.channel.parse(webhook, resolved.tenant.id, resolved.connection, self.doors.clock())
        except MalformedWebhook as bad:
            UNREADABLE.labels(CHANNEL).inc()
            raise HTTPException(400, str(bad)) from bad

    async def _count(self, chat: Chat, visitor: Visitor, parsed: Parsed) -> None:
        limits = chat.settings.limits
        if any(_is_said(message) for message in parsed.messages):
            await self.doors.count_visitor(chat, "messages", limits.messages, visitor)
        else:
            await self.doors.count_visitor(chat, "notes", limits.notes, visitor)

    async def _keep(self, key: VisitorKey, parsed: Parsed, resolved: Resolved) -> None:
        """Receipts count for messages of the visitor's own inbox; others are nobody's business here."""
        said = [shown_own(message) for message in parsed.messages if _is_said(message)]
        try:
            for message in said:
                await self.inbox.append(key, message)
            await self.host.keep(await self._own_receipts(key, parsed), resolved)
            for message in said:
                await self.inbox.confirm(key, message.id)
        except MessageTooLarge as large:
            raise HTTPException(413, str(large)) from None
        except PyMongoError as away:
            raise TRY_AGAIN from away

    async def _own_receipts(self, key: VisitorKey, parsed: Parsed) -> Parsed:
        if not parsed.receipts:
            return parsed
        known = await self.inbox.known(key, [receipt.message_id or "" for receipt in parsed.receipts])
        return replace(parsed, receipts=tuple(one for one in parsed.receipts if one.message_id in known))


def _is_said(message: Inbound) -> bool:
    """Whether it stands in the conversation."""
    return message.content.type != "typing"
