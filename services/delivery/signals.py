"""Shows customers that somebody is at work: typing, read. Such a call may get lost; nothing waits for it."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from m2n import clock
from m2n.adapters.channel import SendContext, Signal
from m2n.dapr import DaprUnavailable, NotTaken
from m2n.events import CustomerSignal
from m2n.telemetry import log
from services.delivery.batch import FindRoute, NoRoute
from services.delivery.sending import NoAnswer, NotAllowed, NotReached, Transport

WORTH = timedelta(seconds=15)
WITHIN_S = 3.0
AT_ONCE = 4
"""A vendor that does not answer takes no more workers than these from the messages."""


@dataclass
class Signals:
    transport: Transport
    find_route: FindRoute
    _shown: int = 0

    async def show(self, event: CustomerSignal) -> None:
        if clock.now() - event.at > WORTH or self._shown >= AT_ONCE:
            return
        self._shown += 1
        try:
            async with asyncio.timeout(WITHIN_S):
                await self._show(event)
        except (NoRoute, NotReached, NotAllowed, NoAnswer, DaprUnavailable, NotTaken, TimeoutError, ValueError) as lost:
            log().info("signal not shown", tenant=event.tenant, error=type(lost).__name__)
        finally:
            self._shown -= 1

    async def _show(self, event: CustomerSignal) -> None:
        route = await self.find_route(event.tenant, event.address.connection)
        context = SendContext(route.connection, route.secrets, "", clock.now())
        for kind in event.kinds:
            if kind in route.channel.capabilities.signals:
                signal = Signal(kind, event.address.to, event.vendor_message_id, event.author_name)
                for call in route.channel.signal(signal, context):
                    await self.transport(call)
