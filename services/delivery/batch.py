"""Sends a batch of one conversation in order and says what became of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import httpx

from m2n import clock
from m2n.adapters.channel import CallOutcome, Channel, Retry, VendorCall
from m2n.events import DeliveryReport, OutboundBatch, Outcome, SendResult
from m2n.message import Outbound, VendorError
from m2n.tenant import Connection
from services.delivery.sending import Sender, SentRecord

RETRY_S = 1.0
"""When the vendor says nothing better; the lane stretches it with each time."""


@dataclass(frozen=True)
class Route:
    """How a message's channel is reached."""

    channel: Channel
    connection: Connection
    secrets: Mapping[str, str]


class NoRoute(LookupError):
    """The message's connection is gone or its channel unknown."""


FindRoute = Callable[[Outbound], Awaitable[Route]]


@dataclass
class BatchSender:
    sender: Sender
    find_route: FindRoute
    public_url: str

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
        try:
            route = await self.find_route(message)
        except NoRoute as gone:
            return _refused(message, VendorError(code="m2n-no-route", reason=str(gone)))
        callback = f"{self.public_url}/webhooks/{route.channel.name}/{route.connection.id}?ref={message.id}"
        try:
            calls = route.channel.render(message, route.connection, route.secrets, callback)
        except ValueError as bad:
            return _refused(message, VendorError(code="m2n-not-renderable", reason=type(bad).__name__))
        return await self._make_calls(message, route.channel, calls)

    async def _make_calls(
        self, message: Outbound, channel: Channel, calls: tuple[VendorCall, ...]
    ) -> SendResult | Retry:
        """A long message may take several calls; the message is what its worst part is."""
        parts: list[SentRecord] = []
        for number, call in enumerate(calls):
            sent = await self.sender.send(f"sent:{message.tenant}:{message.id}:{number}", call, _reader(channel))
            if not isinstance(sent, SentRecord):
                return sent
            parts.append(sent)
            if sent.outcome is Outcome.REFUSED:
                break
        return _combined(message, parts)


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
        because=f"{waits.error.code} {waits.error.reason}".strip() if waits else "",
    )
