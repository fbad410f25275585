"""Statuses: what Meta says later about a message of ours."""

from collections.abc import Mapping

from m2n.message import Receipt, ReceiptStatus
from services.channels.whatsapp_cloud.errors import described, meaning_of
from services.channels.whatsapp_cloud.shapes import Status

STATUSES: Mapping[str, ReceiptStatus] = {
    "sent": ReceiptStatus.SENT,
    "delivered": ReceiptStatus.DELIVERED,
    "read": ReceiptStatus.READ,
    "played": ReceiptStatus.READ,
    "failed": ReceiptStatus.FAILED,
}
"""``played``: a voice message was listened to."""


def receipt(status: Status, tenant: str, connection: str) -> Receipt | None:
    """The receipt; None of a message that is not ours, and for a status that is not known here.

    ``biz_opaque_callback_data`` is our id of the message, which went out with it; what another program or a person
    sent from the same number has none.
    """
    ours, known = status.biz_opaque_callback_data, STATUSES.get(status.status)
    if not ours or known is None:
        return None
    code = status.errors[0].code if status.errors else None
    return Receipt(
        tenant=tenant,
        connection=connection,
        message_id=ours,
        vendor_message_id=status.id,
        status=known,
        at=status.timestamp,
        error=None if code is None else described(code),
        opted_out=None if code is None else meaning_of(code).opted_out,
    )
