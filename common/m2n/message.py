"""The common message format: what every service speaks, whatever the channel.

Frozen models, versioned by ``v``. A reader accepts unknown fields of a newer minor shape (``extra="ignore"``), so
that old and new services run side by side. Times are UTC.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

FORMAT_VERSION = 1
MAX_TEXT = 65_536
"""Longest text in characters that the common format carries; channels have lower limits of their own."""


def _to_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_to_utc)]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Name = Annotated[str, Field(max_length=512)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Identity(Model):
    """One way to know a customer: a scheme (``phone``, ``wa_bsuid``, ``web_visitor``...) and its value."""

    scheme: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,31}$")]
    value: Annotated[str, Field(min_length=1, max_length=256)]


class Address(Model):
    """Where on which connection a customer is reached; ``to`` is what the vendor's send API takes."""

    connection: Name
    channel: Name
    to: Name


class MediaState(StrEnum):
    """Whether the bytes of a customer's media are in the installation's own store."""

    STORED = "stored"
    PENDING = "pending"
    """Not yet, but it is being tried."""
    FAILED = "failed"
    """They never will be; ``problem`` says why."""


class Media(Model):
    """A piece of media by reference, never the bytes: the vendor's id or address, and the id in our own store."""

    id: Name | None = None
    """In the installation's media store (``m2n.media``)."""
    state: MediaState | None = None
    """None: media that nobody is to fetch, such as a bot's picture at a public address."""
    problem: Name | None = None
    url: Annotated[str, Field(max_length=4096)] | None = None
    vendor_id: Name | None = None
    mime: Name | None = None
    filename: Name | None = None
    size_bytes: int | None = None
    sha256: Name | None = None
    voice: bool = False


class TextContent(Model):
    type: Literal["text"] = "text"
    text: Text


class ImageContent(Model):
    type: Literal["image"] = "image"
    media: Media
    caption: Text | None = None


class AudioContent(Model):
    type: Literal["audio"] = "audio"
    media: Media
    caption: Text | None = None


class VideoContent(Model):
    type: Literal["video"] = "video"
    media: Media
    caption: Text | None = None


class FileContent(Model):
    type: Literal["file"] = "file"
    media: Media
    caption: Text | None = None


class StickerContent(Model):
    type: Literal["sticker"] = "sticker"
    media: Media
    emoji: Name | None = None


class LocationContent(Model):
    type: Literal["location"] = "location"
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    name: Text | None = None
    address: Text | None = None


class Contact(Model):
    name: Name
    phones: tuple[Name, ...] = ()
    emails: tuple[Name, ...] = ()


class ContactCardContent(Model):
    type: Literal["contact_card"] = "contact_card"
    contacts: Annotated[tuple[Contact, ...], Field(min_length=1, max_length=50)]


class ChoiceContent(Model):
    """The customer picked a button or a list item that was offered before."""

    type: Literal["choice"] = "choice"
    id: Name
    title: Text


class Button(Model):
    id: Name
    title: Name


class ButtonsContent(Model):
    type: Literal["buttons"] = "buttons"
    text: Text
    buttons: Annotated[tuple[Button, ...], Field(min_length=1, max_length=20)]


class ListItem(Model):
    id: Name
    title: Name
    description: Text | None = None


class ListContent(Model):
    type: Literal["list"] = "list"
    text: Text
    button: Name
    items: Annotated[tuple[ListItem, ...], Field(min_length=1, max_length=100)]


class TemplateContent(Model):
    """A message template that the vendor has approved, by the vendor's reference."""

    type: Literal["template"] = "template"
    template: Name
    language: Name | None = None
    variables: tuple[tuple[Name, Text], ...] = ()


class ReactionContent(Model):
    """``emoji`` is None when the reaction was taken back."""

    type: Literal["reaction"] = "reaction"
    target: Name
    emoji: Name | None = None


class EditContent(Model):
    type: Literal["edit"] = "edit"
    target: Name
    text: Text


class DeleteContent(Model):
    type: Literal["delete"] = "delete"
    target: Name


class TypingContent(Model):
    type: Literal["typing"] = "typing"
    on: bool = True


class CallContent(Model):
    """A telephone call began or ended. Its words are messages of their own."""

    type: Literal["call"] = "call"
    event: Literal["started", "ended"]
    call: Name
    """The vendor's id of the call."""
    reason: Name | None = None
    """How it ended, in the vendor's word."""


class UnsupportedContent(Model):
    """A vendor type that this version does not know: kept by reference, never an error."""

    type: Literal["unsupported"] = "unsupported"
    vendor_type: Name
    raw_ref: Name | None = None


Content = Annotated[
    TextContent
    | ImageContent
    | AudioContent
    | VideoContent
    | FileContent
    | StickerContent
    | LocationContent
    | ContactCardContent
    | ChoiceContent
    | ButtonsContent
    | ListContent
    | TemplateContent
    | ReactionContent
    | EditContent
    | DeleteContent
    | TypingContent
    | CallContent
    | UnsupportedContent,
    Field(discriminator="type"),
]

NO_TURN = frozenset({"reaction", "edit", "delete", "typing", "call"})
"""Inbound kinds that are recorded but ask for no answer."""


class Hop(Model):
    """One step on a message's way: which service did what, when. Shown to people, never decided upon."""

    service: Name
    did: Name
    at: Moment


class ConsentWord(StrEnum):
    """What a customer said about hearing from us; the vendors' own words for it."""

    STOP = "stop"
    START = "start"
    HELP = "help"


class Inbound(Model):
    """What a customer sent. ``vendor_message_id`` is the key of its one effect."""

    v: Literal[1] = FORMAT_VERSION
    tenant: Name
    address: Address
    vendor_message_id: Annotated[str, Field(min_length=1, max_length=512)]
    identities: Annotated[tuple[Identity, ...], Field(min_length=1, max_length=10)]
    content: Content
    received_at: Moment
    vendor_time: Moment | None = None
    display_name: Name | None = None
    language: Annotated[str, Field(max_length=35)] | None = None
    reply_to: Name | None = None
    consent: ConsentWord | None = None
    """Set by the edge, from the vendor's word for it or from the customer's (``m2n.opt_out``)."""
    consent_answered: bool | None = None
    """True: the vendor itself has told the customer that the STOP or START counts."""
    choices_shown: int | None = None
    """So many choices the channel shows as such; offered more of them, the customer saw numbers. None: not known."""
    choice_length: int | None = None
    """So long their titles may be; with a longer one the customer saw numbers, too."""
    trail: tuple[Hop, ...] = ()


class Author(StrEnum):
    CUSTOMER = "customer"
    BOT = "bot"
    AGENT = "agent"
    SYSTEM = "system"


class Outbound(Model):
    """What goes to a customer. ``id`` (session id and sequence number) is the key of its one effect."""

    v: Literal[1] = FORMAT_VERSION
    id: Name
    tenant: Name
    profile_id: Name
    session_id: Name
    seq: int
    address: Address
    content: Content
    author: Author
    author_name: Name | None = None
    decided_at: Moment
    reply_to: Name | None = None
    language: Annotated[str, Field(max_length=35)] | None = None
    """Of the conversation."""
    customer_wrote_at: Moment | None = None
    """When the customer last wrote on this connection: from then the channel's customer-care window counts."""
    trail: tuple[Hop, ...] = ()


class ReceiptStatus(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"

    @property
    def rank(self) -> int:
        """Place on the ladder queued < sent < delivered < read; ``failed`` stands apart with rank 0."""
        return _RANKS[self]


_RANKS: dict[ReceiptStatus, int] = {
    ReceiptStatus.FAILED: 0,
    ReceiptStatus.QUEUED: 1,
    ReceiptStatus.SENT: 2,
    ReceiptStatus.DELIVERED: 3,
    ReceiptStatus.READ: 4,
}


class VendorError(Model):
    """A vendor's error code with its meaning; never the message's text."""

    code: Name
    reason: Text = ""


class OptedOut(StrEnum):
    """What a customer does not want any more, as a vendor says it."""

    ALL = "all"
    MARKETING = "marketing"
    """Templates only: an answer to the customer's own question is still welcome."""


class Receipt(Model):
    """What a vendor says later about messages of ours.

    It names one by ``message_id`` (Outbound.id), or by ``vendor_message_id`` where the vendor does not know ours, or
    all that were sent to ``to`` until ``until`` (a watermark).
    """

    v: Literal[1] = FORMAT_VERSION
    tenant: Name
    connection: Name
    message_id: Name | None = None
    vendor_message_id: Name | None = None
    to: Name | None = None
    until: Moment | None = None
    status: ReceiptStatus
    at: Moment
    error: VendorError | None = None
    opted_out: OptedOut | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not (self.message_id or self.vendor_message_id or (self.to and self.until)):
            raise ValueError("expected message_id, vendor_message_id, or to and until")
        return self


def plain_text(content: Any) -> str:
    """The words of a message for engines, history and desks; '' where it has none."""
    match content:
        case TextContent() | EditContent() | ButtonsContent() | ListContent():
            return content.text
        case ChoiceContent():
            return content.title
        case LocationContent():
            return content.name or content.address or f"{content.latitude},{content.longitude}"
        case ImageContent() | AudioContent() | VideoContent() | FileContent():
            return content.caption or ""
    return ""


def media_of(content: Any) -> Media | None:
    """The content's piece of media, if it is one."""
    match content:
        case ImageContent() | AudioContent() | VideoContent() | FileContent() | StickerContent():
            return content.media
    return None


def media_content(media: Media, caption: str | None) -> ImageContent | AudioContent | VideoContent | FileContent:
    """A piece of media as the kind that its type says."""
    kinds = {"image": ImageContent, "audio": AudioContent, "video": VideoContent}
    kind = (media.mime or "").partition("/")[0].strip().lower()
    return kinds.get(kind, FileContent)(media=media, caption=caption)
