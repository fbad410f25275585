"""What was sent, in MongoDB's ``sent``: one document a call, made by one try, whatever the others do."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from pymongo.errors import DuplicateKeyError, PyMongoError

from m2n import clock
from m2n.bulk_writes import BulkWriter, Write
from m2n.database import Database, Document
from m2n.sent_receipts import sent_fields
from m2n.serialization import from_json
from services.delivery.sending import LEASE, SentRecord, StoreUnavailable

KEPT = timedelta(days=9)
"""Longer than a lane tries to send a message, and than a vendor brings a message again."""


class SentStore:
    """Every message has two writes here, so they go to MongoDB by the shortest way, those of many messages together.

    Methods raise StoreUnavailable.
    """

    def __init__(self, database: Database) -> None:
        self._sent = database["sent"]
        self._writer = BulkWriter(self._sent)

    async def prepare(self) -> None:
        await self._sent.create_index("expires_at", expireAfterSeconds=0, name="expiry")

    async def create(self, key: str, record: SentRecord) -> bool:
        """Write the record unless there is one, in one atomic step; False when there is."""
        with _unavailable():
            try:
                await self._writer.write([Write(key, _document(key, record), "insert")])
            except DuplicateKeyError:
                return False
            return True

    async def put(self, key: str, record: SentRecord) -> None:
        with _unavailable():
            await self._writer.write([Write(key, _document(key, record), "replace")])

    async def get(self, key: str) -> SentRecord | None:
        with _unavailable():
            found = await self._sent.find_one({"_id": key})
        return from_json(SentRecord, found["record"]) if found else None

    async def delete(self, key: str) -> None:
        with _unavailable():
            await self._sent.delete_one({"_id": key})


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except PyMongoError as failed:
        raise StoreUnavailable(type(failed).__name__) from failed


def _document(key: str, record: SentRecord) -> Document:
    fields: Document = {"record": record.model_dump_json(exclude_none=True), "expires_at": clock.now() + KEPT}
    if record.receiver:
        fields |= sent_fields(key, record.receiver, record.vendor_message_id, record.until - LEASE)
    return fields
