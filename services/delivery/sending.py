"""Sends one message at most once in effect: intent before the call, result after it.

Where the process dies decides what the next try does: before the intent, it sends; between intent and result, the
vendor may have the message, so after the lease it is ``uncertain`` (or sent again where the vendor takes a repeat
once); after the result, the result is told again.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import httpx

from m2n.adapters.channel import Accepted, CallOutcome, Refused, Retry, Uncertain, VendorCall
from m2n.crash_points import crash_point
from m2n.dapr import DaprUnavailable, NotTaken
from m2n.events import Outcome
from m2n.message import Model, Moment, OptedOut, VendorError
from m2n.sent_receipts import Receiver
from m2n.telemetry import log

CALL_S = 10.0
"""A whole call takes no longer, whatever its parts take."""
LEASE = timedelta(seconds=CALL_S + 2)
"""Longer than a call can take: after it, nobody is sending the message any more."""
AFTER_LEASE_S = 0.2
IN_PROGRESS = VendorError(code="m2n-in-progress", reason="another try is sending it, or died while it did")


class SentRecord(Model):
    """What is known of one call: an intent with its lease, later its outcome."""

    until: Moment
    by: str = ""
    """Names the try that wrote the intent."""
    outcome: Outcome | None = None
    vendor_message_id: str | None = None
    error: VendorError | None = None
    opted_out: OptedOut | None = None
    window_closed: bool | None = None
    receiver: Receiver | None = None
    """Who gets the message, where the vendor's receipts do not name it."""


class StoreUnavailable(Exception):
    """The record could not be read, or perhaps not be written; trying again may help."""


class Store(Protocol):
    """Records by key. Methods raise StoreUnavailable."""

    async def create(self, key: str, record: SentRecord) -> bool:
        """Write the record unless there is one, in one atomic step; False when there is."""
        ...

    async def get(self, key: str) -> SentRecord | None: ...
    async def put(self, key: str, record: SentRecord) -> None: ...
    async def delete(self, key: str) -> None: ...


class NotReached(Exception):
    """Nothing of the call went out; its text names the failure."""


class NotAllowed(Exception):
    """The call may not be made at all; its text says why."""


class NoAnswer(Exception):
    """The call may have arrived; its text names the failure."""


class Transport(Protocol):
    async def __call__(self, call: VendorCall) -> httpx.Response:
        """Raises NotReached, NotAllowed, NoAnswer, DaprUnavailable, NotTaken, TimeoutError."""
        ...


Sent = SentRecord | Retry


@dataclass
class Sender:
    store: Store
    transport: Transport
    now: Callable[[], datetime]

    async def send(
        self,
        key: str,
        call: VendorCall,
        read: Callable[[httpx.Response], CallOutcome],
        receiver: Receiver | None = None,
    ) -> Sent:
        """Make the call unless it was made. Raises StoreUnavailable when intent cannot be written: nothing was sent."""
        intent = self._intent(receiver)
        if not await self._claim(key, intent):
            known = await self._known(key, call)
            if known is not None:
                return known
            intent = self._intent(receiver)
            await self.store.put(key, intent)
        left_s = (intent.until - self.now()).total_seconds()
        if left_s <= 0:
            return self._in_progress(intent)
        crash_point("delivery.after-intent")
        outcome = await self._call(call, read, min(CALL_S, left_s))
        crash_point("delivery.after-send")
        return await self._record(key, intent, outcome)

    async def has_begun(self, key: str) -> bool:
        """Whether some try has made the call, or may have. Raises StoreUnavailable."""
        return await self.store.get(key) is not None

    def _intent(self, receiver: Receiver | None) -> SentRecord:
        return SentRecord(until=self.now() + LEASE, by=secrets.token_hex(8), receiver=receiver)

    async def _claim(self, key: str, intent: SentRecord) -> bool:
        """Write the intent unless there is one. When the answer is lost, it may stand there all the same: look."""
        try:
            return await self.store.create(key, intent)
        except StoreUnavailable:
            found = await self.store.get(key)
            if found is None or found.by != intent.by:
                raise
            return True

    async def _known(self, key: str, call: VendorCall) -> Sent | None:
        """What an earlier try left; None when the call may be made (again)."""
        record = await self.store.get(key)
        if record is None:
            return Retry(IN_PROGRESS)
        if record.outcome is not None:
            return record
        if self.now() < record.until:
            return self._in_progress(record)
        if call.repeatable:
            return None
        error = VendorError(code="m2n-interrupted", reason="the sender died while the vendor was answering")
        return await self._record(key, record, Uncertain(error))

    def _in_progress(self, intent: SentRecord) -> Retry:
        """Another try may be sending it at this moment; once its lease is over, this can be told."""
        return Retry(IN_PROGRESS, max((intent.until - self.now()).total_seconds(), 0) + AFTER_LEASE_S)

    async def _call(
        self, call: VendorCall, read: Callable[[httpx.Response], CallOutcome], within_s: float
    ) -> CallOutcome:
        """Never outlives the intent's lease, also where writing the intent took long."""
        try:
            async with asyncio.timeout(within_s):
                answer = await self.transport(call)
            return read(answer)
        except NotReached as failed:
            return Retry(VendorError(code="m2n-unreachable", reason=str(failed)))
        except NotAllowed as forbidden:
            return Refused(VendorError(code="m2n-not-allowed", reason=str(forbidden)))
        except (NoAnswer, DaprUnavailable, NotTaken, TimeoutError) as failed:
            reason = str(failed) if isinstance(failed, NoAnswer) else type(failed).__name__
            error = VendorError(code="m2n-no-answer", reason=reason)
            return Retry(error) if call.repeatable else Uncertain(error)

    async def _record(self, key: str, intent: SentRecord, outcome: CallOutcome) -> SentRecord | Retry:
        if isinstance(outcome, Retry):
            await self._forget(key)
            return outcome
        record = _result(intent, outcome)
        try:
            await self.store.put(key, record)
        except StoreUnavailable as failed:
            # The report still goes out; were it lost too, the intent alone would say 'uncertain', never 'again'.
            log().warning("send result not recorded", error=type(failed).__name__)
        return record

    async def _forget(self, key: str) -> None:
        try:
            await self.store.delete(key)
        except StoreUnavailable as failed:
            log().warning("send intent not taken back", error=type(failed).__name__)


def _result(intent: SentRecord, outcome: Accepted | Refused | Uncertain) -> SentRecord:
    record = SentRecord(until=intent.until, receiver=intent.receiver)
    match outcome:
        case Accepted(vendor_message_id):
            changes = {"outcome": Outcome.ACCEPTED, "vendor_message_id": vendor_message_id}
        case Refused(error, opted_out, window_closed):
            changes = {"outcome": Outcome.REFUSED, "error": error, "opted_out": opted_out}
            changes["window_closed"] = window_closed or None
        case Uncertain(error):
            changes = {"outcome": Outcome.UNCERTAIN, "error": error}
    return record.model_copy(update=changes)
