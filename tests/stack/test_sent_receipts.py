"""Receipts that do not name our message: by the vendor's id, by a watermark, before the message is known."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from m2n import clock
from m2n.events import Outcome
from m2n.message import OptedOut, Receipt, ReceiptStatus
from m2n.message_statuses import MessageStatuses
from m2n.sent_receipts import Receiver, SentReceipts
from services.delivery.sending import LEASE, SentRecord
from services.delivery.sent_store import SentStore
from services.webhooks import receipts as receipts_module
from services.webhooks.receipts import Receipts
from tests.waiting import eventually

pytestmark = pytest.mark.stack
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=clock.now().tzinfo)


class Ground:
    """Delivery's records and the edge's receipts on one database; ``told`` is what lanes hear."""

    def __init__(self, database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database, self.sent = database, SentReceipts(database)
        self.store = SentStore(database)
        self.receipts = Receipts(MessageStatuses(database), self.sent, None)  # pyright: ignore[reportArgumentType]
        self.told: list[Any] = []

        async def tell(_: object, event: object) -> None:
            self.told.append(event)

        monkeypatch.setattr(receipts_module, "tell_lane", tell)

    async def sends(
        self, message: str, vendor_id: str | None, at: datetime = NOW, to: str = "ann", part: int = 0
    ) -> None:
        receiver = Receiver(tenant="acme", connection="acme-m", to=to)
        record = SentRecord(until=at + LEASE, receiver=receiver)
        key = f"sent:acme:{message}:{part}"
        await self.store.create(key, record)
        if vendor_id:
            done = record.model_copy(update={"outcome": Outcome.ACCEPTED, "vendor_message_id": vendor_id})
            await self.store.put(key, done)

    async def status(self, message: str) -> str | None:
        found = await self.database["messages"].find_one({"_id": f"acme:{message}"})
        return found and found["status"]


def receipt(status: ReceiptStatus, **names: Any) -> Receipt:
    known = {"tenant": "acme", "connection": "acme-m", "status": status, "at": NOW}
    return Receipt.model_validate(known | names)


@pytest_asyncio.fixture
async def ground(database: Any, monkeypatch: pytest.MonkeyPatch) -> Ground:
    made = Ground(database, monkeypatch)
    await made.sent.prepare()
    return made


async def test_by_the_vendors_id(ground: Ground) -> None:
    await ground.sends("P1.1.2", "V1")
    await ground.receipts.note(receipt(ReceiptStatus.DELIVERED, vendor_message_id="V1"))
    assert await ground.status("P1.1.2") == "delivered"


async def test_any_part_of_a_long_message_tells_of_it(ground: Ground) -> None:
    await ground.sends("P1.1.2", "V1")
    await ground.sends("P1.1.2", "V2", part=1)
    await ground.receipts.note(receipt(ReceiptStatus.READ, vendor_message_id="V1"))
    assert await ground.status("P1.1.2") == "read"


@pytest.mark.parametrize("other", [{"tenant": "other"}, {"connection": "acme-n"}])
async def test_the_same_id_elsewhere_is_another_message(ground: Ground, other: dict[str, str]) -> None:
    await ground.sends("P1.1.2", "V1")
    await ground.receipts.note(receipt(ReceiptStatus.READ, vendor_message_id="V1", **other))
    assert await ground.status("P1.1.2") is None


async def test_a_watermark_tells_of_all_that_went_to_the_customer_before(ground: Ground) -> None:
    for seq in (2, 3, 4):
        await ground.sends(f"P1.1.{seq}", f"V{seq}", NOW + timedelta(seconds=seq))
    await ground.sends("P2.1.2", "V9", NOW, to="ben")
    await ground.receipts.note(receipt(ReceiptStatus.READ, to="ann", until=NOW + timedelta(seconds=3)))
    statuses = [await ground.status(message) for message in ("P1.1.2", "P1.1.3", "P1.1.4", "P2.1.2")]
    assert statuses == ["read", "read", None, None]


async def test_a_watermark_knows_a_message_whose_answer_is_still_on_its_way(ground: Ground) -> None:
    await ground.sends("P1.1.2", None)
    await ground.receipts.note(receipt(ReceiptStatus.DELIVERED, to="ann", until=NOW + timedelta(seconds=1)))
    assert await ground.status("P1.1.2") == "delivered"


async def test_a_receipt_that_is_faster_than_our_record_waits(ground: Ground) -> None:
    for _ in range(2):
        await ground.receipts.note(receipt(ReceiptStatus.DELIVERED, vendor_message_id="V1"))
    assert await ground.database["receipts_waiting"].count_documents({}) == 1
    job = asyncio.create_task(ground.receipts.settle_waiting())
    try:
        await ground.sends("P1.1.2", "V1")

        async def settled() -> bool:
            left = await ground.database["receipts_waiting"].count_documents({})
            return left == 0 and await ground.status("P1.1.2") == "delivered"

        await eventually(settled)
    finally:
        job.cancel()
        with suppress(asyncio.CancelledError):
            await job


async def test_the_lane_hears_that_a_vendor_knows_of_an_opt_out(ground: Ground) -> None:
    await ground.sends("P1.1.2", "V1")
    await ground.receipts.note(
        receipt(ReceiptStatus.FAILED, vendor_message_id="V1", opted_out=OptedOut.MARKETING, error={"code": "131050"})
    )
    (told,) = ground.told
    assert (told.profile_id, told.connection, told.opted_out, told.code) == ("P1", "acme-m", "marketing", "131050")


async def test_a_late_lower_status_changes_nothing(ground: Ground) -> None:
    await ground.sends("P1.1.2", "V1")
    for status in (ReceiptStatus.READ, ReceiptStatus.DELIVERED, ReceiptStatus.SENT):
        await ground.receipts.note(receipt(status, vendor_message_id="V1"))
    assert await ground.status("P1.1.2") == "read"
