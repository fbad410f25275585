"""What a visitor's page posts, in the common format."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from m2n.adapters.channel import MalformedWebhook
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
    Text,
    TextContent,
    TypingContent,
)

CHANNEL = "webchat"


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


class Posted(_Part):
    """One message of a page. ``echo_id`` is the page's own id of it: the same one again is the same message."""

    echo_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,64}$")]
    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)] | None = None
    choice: _Choice | None = None
    location: _Location | None = None
    typing: bool | None = None
    name: Name | None = None
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)] | None = None

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        given = [self.text, self.choice, self.location, self.typing]
        if sum(part is not None for part in given) != 1:
            raise ValueError("expected exactly one of text, choice, location and typing")
        return self

    def content(self) -> Content:
        if self.choice is not None:
            return ChoiceContent(id=self.choice.id, title=self.choice.title)
        if self.location is not None:
            return LocationContent(**self.location.model_dump())
        if self.typing is not None:
            return TypingContent(on=self.typing)
        return TextContent(text=self.text or "")


def parse(body: bytes, visitor: str, tenant: str, connection: str, received_at: datetime) -> Inbound:
    """One posted message. The visitor's id precedes the page's, so that two visitors' ids never meet.

    Raises MalformedWebhook that names the field and what was expected.
    """
    posted = _read(body)
    return Inbound(
        tenant=tenant,
        address=Address(connection=connection, channel=CHANNEL, to=visitor),
        vendor_message_id=f"{visitor}:{posted.echo_id}",
        identities=(Identity(scheme="web_visitor", value=visitor),),
        content=posted.content(),
        received_at=received_at,
        display_name=posted.name or None,
        language=posted.language,
        trail=(Hop(service="webhooks", did="received", at=received_at),),
    )


def _read(body: bytes) -> Posted:
    try:
        return Posted.model_validate_json(body)
    except ValidationError as invalid:
        wrong = invalid.errors(include_url=False, include_input=False, include_context=False)
        raise MalformedWebhook("; ".join(_explained(error["loc"], error["msg"]) for error in wrong)) from None


def _explained(place: tuple[int | str, ...], what: str) -> str:
    """The field and what was expected, without the visitor's words."""
    return f"{'.'.join(map(str, place)) or 'body'}: {what.removeprefix('Value error, ')}"
