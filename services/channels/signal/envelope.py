"""The gateway's envelopes, as signal-cli writes them: one of some kinds of message, and who it is from.

Only what is looked at is described; a field that is not there and one that is null are the same. Source: the gateway's
src/docs/swagger.json and signal-cli's man/signal-cli-jsonrpc.5.adoc.
"""

from collections.abc import Mapping, Set
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from m2n.message import Name, Text
from services.channels.signal.references import MAX_MS

Milliseconds = Annotated[int, Field(ge=0, le=MAX_MS, strict=True)]


def _shortened(value: Any) -> Any:
    return value[:512] if isinstance(value, str) else value


Shown = Annotated[Name, BeforeValidator(_shortened)]
"""A name that is only shown: a longer one is cut, not refused."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Attachment(_Part):
    contentType: Shown | None = None
    filename: Shown | None = None
    id: Shown | None = None
    """Under which the gateway has the file."""
    size: Annotated[int, Field(ge=0)] | None = None
    caption: Text | None = None
    isVoiceNote: StrictBool | None = None
    """Only newer versions say it."""


class Quote(_Part):
    id: Milliseconds
    authorNumber: str | None = None
    authorUuid: str | None = None


class Reaction(_Part):
    emoji: Shown | None = None
    targetAuthorNumber: str | None = None
    targetAuthorUuid: str | None = None
    targetSentTimestamp: Milliseconds
    isRemove: StrictBool = False


class Mention(_Part):
    """``start`` and ``length`` are in UTF-16 units."""

    name: Shown | None = None
    number: Shown | None = None
    start: Annotated[int, Field(ge=0)]
    length: Annotated[int, Field(ge=0)]


class Sticker(_Part):
    packId: Annotated[str, Field(max_length=200)]
    stickerId: Annotated[int, Field(ge=0)]


class ContactName(_Part):
    nickname: str | None = None
    prefix: str | None = None
    given: str | None = None
    middle: str | None = None
    family: str | None = None
    suffix: str | None = None


class ContactValue(_Part):
    value: Shown | None = None


class SharedContact(_Part):
    name: ContactName | None = None
    phone: tuple[ContactValue, ...] | None = None
    email: tuple[ContactValue, ...] | None = None
    organization: str | None = None


class RemoteDelete(_Part):
    timestamp: Milliseconds


class DataMessage(_Part):
    timestamp: Milliseconds
    message: Text | None = None
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=100)] | None = None
    quote: Quote | None = None
    reaction: Reaction | None = None
    mentions: Annotated[tuple[Mention, ...], Field(max_length=1000)] | None = None
    sticker: Sticker | None = None
    contacts: Annotated[tuple[SharedContact, ...], Field(max_length=50)] | None = None
    remoteDelete: RemoteDelete | None = None
    groupInfo: dict[str, Any] | None = None


class EditMessage(_Part):
    targetSentTimestamp: Milliseconds
    dataMessage: DataMessage


class ReceiptMessage(_Part):
    """What the customer's phone says of messages of ours."""

    when: Milliseconds | None = None
    isDelivery: StrictBool = False
    isRead: StrictBool = False
    isViewed: StrictBool = False
    timestamps: tuple[Any, ...] = ()
    """One of each message; looked at one by one, so that a bad one does not spoil the others."""


class TypingMessage(_Part):
    action: str
    timestamp: Milliseconds
    groupId: str | None = None


class Envelope(_Part):
    sourceNumber: str | None = None
    """None where the customer hides the number."""
    sourceUuid: str | None = None
    sourceName: Shown | None = None
    timestamp: Milliseconds
    dataMessage: DataMessage | None = None
    editMessage: EditMessage | None = None
    receiptMessage: ReceiptMessage | None = None
    typingMessage: TypingMessage | None = None


_KNOWN_IN_DATA = frozenset({"previews", "textStyles"}) | DataMessage.model_fields.keys()
_KNOWN_KINDS = frozenset({"dataMessage", "editMessage", "receiptMessage", "typingMessage"})


def unknown_kind(envelope: Mapping[str, Any]) -> str | None:
    """Name of the field that holds a message of a kind that is not described here; all kinds are called so."""
    return _unknown({name: value for name, value in envelope.items() if name.endswith("Message")}, _KNOWN_KINDS)


def unknown_data(message: Mapping[str, Any]) -> str | None:
    """Name of the field of a data message that holds what is not described here, such as a payment or a poll."""
    return None if message.get("isExpirationUpdate") else _unknown(message, _KNOWN_IN_DATA)


def _unknown(fields: Mapping[str, Any], known: Set[str]) -> str | None:
    held = (name for name, value in fields.items() if name not in known and value and isinstance(value, dict | list))
    return next(held, None)
