"""Vendors' receipts: into the database before the vendor gets its 2xx, whatever they name our message by."""

import asyncio
from dataclasses import dataclass

from m2n.dapr import DaprClient
from m2n.events import ConsentReport
from m2n.lanes import tell_lane
from m2n.message import Receipt
from m2n.message_statuses import MessageStatuses
from m2n.sent_receipts import SentReceipts

LOOK_EVERY_S = 1.0
AT_ONCE = 200


@dataclass
class Receipts:
    """Methods raise pymongo's errors, DaprUnavailable and NotTaken."""

    statuses: MessageStatuses
    sent: SentReceipts
    dapr: DaprClient

    async def note(self, receipt: Receipt) -> None:
        """Kept when this returns. May be repeated."""
        if not await self._apply(receipt) and receipt.vendor_message_id:
            await self.sent.wait(receipt)

    async def settle_waiting(self) -> None:
        """Look for the messages of receipts that came before delivery had noted them, for ever."""
        while True:
            async for id_, receipt in self.sent.waiting(AT_ONCE):
                if await self._apply(receipt):
                    await self.sent.settled(id_)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _apply(self, receipt: Receipt) -> bool:
        """Whether the receipt's messages are known."""
        messages = await self.sent.messages(receipt)
        await self.statuses.receipt(receipt, messages)
        if messages and receipt.opted_out:
            await tell_lane(self.dapr, _consent(receipt, messages[0]))
        return bool(messages)


def _consent(receipt: Receipt, message_id: str) -> ConsentReport:
    assert receipt.opted_out is not None
    return ConsentReport(
        tenant=receipt.tenant,
        profile_id=message_id.rsplit(".", 2)[0],
        connection=receipt.connection,
        opted_out=receipt.opted_out,
        code=receipt.error.code if receipt.error else "vendor",
        at=receipt.at,
    )
