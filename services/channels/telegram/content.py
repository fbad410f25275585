"""What a Telegram message says, in the common format."""

from m2n.message import (
    AudioContent,
    Contact,
    ContactCardContent,
    Content,
    FileContent,
    ImageContent,
    LocationContent,
    Media,
    StickerContent,
    TextContent,
    UnsupportedContent,
    VideoContent,
)
from services.channels.telegram.updates import File, Location, Message, SharedContact, Sticker, Venue


def content_of(message: Message, name: str) -> Content:
    """The message's one content; ``name`` is how the message is named, for what cannot be read.

    An animation comes as a document too, and a venue as a location too, so the order counts.
    """
    if message.text is not None:
        return TextContent(text=message.text)
    return _media(message) or _other(message) or UnsupportedContent(vendor_type=message.kind[:512], raw_ref=name)


def _media(message: Message) -> Content | None:
    caption = message.caption or None
    if message.photo:
        return ImageContent(media=_piece(message.photo[-1], "image/jpeg"), caption=caption)
    if message.voice:
        return AudioContent(media=_piece(message.voice, "audio/ogg", voice=True), caption=caption)
    if message.audio:
        return AudioContent(media=_piece(message.audio), caption=caption)
    video = message.animation or message.video or message.video_note
    if video:
        return VideoContent(media=_piece(video, "video/mp4"), caption=caption)
    if message.document:
        return FileContent(media=_piece(message.document), caption=caption)
    return _sticker(message.sticker) if message.sticker else None


def _other(message: Message) -> Content | None:
    if message.venue:
        return _place(message.venue.location, message.venue)
    if message.location:
        return _place(message.location)
    return _card(message.contact) if message.contact else None


def _piece(file: File, usual: str | None = None, *, voice: bool = False) -> Media:
    """``usual``: the type of pieces of this kind, of which Telegram says none."""
    return Media(
        vendor_id=file.file_id,
        mime=file.mime_type or usual,
        filename=file.file_name or None,
        size_bytes=file.file_size,
        voice=voice,
    )


def _sticker(sticker: Sticker) -> StickerContent:
    """Still ones are WebP; animated ones Telegram's own TGS or WebM."""
    moving = "application/x-tgsticker" if sticker.is_animated else "video/webm" if sticker.is_video else "image/webp"
    return StickerContent(media=_piece(sticker, moving), emoji=sticker.emoji)


def _place(at: Location, venue: Venue | None = None) -> LocationContent:
    return LocationContent(
        latitude=at.latitude,
        longitude=at.longitude,
        name=(venue.title or None) if venue else None,
        address=(venue.address or None) if venue else None,
    )


def _card(shared: SharedContact) -> ContactCardContent:
    name = " ".join(filter(None, (shared.first_name, shared.last_name)))
    return ContactCardContent(contacts=(Contact(name=name or shared.phone_number, phones=(shared.phone_number,)),))
