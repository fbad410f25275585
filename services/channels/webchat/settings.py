"""Settings of a web chat connection."""

from typing import Annotated

from pydantic import Field

from m2n.adapters.capabilities import MIB, Rate
from m2n.tenant import Config, Slug

DAY_S = 86_400
MAX_TOKEN_TTL_S = 30 * DAY_S
MAX_ATTACHMENT_BYTES = 25 * MIB
"""What a connection may allow at most; an upload is held in memory once."""
OFFICE = "application/vnd.openxmlformats-officedocument."

Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.\-\[\]:]+$", max_length=300)]
"""As browsers write it: scheme, host in lower case, a port where it is not the scheme's own; nothing after that."""
MimeStart = Annotated[str, Field(pattern=r"^[a-z]+/[a-z0-9.+-]*$", max_length=100)]
PerMinute = Annotated[int, Field(ge=1, le=100_000)]


class Limits(Config):
    """How much may come in a minute; a third of it at once. Those of an address count all visitors behind it."""

    messages: PerMinute = 60
    """Of one visitor."""
    notes: PerMinute = 180
    """Of one visitor: typing, and what they have seen."""
    uploads: PerMinute = 12
    """Of one visitor."""
    address_visitors: PerMinute = 60
    """New visitors from one address."""
    address_posts: PerMinute = 1200
    """Posts and uploads from one address."""
    address_reads: PerMinute = 1200
    """Streams opened and polls from one address."""


class WebChatSettings(Config):
    allowed_origins: tuple[Origin, ...] = ()
    """Sites whose pages may hold the chat, as in ``https://shop.example``; the installation's own always may."""
    token_ttl_s: Annotated[int, Field(ge=60, le=MAX_TOKEN_TTL_S)] = DAY_S
    """A visitor is known for so many seconds after the token was given."""
    max_attachment_bytes: Annotated[int, Field(ge=0, le=MAX_ATTACHMENT_BYTES)] = 10 * MIB
    """0: visitors cannot attach files."""
    attachment_types: Annotated[tuple[MimeStart, ...], Field(min_length=1, max_length=50)] = (
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "audio/",
        "video/",
        "application/pdf",
        "text/plain",
        "text/csv",
        "application/zip",
        "application/msword",
        "application/vnd.ms-excel",
        OFFICE,
    )
    """Types, or their beginnings, of the files that visitors may attach."""
    users: Slug | None = None
    """Names the site's list of users. Chats that name the same one share its users; None: the chat has its own."""
    limits: Limits = Limits()


def rate(per_minute: int) -> Rate:
    """So many a minute, a third of them at once."""
    return Rate(per_s=per_minute / 60, burst=max(per_minute // 3, 1))
