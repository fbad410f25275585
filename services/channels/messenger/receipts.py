"""What Messenger says later about messages of ours: echoes, deliveries, reads."""

from collections.abc import Iterator
from datetime import datetime

from m2n.message import Receipt, ReceiptStatus
from services.channels.messenger.events import Delivery, Event, Message
from services.channels.messenger.source import Source

_MARK = "m2n:"


def metadata(message_id: str) -> str:
    """What a message of ours carries, so that its echo tells which one it is."""
    return _MARK + message_id


def receipts(event: Event, source: Source) -> tuple[Receipt, ...] | None:
    """The receipts of an event that is about messages of the Page; None for any other event.

    A delivery names messages and, as a read does, a watermark: all until then. An echo of ours names ours by our id
    and by Messenger's; others' echoes (of another app, or of a person in the Page's inbox) are nobody's receipts.
    """
    at = event.timestamp or source.received_at
    if event.message is not None and event.message.is_echo:
        return tuple(_of_echo(event.message, source, at))
    if event.delivery is not None:
        return tuple(_of_delivery(event.delivery, _customer(event), source, at))
    if event.read is not None:
        return (_until(event.read.watermark, ReceiptStatus.READ, _customer(event), source, at),)
    return None


def _of_echo(echo: Message, source: Source, at: datetime) -> Iterator[Receipt]:
    marked = (echo.metadata or "").removeprefix(_MARK)
    ours = marked != (echo.metadata or "") and source.app_id in (None, echo.app_id)
    if ours and marked:
        yield Receipt(
            tenant=source.tenant,
            connection=source.connection,
            message_id=marked,
            vendor_message_id=echo.mid,
            status=ReceiptStatus.SENT,
            at=at,
        )


def _of_delivery(delivery: Delivery, to: str, source: Source, at: datetime) -> Iterator[Receipt]:
    for mid in delivery.mids:
        yield Receipt(
            tenant=source.tenant,
            connection=source.connection,
            vendor_message_id=mid,
            to=to,
            status=ReceiptStatus.DELIVERED,
            at=at,
        )
    yield _until(delivery.watermark, ReceiptStatus.DELIVERED, to, source, at)


def _until(watermark: datetime, status: ReceiptStatus, to: str, source: Source, at: datetime) -> Receipt:
    return Receipt(tenant=source.tenant, connection=source.connection, to=to, until=watermark, status=status, at=at)


def _customer(event: Event) -> str:
    if event.sender is None or event.sender.id is None:
        raise ValueError("sender.id: expected the customer's id for this Page")
    return event.sender.id
