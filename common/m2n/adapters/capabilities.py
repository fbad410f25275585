"""What a channel can show and tell: the data from which everything that is common to channels is decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from m2n.message import ReceiptStatus
from m2n.splitting import Measure, characters

MIB = 1024 * 1024


@dataclass(frozen=True)
class Choices:
    """How a channel shows choices, as buttons or as a list. Lengths are in characters, of ids in UTF-8 bytes."""

    most: int
    title: int
    id: int = 256
    description: int = 0
    """0: a choice has no second line."""
    text: int = 1024
    """Longest text above the choices."""


@dataclass(frozen=True)
class MediaLimit:
    max_bytes: int
    mimes: tuple[str, ...] = ()
    """Types, each as ``image/png`` or ``image/``; empty: any."""

    def takes(self, mime: str | None, size_bytes: int | None) -> bool:
        """Whether a piece of that type and size fits; what is not known is believed to fit."""
        kind = (mime or "").partition(";")[0].strip().lower()
        typed = not self.mimes or not kind or any(kind.startswith(allowed) for allowed in self.mimes)
        return typed and (size_bytes or 0) <= self.max_bytes


@dataclass(frozen=True)
class Rate:
    """Messages a second that the vendor takes, and how many may come at once."""

    per_s: float
    burst: int = 1


class OptOut(StrEnum):
    """Who minds the words STOP and START on a channel."""

    NONE = "none"
    """Nobody: they are words like any other. A visitor of a chat page or a caller simply leaves."""
    OURS = "ours"
    VENDOR = "vendor"
    """The vendor blocks and answers itself; we record it and keep silent."""


@dataclass(frozen=True)
class Capabilities:
    """What is not said here the channel does not have; messages are rendered as it can (``m2n.adapters.degradation``).

    ``media`` and ``captions`` say by kind (image, audio, video, file, sticker) what can be sent, ``received`` what is
    fetched of customers.
    """

    text: int
    """Longest text of one message."""
    measure: Measure = characters
    buttons: Choices | None = None
    list: Choices | None = None
    media: Mapping[str, MediaLimit] = field(default_factory=dict)
    captions: Mapping[str, int] = field(default_factory=dict)
    needs_files: bool = False
    """Media go out as bytes, which ``SendContext.files`` then holds; else the vendor fetches them by their address."""
    received: Mapping[str, MediaLimit] = field(default_factory=dict)
    location: bool = False
    contact_card: bool = False
    template: bool = False
    reaction: bool = False
    edit: bool = False
    delete: bool = False
    signals: frozenset[str] = frozenset()
    """Of ``typing`` and ``read``: what the customer can be shown while somebody works on an answer."""
    receipts: frozenset[ReceiptStatus] = frozenset()
    """What the vendor tells later of a message beyond that it took it."""
    receipts_by_vendor_id: bool = False
    """Receipts name the vendor's id of a message, so what was sent has to be found by it."""
    opt_out: OptOut = OptOut.NONE
    rate: Rate | None = None
    """Of one connection."""
    pair_rate: Rate | None = None
    """To one customer of one connection."""

    @property
    def choices_shown(self) -> int:
        """So many choices are shown as such; more are written as numbered lines."""
        return max((shape.most for shape in (self.buttons, self.list) if shape), default=0)

    @property
    def choice_length(self) -> int:
        """So many characters the title of a choice may have that is shown as such."""
        return max((shape.title for shape in (self.buttons, self.list) if shape), default=0)
