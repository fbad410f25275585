"""What calls open beside their webhook: Twilio's further requests, sockets, inboxes, and the desk `phone`."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs

from fastapi import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from m2n.adapters.desk import DeskUnavailable
from m2n.adapters.desk_service import serve_desk
from m2n.adapters.edge_host import ChannelEdge, EdgeHost, Find
from m2n.events import DeskNotice, Reply
from m2n.lanes import LaneRefused, told_lane
from m2n.message import Address
from m2n.service import background
from m2n.wake_ups import WakeUps
from services.channels.voice.calls import CallKey, Calls
from services.channels.voice.incoming import find_line
from services.channels.voice.relay import add_socket
from services.channels.voice.routes import router
from services.channels.voice.telling import Telling
from services.handover.phone.adapter import Asked, PhoneDesk
from services.handover.phone.settings import Target
from services.handover.phone.transfer import Transfer


class VoiceEdge:
    @asynccontextmanager
    async def open(self, host: EdgeHost) -> AsyncIterator[None]:
        wakeups = WakeUps(host.redis, "voice")
        calls = Calls(host.database, wakeups)
        await calls.prepare()
        telling = Telling(host, calls)
        host.app.include_router(router(host, calls, telling))
        add_socket(host, calls, telling)
        serve_desk(host.service, PhoneDesk(DeskCalls(host, calls), lambda reply: _tell(host, reply)))
        async with background("voice wake-ups", wakeups.listen)():
            yield
        await telling.close()

    def middleware(self, app: ASGIApp, find: Find) -> ASGIApp:
        return StatusCallbacks(app)


class StatusCallbacks:
    """Leads a call's status callbacks, which share the address of its webhook, to the route that ends the call."""

    _WEBHOOK = re.compile(r"/webhooks/voice/([^/]+)")

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """``raw_path`` stays: the signature is over the address that Twilio asked."""
        webhook = self._WEBHOOK.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if webhook and b"status" in parse_qs(scope["query_string"]).get(b"event", []):
            scope = {**scope, "path": f"/voice/{webhook[1]}/status"}
        await self._app(scope, receive, send)


@dataclass(frozen=True)
class DeskCalls:
    """The live calls as the desk `phone` needs them."""

    host: EdgeHost
    calls: Calls

    async def target(self, address: Address) -> Target | None:
        try:
            return (await find_line(self.host, address.connection)).settings.transfer
        except HTTPException as refused:
            if refused.status_code == 503:
                raise DeskUnavailable("the tenants cannot be asked now") from refused
            return None

    async def ask_transfer(self, tenant: str, address: Address, transfer: Transfer) -> tuple[Asked, Transfer]:
        kept = await self.calls.ask_transfer(CallKey(tenant, address.connection, address.to), transfer)
        if kept is None:
            return Asked.OVER, transfer
        return (Asked.OVER if kept.ended_at else Asked.WAITS), kept

    async def recall(self, transfer: str, notice: DeskNotice) -> None:
        await self.calls.recall(transfer, notice)


async def _tell(host: EdgeHost, reply: Reply) -> None:
    answer = await told_lane(host.dapr, reply.tenant, reply.profile_id, "reply", reply)
    if answer.result == "refused":
        raise LaneRefused(answer.why)


edge: ChannelEdge = VoiceEdge()
