"""Status callbacks: what Twilio says later about a message of ours."""

from collections.abc import Mapping
from datetime import datetime

from m2n.adapters.channel import WebhookRequest
from m2n.message import Receipt, ReceiptStatus, VendorError
from services.channels.twilio_core.errors import described, opted_out
from services.channels.twilio_core.form import Fields, query, required

REFERENCE = "ref"
"""Query parameter of the callback address that names our message."""

STATUSES: Mapping[str, ReceiptStatus] = {
    "accepted": ReceiptStatus.QUEUED,
    "scheduled": ReceiptStatus.QUEUED,
    "queued": ReceiptStatus.QUEUED,
    "sending": ReceiptStatus.QUEUED,
    "sent": ReceiptStatus.SENT,
    "partially_delivered": ReceiptStatus.SENT,
    "delivered": ReceiptStatus.DELIVERED,
    "read": ReceiptStatus.READ,
    "failed": ReceiptStatus.FAILED,
    "undelivered": ReceiptStatus.FAILED,
    "canceled": ReceiptStatus.FAILED,
}


def is_status_callback(found: Fields) -> bool:
    """Whether the fields are a status callback; an inbound message has a ``Body`` and no ``MessageStatus``."""
    return "MessageStatus" in found and "Body" not in found


def receipts(found: Fields, request: WebhookRequest, tenant: str, connection: str, at: datetime) -> tuple[Receipt, ...]:
    """The receipt of a status callback.

    Empty when the callback's address names no message of ours (another program of the account sent it) and for a
    status that is not known here, since Twilio may add some. Raises MalformedWebhook without ``MessageSid``.
    """
    ours, status = query(request).get(REFERENCE), STATUSES.get(found["MessageStatus"].lower())
    if not ours or status is None:
        return ()
    error = _error(found)
    receipt = Receipt(
        tenant=tenant,
        connection=connection,
        message_id=ours,
        vendor_message_id=required(found, "MessageSid"),
        status=status,
        at=at,
        error=error,
        opted_out=opted_out(error.code) if error else None,
    )
    return (receipt,)


def _error(found: Fields) -> VendorError | None:
    code = found.get("ErrorCode", "")
    if code in ("", "0"):
        return None
    return described(code)
