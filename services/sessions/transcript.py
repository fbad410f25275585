"""The transcript in MongoDB: one document a line, written once by (tenant, session, sequence)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, UpdateOne
from pymongo.asynchronous.database import AsyncDatabase

from m2n.events import SendResult
from m2n.message import Author, Receipt, ReceiptStatus
from services.sessions.lane import TranscriptLine

_OUTCOME_STATUS = {"accepted": "sent", "refused": "failed", "uncertain": "uncertain"}


class Transcript:
    """Collection ``messages``. Every call may come twice and then has one effect."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        self._messages = database["messages"]

    async def prepare(self) -> None:
        by_session = [("tenant", ASCENDING), ("session_id", ASCENDING), ("seq", ASCENDING)]
        # Partial: a receipt may come before its line, and its document then has no sequence number yet.
        known = {"seq": {"$exists": True}}
        await self._messages.create_index(by_session, unique=True, partialFilterExpression=known, name="lines")
        await self._messages.create_index([("tenant", ASCENDING), ("profile_id", ASCENDING), ("at", ASCENDING)])

    async def write(self, tenant: str, profile_id: str, lines: Sequence[TranscriptLine]) -> None:
        """Insert what is not there yet; a delivery result that came earlier is kept."""
        updates = [_insert(tenant, profile_id, entry) for entry in lines]
        if updates:
            await self._messages.bulk_write(updates, ordered=False)

    async def settle(self, tenant: str, result: SendResult) -> None:
        """Record what became of a message of ours, beneath any receipt that came already."""
        status = _OUTCOME_STATUS[result.outcome.value]
        fields: dict[str, Any] = {"vendor_message_id": result.vendor_message_id, "settled_at": result.at}
        if result.error:
            fields["error"] = result.error.model_dump()
        rank = ReceiptStatus.SENT.rank if status == "sent" else 0
        await self._raise_status(tenant, result.message_id, status, rank, fields)

    async def receipt(self, receipt: Receipt) -> None:
        """A vendor's receipt: by rank, so that a late one never lowers the state; ``failed`` stands apart."""
        fields: dict[str, Any] = {"receipt_at": receipt.at}
        if receipt.error:
            fields["error"] = receipt.error.model_dump()
        if receipt.status is ReceiptStatus.FAILED:
            fields |= {"failed": True}
        await self._raise_status(receipt.tenant, receipt.message_id, receipt.status.value, receipt.status.rank, fields)

    async def _raise_status(self, tenant: str, message_id: str, status: str, rank: int, fields: dict[str, Any]) -> None:
        """One atomic step: details always, the status only upwards."""
        higher = {"$gt": [rank, {"$ifNull": ["$rank", -1]}]}
        values: dict[str, Any] = {name: {"$literal": value} for name, value in fields.items()}
        values["tenant"] = {"$literal": tenant}
        values["status"] = {"$cond": [higher, status, "$status"]}
        values["rank"] = {"$cond": [higher, rank, "$rank"]}
        await self._messages.update_one({"_id": f"{tenant}:{message_id}"}, [{"$set": values}], upsert=True)

    async def of_session(self, tenant: str, session_id: str, after: int = 0, limit: int = 200) -> list[dict[str, Any]]:
        where = {"tenant": tenant, "session_id": session_id, "seq": {"$gt": after}}
        return await self._messages.find(where, {"_id": 0}).sort("seq", ASCENDING).limit(limit).to_list()

    async def recent(self, tenant: str, profile_id: str, since: datetime, limit: int) -> list[dict[str, Any]]:
        where = {"tenant": tenant, "profile_id": profile_id, "at": {"$gte": since}}
        return await self._messages.find(where, {"_id": 0}).sort("at", ASCENDING).limit(limit).to_list()


def _insert(tenant: str, profile_id: str, entry: TranscriptLine) -> UpdateOne:
    line = entry.line
    document = {
        "tenant": tenant,
        "profile_id": profile_id,
        "session_id": entry.session_id,
        "seq": line.seq,
        "author": line.author.value,
        "author_name": line.author_name,
        "content": line.content.model_dump(mode="json", exclude_none=True),
        "at": line.at,
        "channel": entry.channel,
        "connection": entry.connection,
        "epoch": entry.epoch,
        "intent": entry.intent,
        "confidence": entry.confidence,
        "because": entry.because,
        "trail": [hop.model_dump() for hop in entry.trail],
    }
    if line.author is Author.CUSTOMER:
        document["vendor_message_id"] = entry.vendor_message_id
    key = {"_id": f"{tenant}:{entry.session_id}.{line.seq}"}
    return UpdateOne(key, {"$set": document}, upsert=True)
