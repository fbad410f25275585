"""The public edge: who may post, what came, and onto the queue before the vendor gets its 2xx.

If the process dies before SQS has the message, the vendor got no 2xx and tries again; if after, the message is safe
and a repeat of the vendor's is known by its id.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from fastapi import HTTPException, Request, Response
from pymongo.errors import PyMongoError

from m2n import clock
from m2n.adapters.capabilities import OptOut
from m2n.adapters.channel import MalformedWebhook, Parsed, WebhookRequest
from m2n.adapters.edge_host import Resolved, as_received
from m2n.adapters.registry import UnknownAdapter, channel
from m2n.crash_points import crash_point
from m2n.dapr import DaprUnavailable, NotTaken
from m2n.dead_letter_keeping import LetterKeeper, NotKept
from m2n.deadletters import failed_webhook
from m2n.message import Hop, Inbound, Receipt
from m2n.opt_out import consent_word
from m2n.queue import InboundQueue, QueueUnavailable
from m2n.telemetry import UNREADABLE, log
from m2n.tenant import ConnectionKind
from m2n.tenants import TenantDirectory, UnknownConnection, UnknownTenant
from services.webhooks.receipts import Receipts

UNKNOWN = HTTPException(404, "no such webhook")
NOTE_WITHIN_S = 5.0
"""Receipts are many; a vendor whose receipts wait for the database for long is asked to come again."""
NOTED_TOGETHER = 100
"""Their order does not matter: a status only rises."""
TRY_AGAIN = HTTPException(503, "not taken, please try again", headers={"retry-after": "2"})


@dataclass
class Edge:
    directory: TenantDirectory
    receipts: Receipts
    queue: InboundQueue
    keeper: LetterKeeper
    public_url: str

    async def take(self, channel_name: str, connection_id: str, request: Request) -> Response:
        """One webhook: 404 unknown, 403 not genuine, 400 unreadable, 503 not taken, else the vendor's answer."""
        resolved = await self.resolve(channel_name, connection_id)
        received_at = clock.now()
        webhook = as_received(self.public_url, request, request.method, await request.body())
        if not resolved.channel.verify(webhook, resolved.connection, resolved.secrets):
            log().warning("webhook refused: signature", tenant=resolved.tenant.id, connection=connection_id)
            raise HTTPException(403, "the signature is missing or wrong")
        try:
            parsed = resolved.channel.parse(webhook, resolved.tenant.id, resolved.connection, received_at)
        except MalformedWebhook as bad:
            UNREADABLE.labels(channel_name).inc()
            log().error("genuine webhook refused: unreadable", tenant=resolved.tenant.id, connection=connection_id)
            raise HTTPException(400, str(bad)) from bad
        await self.keep(parsed, resolved, received_at)
        answer = parsed.answer or resolved.channel.acknowledge(parsed)
        return Response(answer.body, answer.status, media_type=answer.media_type)

    async def keep(self, parsed: Parsed, resolved: Resolved, received_at: datetime | None = None) -> None:
        """Nothing of it can be lost any more when this returns. Raises HTTPException 503."""
        await self._set_aside(parsed, resolved, received_at or clock.now())
        await self._keep(parsed, resolved)

    async def take_again(self, channel_name: str, connection_id: str, body: bytes) -> None:
        """What could not be read before: 404 its connection is gone, 422 it still cannot be read, 503 not taken."""
        resolved = await self.resolve(channel_name, connection_id)
        url = f"{self.public_url.rstrip('/')}/webhooks/{channel_name}/{connection_id}"
        webhook = WebhookRequest("POST", url, {"content-type": "application/json"}, body)
        try:
            parsed = resolved.channel.parse(webhook, resolved.tenant.id, resolved.connection, clock.now())
        except MalformedWebhook as bad:
            raise HTTPException(422, str(bad)) from bad
        if parsed.unreadable:
            raise HTTPException(422, parsed.unreadable[0].reason)
        await self._keep(parsed, resolved)

    async def resolve(self, channel_name: str, connection_id: str) -> Resolved:
        """Raises 404 for anything that cannot be verified: unknown, another channel's, or without its secrets."""
        try:
            snapshot, connection = await self.directory.connection(connection_id)
            if connection.kind is not ConnectionKind.CHANNEL or connection.adapter != channel_name:
                raise UNKNOWN
            adapter = channel(channel_name)
            secrets = await self.directory.secrets(connection)
        except (UnknownConnection, UnknownTenant, UnknownAdapter, NotTaken) as unknown:
            raise UNKNOWN from unknown
        except DaprUnavailable as down:
            raise TRY_AGAIN from down
        if not all(secrets.get(name) for name in adapter.secrets):
            raise UNKNOWN
        return Resolved(snapshot.tenant, connection, adapter, secrets)

    async def _set_aside(self, parsed: Parsed, resolved: Resolved, received_at: datetime) -> None:
        """Before the vendor gets its 2xx: it will not bring them again. Its repeat of them is the same letter."""
        channel_name, connection = resolved.channel.name, resolved.connection.id
        for part in parsed.unreadable:
            UNREADABLE.labels(channel_name).inc()
            failure = failed_webhook(
                channel_name, connection, resolved.tenant.id, part.body, f"unreadable: {part.reason}", received_at
            )
            try:
                await self.keeper.keep(failure)
            except NotKept as lost:
                raise TRY_AGAIN from lost

    async def _keep(self, parsed: Parsed, resolved: Resolved) -> None:
        crash_point("webhooks.before-enqueue")
        try:
            await self.queue.send([_queued(message, resolved) for message in parsed.messages])
            crash_point("webhooks.after-enqueue")
            await self._note(parsed.receipts)
        except (QueueUnavailable, PyMongoError, DaprUnavailable, NotTaken, TimeoutError) as down:
            log().error("webhook not taken", error=type(down).__name__)
            raise TRY_AGAIN from down

    async def _note(self, receipts: tuple[Receipt, ...]) -> None:
        """Into the database before the vendor gets its 2xx: topics keep nothing for sure."""
        if receipts:
            async with asyncio.timeout(NOTE_WITHIN_S):
                for start in range(0, len(receipts), NOTED_TOGETHER):
                    await asyncio.gather(*map(self.receipts.note, receipts[start : start + NOTED_TOGETHER]))


def _queued(message: Inbound, resolved: Resolved) -> Inbound:
    """The message with what its channel can show and what its words mean for consent."""
    can, rules = resolved.channel.capabilities, resolved.tenant.rules.opt_out
    hop = Hop(service="webhooks", did="put on the queue", at=clock.now())
    consent = message.consent or consent_word(message.content, can.opt_out, rules.stop_words, rules.start_words)
    changes = {
        "trail": (*message.trail, hop),
        "choices_shown": can.choices_shown,
        "choice_length": can.choice_length,
        "consent": consent,
        "consent_answered": message.consent_answered or (True if consent and can.opt_out is OptOut.VENDOR else None),
    }
    return message.model_copy(update=changes)
