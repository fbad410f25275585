"""What a call tells the rest of the installation: words, ends, what was heard, and how a transfer goes."""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fastapi import HTTPException

from m2n import clock
from m2n.adapters.channel import Parsed
from m2n.adapters.edge_host import EdgeHost
from m2n.dapr import DaprUnavailable, NotTaken
from m2n.lanes import tell_lane
from m2n.message import Content, Inbound, Receipt, ReceiptStatus, VendorError
from m2n.telemetry import log
from services.channels.twilio_core.form import Fields
from services.channels.voice.calls import CallKey, CallLine, Calls
from services.channels.voice.incoming import Line
from services.channels.voice.parse import heard
from services.handover.phone import replies
from services.handover.phone.transfer import Transfer

KEEP_WITHIN_S = 4.0
KEEP_AGAIN_S = 0.3
NEVER_HEARD = VendorError(code="m2n-not-heard", reason="the caller hung up before it was said")


@dataclass
class Telling:
    host: EdgeHost
    calls: Calls
    _jobs: set[asyncio.Task[None]] = field(default_factory=set)

    async def keep_words(self, line: Line, found: Fields, content: Content, key: str, language: str | None) -> bool:
        """Onto the queue; False when that was not possible within the time that a caller can wait."""
        tenant, connection = line.resolved.tenant.id, line.resolved.connection.id
        message = heard(found, content, key, tenant, connection, clock.now(), language)
        return await self.keep(line, message)

    async def keep(self, line: Line, message: Inbound, within_s: float | None = None) -> bool:
        until = asyncio.get_running_loop().time() + (KEEP_WITHIN_S if within_s is None else within_s)
        while True:
            try:
                async with asyncio.timeout_at(until):
                    await self.host.keep(Parsed(messages=(message,)), line.resolved)
                return True
            except (HTTPException, TimeoutError) as away:
                if asyncio.get_running_loop().time() + KEEP_AGAIN_S >= until:
                    log().error("a caller's words were not taken", error=type(away).__name__)
                    return False
            await asyncio.sleep(KEEP_AGAIN_S)

    async def end(self, line: Line, key: CallKey, reason: str) -> None:
        """The caller has hung up: what is still to be said never will be."""
        unheard = await self.calls.end(key, reason)
        self._note(line, unheard, ReceiptStatus.FAILED, NEVER_HEARD)

    def said(self, line: Line, lines: Iterable[CallLine]) -> None:
        """Messages were handed to Twilio, which says them."""
        self._note(line, tuple(dict.fromkeys(one.message for one in lines)), ReceiptStatus.DELIVERED)

    async def joined(self, transfer: Transfer | None, name: str = "") -> None:
        """A human talks with the caller. The lane may be told twice."""
        if transfer and transfer.recalled_at is None:
            await self._tell(replies.joined(transfer, transfer.joined_at or clock.now(), name))

    async def ended(self, key: CallKey, transfer: Transfer) -> None:
        """The caller is back from the human; told again with the call's next request where it does not get through."""
        if transfer.told or transfer.ended_at is None:
            return
        told = transfer.recalled_at is not None or await self._tell(replies.ended(transfer, transfer.ended_at))
        if told:
            await self.calls.told_end(key, transfer.id)

    async def _tell(self, reply: Any) -> bool:
        try:
            if reply:
                await tell_lane(self.host.dapr, reply)
        except (DaprUnavailable, NotTaken) as away:
            log().error("the lane was not told of a transfer", error=type(away).__name__)
            return False
        return True

    def _note(
        self, line: Line, messages: tuple[str, ...], status: ReceiptStatus, error: VendorError | None = None
    ) -> None:
        """Beside the answer, which does not wait for it: only the transcript shows it."""
        if messages:
            receipts = tuple(_receipt(line, message, status, error, clock.now()) for message in messages)
            self._start(self._keep_receipts(line, Parsed(receipts=receipts)))

    async def _keep_receipts(self, line: Line, parsed: Parsed) -> None:
        try:
            await self.host.keep(parsed, line.resolved)
        except HTTPException:
            log().warning("what a caller heard was not noted", tenant=line.resolved.tenant.id)

    def _start(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    async def close(self) -> None:
        await asyncio.gather(*self._jobs, return_exceptions=True)


def _receipt(line: Line, message: str, status: ReceiptStatus, error: VendorError | None, at: datetime) -> Receipt:
    return Receipt(
        tenant=line.resolved.tenant.id,
        connection=line.resolved.connection.id,
        message_id=message,
        status=status,
        at=at,
        error=error,
    )
