"""What the gateway tells, by webhook or through the socket, in the common format.

A webhook is a JSON-RPC notification whose ``params`` hold ``envelope`` and ``account``; a frame of the socket is those
``params`` alone. Each is one envelope.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from m2n.adapters.channel import MalformedWebhook, Parsed, UnreadablePart, explained
from m2n.message import (
    Address,
    Content,
    EditContent,
    Hop,
    Inbound,
    Receipt,
    ReceiptStatus,
    TypingContent,
    UnsupportedContent,
)
from services.channels.signal.content import contents, target_of, words
from services.channels.signal.envelope import (
    DataMessage,
    Envelope,
    Milliseconds,
    ReceiptMessage,
    TypingMessage,
    unknown_kind,
)
from services.channels.signal.references import OURS, Reference, numbered
from services.channels.signal.sender import Sender

CHANNEL = "signal"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS: TypeAdapter[int] = TypeAdapter(Milliseconds)


class OtherAccount(MalformedWebhook):
    """The message is for another number than the connection's: it is nobody's here, and not to be kept."""


@dataclass(frozen=True)
class Place:
    """Whose it is and when it came."""

    tenant: str
    connection: str
    received_at: datetime


def parse(body: bytes, number: str, place: Place) -> Parsed:
    """One envelope for our ``number``. What holds nothing for us (see ``ignored``) gives nothing.

    An envelope that cannot be read is set aside, for the gateway brings nothing again. Raises MalformedWebhook for
    what is no envelope at all, and OtherAccount.
    """
    envelope = envelope_in(body, number)
    try:
        return Parsed() if ignored(envelope, number) else _read(envelope, number, place)
    except ValidationError as invalid:
        return Parsed(unreadable=(UnreadablePart(body, explained(invalid)),))
    except MalformedWebhook as bad:
        return Parsed(unreadable=(UnreadablePart(body, str(bad)),))


def ignored(envelope: Mapping[str, Any], number: str) -> str | None:
    """Why there is nothing for us in it; None when there may be."""
    if envelope.get("syncMessage") or envelope.get("sourceNumber") == number:
        return "written by ourselves, on another device"
    for kind, why in (("callMessage", "a call"), ("storyMessage", "a story")):
        if envelope.get(kind):
            return why
    if any(_is_of_a_group(envelope.get(kind)) for kind in ("dataMessage", "editMessage", "typingMessage")):
        return "of a group, which is no customer"
    return None


def _is_of_a_group(message: Any) -> bool:
    """An edit has the message within it."""
    if not isinstance(message, dict):
        return False
    within = message.get("dataMessage")
    named = [part.get("groupInfo") or part.get("groupId") for part in (message, within) if isinstance(part, dict)]
    return any(named)


def envelope_in(body: bytes, number: str) -> dict[str, Any]:
    """Raises MalformedWebhook and OtherAccount."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedWebhook("body: expected JSON") from None
    for within in ("params", "result"):  # a subscription of signal-cli's own wraps it once more
        found = found.get(within, found) if isinstance(found, dict) else found
    envelope = found.get("envelope") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(envelope, dict):
        raise MalformedWebhook("envelope: expected an object, in the body or in its params")
    if found.get("account") != number:
        raise OtherAccount("account: expected the connection's number")
    return envelope


def _read(raw: dict[str, Any], number: str, place: Place) -> Parsed:
    envelope = Envelope.model_validate(raw)
    sender = Sender.of(envelope)
    if envelope.receiptMessage is not None:
        return _receipts(envelope, envelope.receiptMessage, number, place)
    reference, found = _contents(raw, envelope, sender)
    messages = (
        Inbound(
            tenant=place.tenant,
            address=Address(connection=place.connection, channel=CHANNEL, to=sender.address),
            vendor_message_id=_id(envelope, reference, count),
            identities=sender.identities,
            content=content,
            received_at=place.received_at,
            vendor_time=_moment(reference.sent_ms),
            display_name=envelope.sourceName or None,
            reply_to=_reply_to(envelope.dataMessage, sender),
            trail=(Hop(service="webhooks", did="received", at=place.received_at),),
        )
        for count, content in enumerate(found)
    )
    return Parsed(messages=tuple(messages))


def _id(envelope: Envelope, reference: Reference, count: int) -> str:
    """Typing is no message: its moment must not be taken for the one of a message."""
    is_typing = envelope.typingMessage is not None and envelope.dataMessage is None
    return f"{reference}:typing" if is_typing else numbered(reference, count)


def _contents(raw: dict[str, Any], envelope: Envelope, sender: Sender) -> tuple[Reference, Iterable[Content]]:
    """The message's id, and what is in it."""
    data, edit, typing = envelope.dataMessage, envelope.editMessage, envelope.typingMessage
    if data is not None:
        return sender.reference(data.timestamp), contents(data, raw["dataMessage"], sender)
    if edit is not None:
        target = str(sender.reference(edit.targetSentTimestamp))
        return sender.reference(edit.dataMessage.timestamp), (EditContent(target=target, text=words(edit.dataMessage)),)
    if typing is not None:
        return sender.reference(typing.timestamp), _typing(typing)
    reference, kind = sender.reference(envelope.timestamp), unknown_kind(raw)
    return reference, (UnsupportedContent(vendor_type=kind[:512], raw_ref=str(reference)),) if kind else ()


def _typing(typing: TypingMessage) -> tuple[Content, ...]:
    return (TypingContent(on=typing.action == "STARTED"),) if typing.action in ("STARTED", "STOPPED") else ()


def _reply_to(message: DataMessage | None, sender: Sender) -> str | None:
    quote = message.quote if message else None
    return target_of(sender, quote.authorUuid, quote.authorNumber, quote.id) if quote else None


def _receipts(envelope: Envelope, receipt: ReceiptMessage, number: str, place: Place) -> Parsed:
    """One for each message of ours that it names; moments that cannot be read are set aside by themselves."""
    status = _status(receipt)
    if status is None:
        return Parsed()
    good = [moment for moment in receipt.timestamps if _is_moment(moment)]
    bad = [moment for moment in receipt.timestamps if not _is_moment(moment)]
    made = (
        Receipt(
            tenant=place.tenant,
            connection=place.connection,
            vendor_message_id=str(Reference(OURS, moment)),
            status=status,
            at=_moment(receipt.when or envelope.timestamp),
        )
        for moment in good
    )
    return Parsed(receipts=tuple(made), unreadable=(_bad_moments(envelope, bad, number),) if bad else ())


def _bad_moments(envelope: Envelope, bad: list[Any], number: str) -> UnreadablePart:
    """The receipt with nothing but those; of nested ones no more than that they were there."""
    plain = [moment if isinstance(moment, str | int | float) else None for moment in bad]
    rest = envelope.model_dump(include={"sourceNumber", "sourceUuid", "timestamp", "receiptMessage"})
    rest["receiptMessage"]["timestamps"] = plain
    body = orjson.dumps({"envelope": rest, "account": number})
    return UnreadablePart(body, "receiptMessage.timestamps: expected milliseconds since 1970")


def _status(receipt: ReceiptMessage) -> ReceiptStatus | None:
    if receipt.isRead or receipt.isViewed:
        return ReceiptStatus.READ
    return ReceiptStatus.DELIVERED if receipt.isDelivery else None


def _is_moment(value: Any) -> bool:
    try:
        _MILLISECONDS.validate_python(value)
    except ValidationError:
        return False
    return True


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
