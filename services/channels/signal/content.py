"""What a customer's data message holds: one content, or one for each file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from m2n.message import (
    Contact,
    ContactCardContent,
    Content,
    DeleteContent,
    Media,
    ReactionContent,
    StickerContent,
    TextContent,
    UnsupportedContent,
    media_content,
)
from services.channels.signal.envelope import (
    Attachment,
    ContactName,
    DataMessage,
    Mention,
    SharedContact,
    Sticker,
    unknown_data,
)
from services.channels.signal.references import OURS, Reference
from services.channels.signal.sender import Sender

LONG_TEXT = "text/x-signal-plain"
"""Type of the file that holds the whole of a text of more than MAX_BODY bytes; the message has its beginning."""
MAX_BODY = 2000
"""Longest text within a message, in UTF-8 bytes (signal-cli, ServiceConfig.MAX_MESSAGE_SIZE_BYTES)."""
STICKER = "sticker:"
"""Begins the vendor id of a sticker, which names pack and sticker and is no file of the gateway's."""


def contents(message: DataMessage, raw: Mapping[str, Any], sender: Sender) -> tuple[Content, ...]:
    """The contents, in order; none where there is nothing to see, as when only the disappearing time was changed."""
    if message.reaction is not None:
        reaction = message.reaction
        target = target_of(sender, reaction.targetAuthorUuid, reaction.targetAuthorNumber, reaction.targetSentTimestamp)
        return (ReactionContent(target=target, emoji=None if reaction.isRemove else reaction.emoji),)
    if message.remoteDelete is not None:
        return (DeleteContent(target=str(sender.reference(message.remoteDelete.timestamp))),)
    if message.sticker is not None:
        return (_sticker(message.sticker),)
    if message.contacts:
        cards = ContactCardContent(contacts=tuple(map(_contact, message.contacts)))
        return (*_words(message), cards)
    return tuple(_words_and_files(message)) or _unknown(raw, sender.reference(message.timestamp))


def target_of(sender: Sender, uuid: str | None, number: str | None, sent_ms: int) -> str:
    """Id of a message that the customer points at: their own, or ours, for there are only two in the conversation."""
    theirs = sender.is_named(uuid, number)
    return str(sender.reference(sent_ms) if theirs else Reference(OURS, sent_ms))


def words(message: DataMessage) -> str:
    """The text, with the names of those whom it mentions in the place of Signal's marks."""
    text = message.message or ""
    return _with_names(text, message.mentions) if message.mentions else text


def _words(message: DataMessage) -> tuple[Content, ...]:
    text = words(message)
    return (TextContent(text=text),) if text else ()


def _words_and_files(message: DataMessage) -> Iterator[Content]:
    """The text is the caption of the first file. A long text stands before its file, so that it is read as words."""
    text, files = words(message), tuple(message.attachments or ())
    if any(file.contentType == LONG_TEXT for file in files):
        yield from _words(message)
        complete = len(text.encode()) > MAX_BODY
        files, text = tuple(file for file in files if not (complete and file.contentType == LONG_TEXT)), ""
    elif not files:
        yield from _words(message)
    for number, file in enumerate(files):
        yield _file(file, text if number == 0 else "")


def _file(file: Attachment, text: str) -> Content:
    mime = (file.contentType or "").lower()
    kind = mime.partition("/")[0]
    media = Media(
        vendor_id=file.id or None,
        mime=mime or None,
        filename=file.filename or None,
        size_bytes=file.size,
        voice=_is_voice(file, kind),
    )
    return media_content(media, "\n".join(filter(None, (text, file.caption))) or None)


def _is_voice(file: Attachment, kind: str) -> bool:
    """Older versions do not say it; there a recording differs from a sound file by having no name."""
    said = file.isVoiceNote
    return kind == "audio" and (not file.filename if said is None else said)


def _sticker(sticker: Sticker) -> Content:
    return StickerContent(media=Media(vendor_id=f"{STICKER}{sticker.packId}:{sticker.stickerId}"))


def _contact(contact: SharedContact) -> Contact:
    return Contact(
        name=(_name(contact.name) or contact.organization or "?")[:512],
        phones=tuple(phone.value for phone in contact.phone or () if phone.value),
        emails=tuple(email.value for email in contact.email or () if email.value),
    )


def _name(name: ContactName | None) -> str:
    if name is None:
        return ""
    parts = (name.prefix, name.given, name.middle, name.family, name.suffix)
    return " ".join(filter(None, parts)) or name.nickname or ""


def _with_names(text: str, mentions: Sequence[Mention]) -> str:
    """From the last to the first, so that the places before stay right."""
    units = text.encode("utf-16-le")
    for mention in sorted(mentions, key=lambda found: found.start, reverse=True):
        shown = f"@{mention.name or mention.number or '?'}".encode("utf-16-le")
        start, end = 2 * mention.start, 2 * (mention.start + mention.length)
        units = units[:start] + shown + units[end:]
    return units.decode("utf-16-le", "replace")


def _unknown(raw: Mapping[str, Any], reference: Reference) -> tuple[Content, ...]:
    """A payment, a poll and whatever else there may be one day."""
    name = unknown_data(raw)
    return (UnsupportedContent(vendor_type=name[:512], raw_ref=str(reference)),) if name else ()
