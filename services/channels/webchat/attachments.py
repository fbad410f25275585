"""Files of visitors: which are taken, and the ticket with which a message refers to one.

The ticket says what was uploaded and is signed for this one visitor of this one chat, so a message can refer to no
other's file, and nothing has to be looked up for it.
"""

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass

import orjson

from m2n.media import media_id
from m2n.message import AudioContent, FileContent, ImageContent, Media, MediaState, VideoContent
from services.channels.webchat.tokens import decoded, encoded

MAX_FILENAME = 150
AttachmentContent = ImageContent | AudioContent | VideoContent | FileContent
_SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp")
_FORBIDDEN = str.maketrans(dict.fromkeys('/\\:*?"<>|'))


@dataclass(frozen=True)
class Upload:
    """A file that a visitor has uploaded. ``id`` is the page's own: the same one again is the same file."""

    id: str
    mime: str
    filename: str
    size_bytes: int


@dataclass(frozen=True)
class Owner:
    """Whose file it is."""

    tenant: str
    connection: str
    visitor: str

    def media_id(self, upload: str) -> str:
        return media_id(self.tenant, "webchat", self.connection, self.visitor, upload)


def is_taken(mime: str, allowed: Collection[str]) -> bool:
    return any(mime == one or (one.endswith(("/", ".")) and mime.startswith(one)) for one in allowed)


def bare_type(header: str) -> str:
    """A content type without its parameters."""
    return header.partition(";")[0].strip().lower()


def safe_filename(name: str) -> str:
    """What the visitor's computer calls the file, without folders and control characters; its ending stays."""
    kept = "".join(letter for letter in name.rpartition("/")[2].rpartition("\\")[2] if letter.isprintable())
    kept = kept.translate(_FORBIDDEN).strip(" .") or "file"
    stem, dot, ending = kept.rpartition(".")
    if dot and len(ending) <= 10:
        return f"{stem[: MAX_FILENAME - len(ending) - 1]}.{ending}"
    return kept[:MAX_FILENAME]


def ticket(upload: Upload, connection: str, visitor: str, key: str) -> str:
    """Raises ValueError for an empty key, which anybody could sign with."""
    if not key:
        raise ValueError("the chat's signing key is empty")
    claim = orjson.dumps([upload.id, upload.mime, upload.filename, upload.size_bytes])
    return f"{encoded(claim)}.{encoded(_mac(claim, connection, visitor, key))}"


def is_genuine(text: str, connection: str, visitor: str, key: str) -> bool:
    """Whether the ticket was given to this visitor; in constant time."""
    claim, _, mac = text.partition(".")
    raw, signed = decoded(claim), decoded(mac)
    if not key or raw is None or signed is None:
        return False
    return hmac.compare_digest(_mac(raw, connection, visitor, key), signed)


def claimed(text: str) -> Upload | None:
    """What a ticket says that was checked before; None when it cannot be read."""
    raw = decoded(text.partition(".")[0])
    try:
        id_, mime, filename, size_bytes = orjson.loads(raw or b"")
        return Upload(str(id_), str(mime), str(filename), int(size_bytes))
    except (ValueError, TypeError):
        return None


def content_of(upload: Upload, owner: Owner, caption: str | None) -> AttachmentContent:
    """The file as a message; its bytes are in the media store."""
    media = Media(
        id=owner.media_id(upload.id),
        state=MediaState.STORED,
        mime=upload.mime,
        filename=upload.filename,
        size_bytes=upload.size_bytes,
    )
    return _kind(upload.mime)(media=media, caption=caption)


def _kind(mime: str) -> type[AttachmentContent]:
    if mime in _SHOWN:
        return ImageContent
    if mime.startswith("audio/"):
        return AudioContent
    return VideoContent if mime.startswith("video/") else FileContent


def _mac(claim: bytes, connection: str, visitor: str, key: str) -> bytes:
    signed = b"\0".join([b"webchat-attachment", connection.encode(), visitor.encode(), claim])
    return hmac.new(key.encode(), signed, hashlib.sha256).digest()
