"""What a channel adapter is: pure functions from a vendor's request to the common format and back.

An adapter does no I/O and keeps no state. The webhooks service reads requests and asks ``verify`` and ``parse``; the
delivery service asks ``render``, makes the calls and asks ``outcome`` what an answer means. Adapters are found by the
entry-point group ``m2n.channels``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel

from m2n.message import Inbound, Outbound, Receipt, VendorError
from m2n.tenant import Connection


class MalformedWebhook(ValueError):
    """A genuine request whose shape the adapter cannot read; says which field and what was expected."""


@dataclass(frozen=True)
class WebhookRequest:
    """A vendor's request as it came over the wire. ``url`` is the public address, query included, undecoded."""

    method: str
    url: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True)
class UnreadablePart:
    """A part of a webhook that cannot be read though the rest can: it is set aside, and the vendor gets its 2xx.

    ``body`` is a webhook in JSON of nothing but this part, which ``parse`` gets again when somebody puts it back.
    ``reason`` names the field and what was expected, and quotes nothing.
    """

    body: bytes
    reason: str


@dataclass(frozen=True)
class Parsed:
    """All that one webhook carried, in the vendor's order."""

    messages: tuple[Inbound, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    unreadable: tuple[UnreadablePart, ...] = ()


@dataclass(frozen=True)
class Acknowledgement:
    """What the vendor wants to read after a webhook was taken."""

    body: str = ""
    media_type: str = "text/plain"
    status: int = 200


@dataclass(frozen=True)
class VendorCall:
    """One HTTP request that sends (a part of) a message. With ``app_id`` the url is a path on that app of ours."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
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


@dataclass(frozen=True)
class Retry:
    """The vendor did not take the message and says or is known to take it later."""

    error: VendorError
    after_s: float | None = None


@dataclass(frozen=True)
class Uncertain:
    """The vendor may or may not have taken the message."""

    error: VendorError


CallOutcome = Accepted | Refused | Retry | Uncertain


class Channel(Protocol):
    """A channel adapter. ``settings`` is the model of a connection's settings, ``secrets`` the names it must have."""

    name: str
    settings: type[BaseModel]
    secrets: tuple[str, ...]

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

    def render(
        self, message: Outbound, connection: Connection, secrets: Mapping[str, str], callback_url: str
    ) -> tuple[VendorCall, ...]:
        """The calls that send the message, in order; what the channel cannot show is rendered as it can.

        ``callback_url`` is where the vendor is to post receipts of this very message.
        """
        ...

    def outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        """What a vendor's answer to a call means, after the vendor's error table."""
        ...
