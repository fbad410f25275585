"""What a visitor's page posts, in the common format: one message, or what the visitor has seen of ours."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from m2n.adapters.channel import MalformedWebhook, Parsed
from m2n.message import (
    MAX_TEXT,
    Address,
    ChoiceContent,
    Content,
    Hop,
    Identity,
    Inbound,
    LocationContent,
    Name,
    Receipt,
    ReceiptStatus,
    Text,
    TextContent,
    TypingContent,
)
from services.channels.webchat.attachments import Owner, Upload, claimed, content_of
from services.channels.webchat.tokens import Visitor

CHANNEL = "webchat"
MAX_RECEIPTS = 200
SEEN = frozenset({ReceiptStatus.DELIVERED, ReceiptStatus.READ})


class _Part(BaseModel):
    """What pages write; an unknown field is mostly a typing mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Choice(_Part):
    id: Annotated[str, Field(min_length=1, max_length=512)]
    title: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class _Location(_Part):
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    name: Text | None = None
    address: Text | None = None


class _Attachment(_Part):
    """``id`` is the ticket that the upload was answered with."""

    id: Annotated[str, Field(min_length=1, max_length=2000)]
    caption: Text | None = None


class _Receipt(_Part):
    """What the visitor has of a message of ours; statuses that are not known count for nothing."""

    id: Annotated[str, Field(min_length=1, max_length=512)]
    status: Annotated[str, Field(min_length=1, max_length=40)]


class Posted(_Part):
    """What a page says. ``echo_id`` is the page's own id of a message: the same one again is the same message."""

    echo_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,64}$")] | None = None
    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)] | None = None
    choice: _Choice | None = None
    location: _Location | None = None
    attachment: _Attachment | None = None
    typing: bool | None = None
    receipt: _Receipt | None = None
    receipts: Annotated[tuple[_Receipt, ...], Field(min_length=1, max_length=MAX_RECEIPTS)] | None = None
    name: Name | None = None
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)] | None = None

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        given = (self.text, self.choice, self.location, self.attachment, self.typing)
        if self.seen:
            if self.echo_id or any(part is not None for part in given):
                raise ValueError("expected receipts without a message")
        elif sum(part is not None for part in given) != 1:
            raise ValueError("expected exactly one of text, choice, location, attachment and typing")
        elif self.echo_id is None:
            raise ValueError("echo_id: expected the page's own id of the message")
        return self

    @property
    def seen(self) -> tuple[_Receipt, ...]:
        return (*((self.receipt,) if self.receipt else ()), *(self.receipts or ()))

    def content(self, owner: Owner) -> Content:
        if self.choice is not None:
            return ChoiceContent(id=self.choice.id, title=self.choice.title)
        if self.location is not None:
            return LocationContent(**self.location.model_dump())
        if self.attachment is not None:
            return content_of(_uploaded(self.attachment.id), owner, self.attachment.caption or None)
        if self.typing is not None:
            return TypingContent(on=self.typing)
        return TextContent(text=self.text or "")


def parse(
    body: bytes, visitor: Visitor, tenant: str, connection: str, users: str | None, received_at: datetime
) -> Parsed:
    """One post. The visitor's id precedes the page's, so that two visitors' ids never meet.

    Raises MalformedWebhook that names the field and what was expected.
    """
    posted = _read(body)
    if posted.seen:
        known = (one for one in posted.seen if one.status in SEEN)
        return Parsed(receipts=tuple(_receipt(one, tenant, connection, received_at) for one in known))
    message = Inbound(
        tenant=tenant,
        address=Address(connection=connection, channel=CHANNEL, to=visitor.id),
        vendor_message_id=f"{visitor.id}:{posted.echo_id}",
        identities=_identities(visitor, users or connection),
        content=posted.content(Owner(tenant, connection, visitor.id)),
        received_at=received_at,
        display_name=posted.name or None,
        language=posted.language,
        trail=(Hop(service="webhooks", did="received", at=received_at),),
    )
    return Parsed(messages=(message,))


def attachment_ticket(body: bytes) -> str | None:
    """The ticket in a post that can be read and has one."""
    try:
        attachment = Posted.model_validate_json(body).attachment
    except ValidationError:
        return None
    return attachment.id if attachment else None


def _identities(visitor: Visitor, users: str) -> tuple[Identity, ...]:
    """The visitor first: the queue's order goes by it, before and after a log-in."""
    anonymous = Identity(scheme="web_visitor", value=visitor.id)
    if visitor.user is None:
        return (anonymous,)
    return anonymous, Identity(scheme="web_user", value=f"{users}:{visitor.user}")


def _receipt(seen: _Receipt, tenant: str, connection: str, at: datetime) -> Receipt:
    return Receipt(tenant=tenant, connection=connection, message_id=seen.id, status=ReceiptStatus(seen.status), at=at)


def _uploaded(ticket: str) -> Upload:
    upload = claimed(ticket)
    if upload is None:
        raise MalformedWebhook("attachment.id: expected the id that the upload was answered with")
    return upload


def _read(body: bytes) -> Posted:
    try:
        return Posted.model_validate_json(body)
    except ValidationError as invalid:
        wrong = invalid.errors(include_url=False, include_input=False, include_context=False)
        raise MalformedWebhook("; ".join(_explained(error["loc"], error["msg"]) for error in wrong)) from None


def _explained(place: tuple[int | str, ...], what: str) -> str:
    """The field and what was expected, without the visitor's words."""
    return f"{'.'.join(map(str, place)) or 'body'}: {what.removeprefix('Value error, ')}"
