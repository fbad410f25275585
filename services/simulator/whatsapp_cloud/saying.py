"""What a customer says, as one message of a webhook or several.

``Said.extra`` has what only this vendor has: ``bsuid`` (true: the number is hidden; false: no BSUID, as before April
2026), ``kind`` of a choice (``button_reply``, ``list_reply``, ``button`` of a template), ``forwarded``, ``referral``,
``message`` (a message in Meta's own words: its ``type`` and what belongs to it), ``batch`` (what else is in the same
webhook: a list of ``Said``, each with ``customer`` if it is another's), ``marketing`` (``stop`` or ``resume``: the
customer's own setting).
"""

from collections.abc import Iterator
from typing import Any, Literal

from services.simulator.settings import Setup
from services.simulator.vendors import Customer, PressedChoice, Said, checked
from services.simulator.whatsapp_cloud.media import Piece

Message = dict[str, Any]


class Extra(Setup):
    bsuid: bool | None = None
    kind: Literal["button_reply", "list_reply", "button"] = "button_reply"
    forwarded: bool = False
    referral: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    batch: tuple[dict[str, Any], ...] = ()
    marketing: Literal["stop", "resume"] | None = None


class Beside(Said):
    """One of a batch."""

    customer: Customer | None = None


def extra_of(said: Said) -> Extra:
    """Raises ValueError for what is not known here, and for what WhatsApp does not have."""
    if said.digits or said.hang_up:
        raise ValueError("digits, hang_up: there are no calls on this channel")
    return checked(Extra, said.extra, "extra")


def beside(extra: Extra) -> list[Beside]:
    """Raises ValueError."""
    return [checked(Beside, one, "extra.batch") for one in extra.batch]


def contents(said: Said, extra: Extra, pieces: list[Piece]) -> list[Message]:
    """Each message's ``type`` and what belongs to it, at least one. Raises ValueError when nothing is said."""
    around = dict(_around(said, extra))
    found = [around | content for content in _contents(said, extra, pieces)]
    if not found:
        raise ValueError("expected one of text, choice, location, media, reaction, edit, delete and extra.message")
    return found


def _around(said: Said, extra: Extra) -> Iterator[tuple[str, Any]]:
    context = ({"id": said.reply_to} if said.reply_to else {}) | ({"forwarded": True} if extra.forwarded else {})
    if context:
        yield "context", context
    if extra.referral:
        yield "referral", extra.referral


def _contents(said: Said, extra: Extra, pieces: list[Piece]) -> Iterator[Message]:
    """With media the text is the first one's caption, where its kind has one."""
    if extra.message is not None:
        yield extra.message
    elif said.choice:
        yield _choice(said.choice, extra)
    elif pieces:
        yield from _media(said, pieces)
    elif said.text is not None:
        yield {"type": "text", "text": {"body": said.text}}
    yield from _others(said)


def _others(said: Said) -> Iterator[Message]:
    if said.location:
        place = said.location
        words = {"name": place.label, "address": place.address}
        where = {"latitude": place.latitude, "longitude": place.longitude}
        yield {"type": "location", "location": where | {name: value for name, value in words.items() if value}}
    if said.reaction:
        emoji = {"emoji": said.reaction.emoji} if said.reaction.emoji else {}
        yield {"type": "reaction", "reaction": {"message_id": said.reaction.target, **emoji}}
    if said.edit:
        new = {"type": "text", "text": {"body": said.edit.text}}
        yield {"type": "edit", "edit": {"original_message_id": said.edit.target, "message": new}}
    if said.delete:
        yield {"type": "revoke", "revoke": {"original_message_id": said.delete}}


def _choice(choice: PressedChoice, extra: Extra) -> Message:
    if extra.kind == "button":
        return {"type": "button", "button": {"payload": choice.id, "text": choice.title}}
    return {"type": "interactive", "interactive": {"type": extra.kind, extra.kind: choice.model_dump()}}


def _media(said: Said, pieces: list[Piece]) -> Iterator[Message]:
    caption = said.text
    for piece, sent in zip(pieces, said.media, strict=True):
        kind = kind_of(piece.mime)
        about: dict[str, Any] = {"mime_type": piece.mime, "sha256": piece.sha256_base64, "id": piece.id}
        if kind == "audio":
            about["voice"] = sent.voice
        if kind == "document" and piece.filename:
            about["filename"] = piece.filename
        if kind in ("image", "video", "document") and caption:
            about, caption = about | {"caption": caption}, None
        yield {"type": kind, kind: {name: value for name, value in about.items() if value is not None}}
    if caption:
        yield {"type": "text", "text": {"body": caption}}


def kind_of(mime: str) -> str:
    """WhatsApp's kind of a file by its content type."""
    plain = mime.partition(";")[0].strip().lower()
    if plain == "image/webp":
        return "sticker"
    return {"image/jpeg": "image", "image/png": "image"}.get(plain) or {"audio": "audio", "video": "video"}.get(
        plain.partition("/")[0], "document"
    )
