"""What a channel adapter is: pure functions from a vendor's request to the common format and back.

An adapter does no I/O and keeps no state. The webhooks service reads requests and asks ``verify`` and ``parse``; the
delivery service splits and degrades a message after the adapter's ``capabilities``, asks ``render``, makes the calls
and asks ``outcome`` what an answer means. Adapters are found by the entry-point group ``m2n.channels``;
``ChannelDefaults`` has what most of them have in common.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

from pydantic import BaseModel, ValidationError

from m2n.adapters.capabilities import Capabilities
from m2n.message import Author, Inbound, Media, OptedOut, Outbound, Receipt, VendorError
from m2n.tenant import Connection


class MalformedWebhook(ValueError):
    """A genuine request whose shape the adapter cannot read; says which field and what was expected."""


def explained(invalid: ValidationError, *within: str, whole: str = "body") -> str:
    """The field, in the object that ``within`` leads to, and what was expected, without the customer's words.

    ``whole`` is the name of all that was read, where no field of it is at fault.
    """
    first = invalid.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, (*within, *first["loc"]))) or whole
    return f"{place}: {first['msg'].removeprefix('Value error, ')}"


class NoMedia(ValueError):
    """A piece of media that the adapter has no way to fetch; says why."""


@dataclass(frozen=True)
class WebhookRequest:
    """A vendor's request as it came over the wire. ``url`` is the public address, query included, undecoded."""

    method: str
    url: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    remote: str = ""
    """Address of the caller, '' where it is not known."""


@dataclass(frozen=True)
class UnreadablePart:
    """A part of a webhook that cannot be read though the rest can: it is set aside, and the vendor gets its 2xx.

    ``body`` is a webhook in JSON of nothing but this part, which ``parse`` gets again when somebody puts it back.
    ``reason`` names the field and what was expected, and quotes nothing.
    """

    body: bytes
    reason: str


@dataclass(frozen=True)
class Acknowledgement:
    """What the vendor wants to read after a webhook was taken."""

    body: str = ""
    media_type: str = "text/plain"
    status: int = 200


@dataclass(frozen=True)
class Parsed:
    """All that one webhook carried, in the vendor's order."""

    messages: tuple[Inbound, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    unreadable: tuple[UnreadablePart, ...] = ()
    answer: Acknowledgement | None = None
    """In place of the channel's usual acknowledgement: the challenge of a handshake, for instance."""


@dataclass(frozen=True)
class VendorCall:
    """One HTTP request that sends (a part of) a message. With ``app_id`` the url is a path on that app of ours."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)
    form: tuple[tuple[str, str], ...] | None = field(default=None, repr=False)
    json: bytes | None = field(default=None, repr=False)
    app_id: str | None = None
    repeatable: bool = False
    """The vendor does the same call twice only once; a lost answer may then be asked for again."""


@dataclass(frozen=True)
class Accepted:
    vendor_message_id: str | None


@dataclass(frozen=True)
class Refused:
    """Trying again cannot help."""

    error: VendorError
    opted_out: OptedOut | None = None
    """The customer does not want to hear from us; nothing more is sent until they say START."""
    window_closed: bool = False
    """The customer wrote too long ago for free text; a template may still be taken."""


@dataclass(frozen=True)
class Retry:
    """The vendor did not take the message and says or is known to take it later."""

    error: VendorError
    after_s: float | None = None
    whole_connection: bool = False
    """The vendor has had too much from the whole connection, not for this one customer only: all of it waits."""


@dataclass(frozen=True)
class Uncertain:
    """The vendor may or may not have taken the message."""

    error: VendorError


CallOutcome = Accepted | Refused | Retry | Uncertain


@dataclass(frozen=True)
class SendContext:
    """What an adapter needs to render a message, beside the message.

    ``callback_url`` is where the vendor is to post receipts of this very message. ``files`` are the bytes of media by
    their address (``Media.url``), where the capabilities ask for them.
    """

    connection: Connection
    secrets: Mapping[str, str] = field(repr=False)
    callback_url: str
    now: datetime
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class MediaCall:
    """A GET that leads to the bytes of a piece of media.

    ``then``: the answer is no media but JSON that says where it is; it makes the next call of it and raises NoMedia.
    Redirects are followed, without credentials where they lead to another host.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)
    then: Callable[[bytes], "MediaCall"] | None = None


@dataclass(frozen=True)
class Signal:
    """Something that a customer is shown and that may get lost: somebody types, their message was read."""

    kind: Literal["typing", "read"]
    to: str
    vendor_message_id: str | None = None
    """The customer's last message."""
    author_name: str | None = None
    """Who types, where that is an agent."""


class Channel(Protocol):
    """A channel adapter. ``settings`` is the model of a connection's settings, ``secrets`` the names it must have."""

    name: str
    settings: type[BaseModel]
    secrets: tuple[str, ...]
    capabilities: Capabilities

    def verify(self, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str]) -> bool:
        """Whether the vendor made this request: over the raw bytes, in constant time."""
        ...

    def parse(self, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        """The request in the common format. Unknown vendor types become ``unsupported``.

        In a webhook of several messages those that cannot be read are ``unreadable`` and the others are taken. Raises
        MalformedWebhook when nothing of it can be read.
        """
        ...

    def acknowledge(self, parsed: Parsed) -> Acknowledgement: ...

    def render(self, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        """The calls that send the message, mostly one, in order.

        The message's content is one that the capabilities say the channel can show; raises ValueError for any other.
        """
        ...

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        """What a vendor's answer to a call means, after the vendor's error table."""
        ...

    def reply_window(self, author: Author, connection: Connection) -> timedelta | None:
        """How long after the customer's last message free text of this author is taken; None: for ever."""
        ...

    def media_call(self, media: Media, connection: Connection, secrets: Mapping[str, str]) -> MediaCall:
        """How the bytes of a customer's piece of media are fetched. Raises NoMedia."""
        ...

    def signal(self, signal: Signal, context: SendContext) -> tuple[VendorCall, ...]:
        """The calls that show it; only asked for the signals that the capabilities name."""
        ...


class ChannelDefaults:
    """What an adapter may leave out: a bare 200, no window, no media, no signals."""

    def acknowledge(self, parsed: Parsed) -> Acknowledgement:
        return Acknowledgement()

    def reply_window(self, author: Author, connection: Connection) -> timedelta | None:
        return None

    def media_call(self, media: Media, connection: Connection, secrets: Mapping[str, str]) -> MediaCall:
        raise NoMedia("the channel has no media")

    def signal(self, signal: Signal, context: SendContext) -> tuple[VendorCall, ...]:
        return ()
