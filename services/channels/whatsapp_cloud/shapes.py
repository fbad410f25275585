"""The shapes of Meta's ``messages`` webhooks, as far as they are read. Fields that Meta adds are no error."""

import binascii
from base64 import b64decode
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from m2n.message import Name, Text

Id = Annotated[str, Field(min_length=1, max_length=512)]


def _moment(value: Any) -> datetime:
    """Meta writes seconds since 1970 as a text of digits; some fields have them as a number."""
    digits = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 11):
        raise ValueError("expected seconds since 1970 in digits")
    return datetime.fromtimestamp(int(digits), UTC)


EpochSeconds = Annotated[datetime, BeforeValidator(_moment)]


def _hexadecimal(value: Any) -> str | None:
    """Meta gives SHA-256 in Base64; None for what is none."""
    try:
        digest = b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == 32 else None


class Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Metadata(Shape):
    phone_number_id: Id
    display_phone_number: str = ""


class Person(Shape):
    """Of ``name`` and ``username`` either may be missing."""

    name: str | None = None
    username: str | None = None


class Contact(Shape):
    """A sender. A user with a username may have no ``wa_id``, and older webhooks know no ``user_id``."""

    wa_id: str | None = None
    user_id: str | None = None
    profile: Person = Person()


class Context(Shape):
    id: Id | None = None


class Head(Shape):
    """What every message has, whatever its type."""

    id: Id
    type: Annotated[str, Field(min_length=1)]
    timestamp: EpochSeconds
    sender: Annotated[str | None, Field(alias="from")] = None
    from_user_id: str | None = None
    context: Context | None = None
    errors: tuple[Any, ...] = ()


class Words(Shape):
    body: Text


class Piece(Shape):
    """Media, of any type. ``id`` leads to the bytes for 7 days."""

    id: Id
    mime_type: Name | None = None
    sha256: Annotated[str | None, BeforeValidator(_hexadecimal)] = None
    caption: Text | None = None
    filename: str | None = None
    voice: bool = False


class Place(Shape):
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    name: Text | None = None
    address: Text | None = None


class CardName(Shape):
    formatted_name: str | None = None
    first_name: str | None = None


class CardPhone(Shape):
    phone: str | None = None
    wa_id: str | None = None


class CardEmail(Shape):
    email: str | None = None


class Card(Shape):
    name: CardName = CardName()
    phones: tuple[CardPhone, ...] = ()
    emails: tuple[CardEmail, ...] = ()


class Reacted(Shape):
    message_id: Id
    emoji: Name | None = None


class Pressed(Shape):
    """A quick reply of a template; without ``payload`` it is known by its label."""

    text: Text
    payload: Name | None = None


class Picked(Shape):
    id: Id
    title: Text


class FlowAnswer(Shape):
    response_json: Text
    body: Text = ""


class Interactive(Shape):
    type: str
    button_reply: Picked | None = None
    list_reply: Picked | None = None
    nfm_reply: FlowAnswer | None = None


class OrderItem(Shape):
    product_retailer_id: str
    quantity: float
    item_price: float | None = None
    currency: str = ""


class Order(Shape):
    product_items: Annotated[tuple[OrderItem, ...], Field(min_length=1)]
    text: str = ""


class System(Shape):
    """Something that WhatsApp itself says of a user: above all new ids of theirs."""

    type: str = ""
    wa_id: str | None = None
    user_id: str | None = None
    previous_user_id: str | None = None


class Revoked(Shape):
    original_message_id: Id


class Edited(Shape):
    original_message_id: Id
    message: dict[str, Any]


class StatusError(Shape):
    code: int


class Status(Shape):
    id: Id
    status: str
    timestamp: EpochSeconds
    biz_opaque_callback_data: Annotated[str | None, Field(max_length=512)] = None
    errors: tuple[StatusError, ...] = ()
