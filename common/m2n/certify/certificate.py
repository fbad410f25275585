"""What a channel adapter shows of itself so that the kit can check what it claims.

Each adapter's folder has a module ``certification`` with a ``certificate``, and a folder ``fixtures``: one file for
each kind of webhook in the vendor's documented shape (``<kind>.json`` or ``<kind>.txt``), and beside it
``<kind>.golden.json``, what ``parse`` makes of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from m2n.adapters.channel import CallOutcome, Channel, WebhookRequest
from m2n.message import ReceiptStatus

Sign = Callable[[WebhookRequest, Mapping[str, str], datetime], WebhookRequest]
"""The request with the vendor's proof of origin, made with these secrets at that time."""


@dataclass(frozen=True)
class Answer:
    """An answer of the vendor's send API and what it means: the class of the outcome."""

    what: str
    status: int
    body: bytes
    means: type[CallOutcome]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StatusUpdate:
    """The body of a webhook that tells a message's status. ``message_id`` is ours (Outbound.id)."""

    body: Callable[[str], bytes]
    status: ReceiptStatus
    url_query: Callable[[str], str] = lambda _: ""
    """What the callback's address has behind the ``?``, where that names the message."""


@dataclass(frozen=True)
class Certificate:
    channel: Channel
    settings: Mapping[str, Any]
    """Of a sample connection."""
    secrets: Mapping[str, str]
    fixtures: Path
    request: Callable[[bytes], WebhookRequest]
    """A webhook with that body as the vendor posts it, without a proof of origin."""
    sign: Sign
    text_message: Callable[[str, str], bytes]
    """Body of a webhook with one text message, of a vendor's message id and the text."""
    unknown_type: bytes
    """Body of a webhook with a message of a type that nobody knows."""
    answers: Sequence[Answer]
    """At least one that is accepted, one to be tried again, one refused, and one uncertain."""
    statuses: Sequence[StatusUpdate] = ()
    """One for each status in the capabilities' ``receipts``."""
    batch: Callable[[Sequence[tuple[str, str]]], bytes] | None = None
    """Body of a webhook with several text messages (id, text); None: the vendor sends one at a time."""
    max_age: timedelta | None = None
    """An older signature is refused; None: the vendor's scheme has no time in it."""
    exempt: Mapping[str, str] = field(default_factory=dict)
    """Name of a check that cannot be made of this channel, and why."""
