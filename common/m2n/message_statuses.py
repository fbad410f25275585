"""What became of messages to customers: send results and vendors' receipts, in MongoDB's ``messages``.

One document a message, made by whoever comes first: the transcript's line, the send result or a receipt.
"""

from collections.abc import Sequence
from typing import Any

from m2n.bulk_writes import BulkWriter, Write
from m2n.database import Database
from m2n.events import SendResult
from m2n.message import Receipt, ReceiptStatus

_OUTCOME_STATUS = {"accepted": "sent", "refused": "failed", "uncertain": "uncertain"}


class MessageStatuses:
    """Every call may come twice and then has one effect. Raises pymongo.errors.PyMongoError."""

    def __init__(self, database: Database) -> None:
        self._messages = database["messages"]
        self._writer = BulkWriter(self._messages)

    async def receipt(self, receipt: Receipt, message_ids: Sequence[str]) -> None:
        """Of each message, by rank, so that a late one never lowers its state; ``failed`` stands apart."""
        fields: dict[str, Any] = {"receipt_at": receipt.at}
        if receipt.error:
            fields["error"] = receipt.error.model_dump()
        if receipt.status is ReceiptStatus.FAILED:
            fields |= {"failed": True}
        status, rank = receipt.status.value, receipt.status.rank
        await self._writer.write([_status(receipt.tenant, id_, status, rank, fields) for id_ in message_ids])


def settling(tenant: str, result: SendResult) -> Write:
    """The write that records what became of a message of ours, beneath any receipt that came already."""
    status = _OUTCOME_STATUS[result.outcome.value]
    fields: dict[str, Any] = {"vendor_message_id": result.vendor_message_id, "settled_at": result.at}
    if result.error:
        fields["error"] = result.error.model_dump()
    return _status(tenant, result.message_id, status, ReceiptStatus.SENT.rank if status == "sent" else 0, fields)


def _status(tenant: str, message_id: str, status: str, rank: int, fields: dict[str, Any]) -> Write:
    """One atomic step: details always, the status only upwards."""
    higher = {"$gt": [rank, {"$ifNull": ["$rank", -1]}]}
    values: dict[str, Any] = {name: {"$literal": value} for name, value in fields.items()}
    values["tenant"] = {"$literal": tenant}
    values["status"] = {"$cond": [higher, status, "$status"]}
    values["rank"] = {"$cond": [higher, rank, "$rank"]}
    return Write(f"{tenant}:{message_id}", [{"$set": values}])
