"""What the chat opens beside its webhook: visitors' tokens, event streams, inboxes and files, and the widget."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp

from m2n.adapters.edge_host import ChannelEdge, EdgeHost, Find
from m2n.clock import now
from m2n.service import background
from m2n.wake_ups import WakeUps
from services.channels.webchat import widget
from services.channels.webchat.cors import OwnWebhook, WebChatCors
from services.channels.webchat.doors import Doors
from services.channels.webchat.inbox import VisitorInbox
from services.channels.webchat.limits import RedisLimiter
from services.channels.webchat.lookup import Lookup, Resolved
from services.channels.webchat.parse import CHANNEL
from services.channels.webchat.posting import Posting
from services.channels.webchat.routes import Reading, router
from services.channels.webchat.uploads import LINK_FOR, Uploads
from services.channels.webchat.users import UserVisitors
from services.channels.webchat.visitors import Entrance


class WebChatEdge:
    @asynccontextmanager
    async def open(self, host: EdgeHost) -> AsyncIterator[None]:
        wakeups = WakeUps(host.redis, "webchat")
        inbox, users = VisitorInbox(host.database, wakeups), UserVisitors(host.database)
        await inbox.prepare()
        await users.prepare()
        doors = Doors(_lookup(host.find), RedisLimiter(host.redis), now)
        reading = Reading(doors, inbox, lambda tenant, media_id: host.media.link(tenant, media_id, LINK_FOR))
        posting = Posting(doors, inbox, host, host.settings.public_url)
        host.app.include_router(router(reading, Entrance(doors, users), posting, Uploads(doors, host.media)))
        host.app.include_router(widget.router())
        async with background("webchat wake-ups", wakeups.listen)():
            yield

    def middleware(self, app: ASGIApp, find: Find) -> ASGIApp:
        return WebChatCors(OwnWebhook(app), _lookup(find))


def _lookup(find: Find) -> Lookup:
    async def chat(connection_id: str) -> Resolved:
        found = await find(CHANNEL, connection_id)
        return Resolved(found.tenant.id, found.connection, found.secrets)

    return chat


edge: ChannelEdge = WebChatEdge()
