"""Customers who do not wait: each message is posted at its time, whatever became of the one before.

The load of the fault campaign posts a customer's next message when the last one was acknowledged, and again until it
is. The real vendor does neither.
"""

import asyncio
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults.customers import Customer
from tests.faults.journal import Journal
from tests.faults.posting import Posted, Vendor, outcome_of
from tests.faults.site import Site
from tests.faults.webhooks import Webhook

UNREACHED = ("ConnectError", "ConnectTimeout")
"""After these the vendor tries once more, and after nothing else."""


@dataclass(frozen=True)
class Message:
    """To be posted ``at_s`` seconds after the start; ``serial`` counts the customer's messages from 1."""

    at_s: float
    customer: Customer
    serial: int


class Writing:
    """Posts messages and adds them to the run's records. ``insists``: it posts again until the webhook is answered."""

    def __init__(self, site: Site, folder: Path, *, insists: bool) -> None:
        self._vendor, self._insists = Vendor(site), insists
        self._journal = Journal(folder / "accepted.jsonl")
        self.accepted = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._vendor.close()
        self._journal.close()

    async def write(self, messages: Iterable[Message]) -> None:
        """Returns when each was accepted, refused or given up."""
        began_ns = time.time_ns()
        async with asyncio.TaskGroup() as posting:
            for message in messages:
                posting.create_task(self._write(message, began_ns + int(message.at_s * 1e9)))

    async def _write(self, message: Message, planned_ns: int) -> None:
        await asyncio.sleep((planned_ns - time.time_ns()) / 1e9)
        sid, customer = f"SM{secrets.token_hex(16)}", message.customer
        webhook = customer.webhook(sid, f"{customer.line.tenant} {customer.label} {message.serial}")
        posted = await (self._vendor.deliver(webhook) if self._insists else self._post_as_twilio(webhook))
        self.accepted += posted.outcome == "accepted"
        self._journal.write(
            {
                "what": posted.outcome,
                "tenant": customer.line.tenant,
                "label": customer.label,
                "serial": message.serial,
                "sid": sid,
                "planned_ns": planned_ns,
                "sent_ns": posted.sent_ns,
                "accepted_ns": posted.ended_ns if posted.outcome == "accepted" else None,
                "statuses": posted.statuses,
            }
        )

    async def _post_as_twilio(self, webhook: Webhook) -> Posted:
        sent_ns, statuses = time.time_ns(), [await self._vendor.post(webhook)]
        if statuses[0] in UNREACHED:
            statuses.append(await self._vendor.post(webhook))
        return Posted(outcome_of(statuses[-1]) or "given_up", sent_ns, time.time_ns(), tuple(statuses))
