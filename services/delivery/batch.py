"""Sends a batch of one conversation in order and says what became of it."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from m2n import clock
from m2n.adapters.capabilities import Capabilities, Rate
from m2n.adapters.channel import CallOutcome, Channel, Retry, SendContext, VendorCall
from m2n.adapters.degradation import NotShowable, rendered
from m2n.events import DeliveryReport, OutboundBatch, Outcome, SendResult
from m2n.media_fetching import MediaProblem
from m2n.message import Outbound, VendorError
from m2n.sent_receipts import Receiver
from m2n.tenant import Connection
from services.delivery.sending import Sender, SentRecord
from services.delivery.windows import in_template, is_closed, refusal

RETRY_S = 1.0
"""When the vendor says nothing better; the lane stretches it with each time."""
REST_S = 5.0
"""A connection of which the vendor has had too much, and does not say for how long."""
WAIT_HERE_S = 0.25
"""A place in a rate that is so near is waited for here; for a later one the message comes again."""
MOST_OF_CONNECTION = 24
"""Of the 32 workers of a sidecar: whatever a slow vendor of one tenant does, the others' messages find one."""
FULL = Retry(VendorError(code="m2n-busy", reason="many messages of the connection are being sent"), 0.5)


@dataclass(frozen=True)
class Route:
    """How a message's channel is reached."""

    channel: Channel
    connection: Connection
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def rate(self) -> Rate | None:
        own = self.connection.rate
        return Rate(own.per_s, own.burst) if own else self.channel.capabilities.rate


class NoRoute(LookupError):
    """The message's connection is gone, another tenant's, or its channel unknown."""


FindRoute = Callable[[str, str], Awaitable[Route]]
"""Of a tenant's connection. Raises NoRoute."""


@dataclass(frozen=True)
class Placed(Retry):
    """The message has a place in the connection's rate, after exactly so long."""


class Pace(Protocol):
    """See ``services.delivery.rates.Rates``."""

    async def wait_s(
        self, connection: str, to: str, message: str, calls: int, rate: Rate | None, pair_rate: Rate | None
    ) -> float: ...
    async def block(self, connection: str, seconds: float) -> None: ...


class MediaOut(Protocol):
    """See ``services.delivery.outgoing_media.OutgoingMedia``."""

    def with_link(self, message: Outbound) -> Outbound: ...
    async def files(self, message: Outbound, can: Capabilities) -> Mapping[str, bytes]: ...


@dataclass
class BatchSender:
    sender: Sender
    find_route: FindRoute
    public_url: str
    rates: Pace
    media: MediaOut
    _busy: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def send(self, batch: OutboundBatch) -> DeliveryReport:
        """Stops at the first message that has to wait, so that none overtakes it."""
        results: list[SendResult] = []
        for message in batch.messages:
            result = await self._send_message(message)
            if isinstance(result, Retry):
                return _report(batch, results, result)
            results.append(result)
        return _report(batch, results)

    async def _send_message(self, message: Outbound) -> SendResult | Retry:
        connection = message.address.connection
        try:
            route = await self.find_route(message.tenant, connection)
        except NoRoute as gone:
            return _refused(message, VendorError(code="m2n-no-route", reason=str(gone)))
        if self._busy[connection] >= MOST_OF_CONNECTION:
            return FULL
        self._busy[connection] += 1
        try:
            return await self._send_on(message, route)
        finally:
            self._busy[connection] -= 1
            if not self._busy[connection]:
                del self._busy[connection]

    async def _send_on(self, message: Outbound, route: Route) -> SendResult | Retry:
        """As it is; where the customer wrote too long ago, as the tenant's template.

        What an earlier try has sent as it is stays sent, though the window may have closed since.
        """
        closed = is_closed(message, route.channel, route.connection, clock.now())
        if closed and not await self.sender.has_begun(_key(message, 0)):
            return await self._in_template(message, route)
        sent = await self._sent(message, route)
        if isinstance(sent, _Sent) and sent.window_closed:
            return await self._in_template(message, route)
        return sent.result if isinstance(sent, _Sent) else sent

    async def _in_template(self, message: Outbound, route: Route) -> SendResult | Retry:
        template = in_template(message, route.connection)
        if template is None:
            return _refused(message, refusal())
        sent = await self._sent(template, route, ":template")
        return sent.result if isinstance(sent, _Sent) else sent

    async def _sent(self, message: Outbound, route: Route, suffix: str = "") -> "_Sent | Retry":
        message = self.media.with_link(message)
        try:
            calls = await self._rendered(message, route)
        except NotShowable as impossible:
            return _Sent(_refused(message, VendorError(code="m2n-not-showable", reason=str(impossible))))
        except MediaProblem as problem:
            error = VendorError(code="m2n-media", reason=str(problem))
            return Retry(error) if problem.passes else _Sent(_refused(message, error))
        except ValueError as bad:
            return _Sent(_refused(message, VendorError(code="m2n-not-renderable", reason=type(bad).__name__)))
        waits = await self._place(message, route, len(calls))
        return waits or await self._make_calls(message, route, calls, suffix)

    async def _rendered(self, message: Outbound, route: Route) -> tuple[VendorCall, ...]:
        """The message as the channel can show it, then as the vendor wants it. Raises ValueError, MediaProblem."""
        channel, connection = route.channel, route.connection
        callback = f"{self.public_url}/webhooks/{channel.name}/{connection.id}?ref={message.id}"
        files = await self.media.files(message, channel.capabilities)
        return rendered(channel, message, SendContext(connection, route.secrets, callback, clock.now(), files))

    async def _place(self, message: Outbound, route: Route, calls: int) -> Retry | None:
        """None: now. A message that was sent before is not kept waiting for long: its place is in the past."""
        pair_rate, to = route.channel.capabilities.pair_rate, message.address.to
        wait_s = await self.rates.wait_s(route.connection.id, to, message.id, calls, route.rate, pair_rate)
        if wait_s <= WAIT_HERE_S:
            await asyncio.sleep(wait_s)
            return None
        return Placed(VendorError(code="m2n-rate", reason="the vendor's rate is used up for now"), wait_s)

    async def _make_calls(
        self, message: Outbound, route: Route, calls: tuple[VendorCall, ...], suffix: str
    ) -> "_Sent | Retry":
        """A long message may take several calls; the message is what its worst part is."""
        parts: list[SentRecord] = []
        for number, call in enumerate(calls):
            sent = await self.sender.send(
                _key(message, number, suffix), call, _reader(route.channel), _receiver(message, route)
            )
            if not isinstance(sent, SentRecord):
                if sent.whole_connection:
                    await self.rates.block(route.connection.id, sent.after_s or REST_S)
                return sent
            parts.append(sent)
            if sent.outcome is Outcome.REFUSED:
                break
        closed = any(part.window_closed for part in parts) and len(parts) == 1
        return _Sent(_combined(message, parts), closed)


@dataclass(frozen=True)
class _Sent:
    result: SendResult
    window_closed: bool = False


def _key(message: Outbound, number: int, suffix: str = "") -> str:
    """Of the record of one call of a message."""
    return f"sent:{message.tenant}:{message.id}:{number}{suffix}"


def _receiver(message: Outbound, route: Route) -> Receiver | None:
    """Only where receipts have to be found by it: it makes each record dearer."""
    if not route.channel.capabilities.receipts_by_vendor_id:
        return None
    return Receiver(tenant=message.tenant, connection=route.connection.id, to=message.address.to)


def _reader(channel: Channel) -> Callable[[httpx.Response], CallOutcome]:
    return lambda answer: channel.outcome(answer.status_code, answer.headers, answer.content)


def _combined(message: Outbound, parts: list[SentRecord]) -> SendResult:
    worst = next((p for p in parts if p.outcome is Outcome.REFUSED), None)
    worst = worst or next((p for p in parts if p.outcome is Outcome.UNCERTAIN), None)
    last = worst or (parts[-1] if parts else None)
    return SendResult(
        message_id=message.id,
        outcome=last.outcome if last and last.outcome else Outcome.ACCEPTED,
        vendor_message_id=last.vendor_message_id if last else None,
        error=last.error if last else None,
        opted_out=last.opted_out if last else None,
        at=clock.now(),
    )


def _refused(message: Outbound, error: VendorError) -> SendResult:
    return SendResult(message_id=message.id, outcome=Outcome.REFUSED, error=error, at=clock.now())


def _report(batch: OutboundBatch, results: list[SendResult], waits: Retry | None = None) -> DeliveryReport:
    return DeliveryReport(
        tenant=batch.tenant,
        profile_id=batch.profile_id,
        results=tuple(results),
        retry_after_s=(waits.after_s or RETRY_S) if waits else None,
        exactly=True if isinstance(waits, Placed) else None,
        because=f"{waits.error.code} {waits.error.reason}".strip() if waits else "",
    )
