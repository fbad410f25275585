"""Finds our message when a vendor's receipt does not name it: by the vendor's id, or as all that went to somebody.

Delivery's records (MongoDB's ``sent``) say what was sent to whom; a receipt that is faster than the record waits.
"""

from collections.abc import AsyncIterator
from datetime import timedelta

from pymongo import ASCENDING, DESCENDING

from m2n import clock
from m2n.database import Database, Document
from m2n.keys import digest
from m2n.message import Model, Moment, Receipt
from m2n.serialization import from_json, to_json

WAITS = timedelta(days=1)
"""A receipt of a message that we do not know by then is of another program of the account."""
AT_MOST = 200
"""So many of the newest messages before a watermark are looked at."""


class Receiver(Model):
    """Who gets a message, on which connection of which tenant."""

    tenant: str
    connection: str
    to: str

    @property
    def key(self) -> str:
        """Without the address in the clear."""
        return digest("receiver", self.tenant, self.connection, self.to)


def sent_fields(key: str, receiver: Receiver, vendor_message_id: str | None, began_at: Moment) -> Document:
    """What a record of delivery's is found by; ``began_at`` is before the vendor can have had the message."""
    fields: Document = {"receiver": receiver.key, "began_at": began_at, "message_id": _message_id(key)}
    if vendor_message_id:
        fields["vendor_key"] = _vendor_key(receiver.tenant, receiver.connection, vendor_message_id)
    return fields


def _vendor_key(tenant: str, connection: str, vendor_message_id: str) -> str:
    return digest("sent", tenant, connection, vendor_message_id)


def _message_id(key: str) -> str:
    """Of a record's key, ``sent:<tenant>:<message id>:<part>``; ids of tenants and messages have no colon."""
    return key.removesuffix(":template").split(":", 2)[2].rpartition(":")[0]


class SentReceipts:
    """Methods raise pymongo's errors."""

    def __init__(self, database: Database) -> None:
        self._sent, self._waiting = database["sent"], database["receipts_waiting"]

    async def prepare(self) -> None:
        known = {"receiver": {"$exists": True}}
        await self._sent.create_index(
            [("receiver", ASCENDING), ("began_at", DESCENDING)], partialFilterExpression=known, name="receivers"
        )
        await self._sent.create_index(
            "vendor_key", partialFilterExpression={"vendor_key": {"$exists": True}}, name="vendor_ids"
        )
        await self._waiting.create_index("since", expireAfterSeconds=int(WAITS.total_seconds()))

    async def messages(self, receipt: Receipt) -> tuple[str, ...]:
        """Ids of our messages that the receipt is about."""
        if receipt.message_id:
            return (receipt.message_id,)
        if receipt.vendor_message_id:
            where: Document = {"vendor_key": _vendor_key(receipt.tenant, receipt.connection, receipt.vendor_message_id)}
        else:
            receiver = Receiver(tenant=receipt.tenant, connection=receipt.connection, to=receipt.to or "")
            where = {"receiver": receiver.key, "began_at": {"$lte": receipt.until}}
        found = await self._sent.find(where, {"message_id": 1}).sort("began_at", DESCENDING).limit(AT_MOST).to_list()
        return tuple(dict.fromkeys(each["message_id"] for each in found))

    async def wait(self, receipt: Receipt) -> None:
        """Keep a receipt whose message is not known yet, once."""
        text = to_json(receipt).decode()
        id_ = digest(receipt.tenant, receipt.connection, receipt.vendor_message_id or "", receipt.status.value)
        await self._waiting.update_one(
            {"_id": id_}, {"$setOnInsert": {"text": text, "since": clock.now()}}, upsert=True
        )

    async def waiting(self, limit: int) -> AsyncIterator[tuple[str, Receipt]]:
        """Receipts that have waited and whose messages are known by now.

        The newest ``limit`` are looked at: the messages of old ones are mostly another program's.
        """
        kept = await self._waiting.find().sort("since", DESCENDING).limit(limit).to_list()
        receipts = {each["_id"]: from_json(Receipt, each["text"]) for each in kept}
        keys = {id_: _vendor_key(r.tenant, r.connection, r.vendor_message_id or "") for id_, r in receipts.items()}
        found = await self._sent.find({"vendor_key": {"$in": list(keys.values())}}, {"vendor_key": 1}).to_list()
        known = {each["vendor_key"] for each in found}
        for id_, receipt in receipts.items():
            if keys[id_] in known:
                yield id_, receipt

    async def settled(self, id_: str) -> None:
        await self._waiting.delete_one({"_id": id_})
