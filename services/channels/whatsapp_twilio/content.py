"""What a WhatsApp message through Twilio holds: one content, or one for each piece of media."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from m2n.adapters.channel import MalformedWebhook
from m2n.message import (
    AudioContent,
    ChoiceContent,
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
from services.channels.twilio_core.form import Fields, required

MAX_MEDIA = 10
_IN_WORDS = frozenset({"", "text", "button", "interactive"})
"""Message types whose ``Body`` is what the customer said. The empty one: older senders name no type."""


def contents(found: Fields) -> tuple[Content, ...]:
    """The contents of an inbound message, at least one. Raises MalformedWebhook."""
    if found.get("Latitude") and found.get("Longitude"):
        return (_location(found),)
    choice = _choice(found)
    if choice is not None:
        return (choice,)
    count = _media_count(found)
    if count:
        return tuple(_media(found, number) for number in range(count))
    return (_words(found),)


def _words(found: Fields) -> Content:
    kind = found.get("MessageType", "")
    if kind in _IN_WORDS:
        return TextContent(text=found.get("Body", ""))
    return UnsupportedContent(vendor_type=kind[:512], raw_ref=required(found, "MessageSid"))


def _location(found: Fields) -> LocationContent:
    return LocationContent(
        latitude=_degrees(found, "Latitude"),
        longitude=_degrees(found, "Longitude"),
        name=found.get("Label") or None,
        address=found.get("Address") or None,
    )


def _degrees(found: Fields, name: str) -> float:
    try:
        return float(found[name])
    except ValueError:
        raise MalformedWebhook(f"{name}: expected degrees as a decimal number") from None


def _choice(found: Fields) -> ChoiceContent | None:
    """The button or list item picked; a button without a payload is known by its label."""
    for id_field, title_field in (("ButtonPayload", "ButtonText"), ("ListId", "ListTitle")):
        title = found.get(title_field) or found.get("Body", "")
        picked = found.get(id_field) or found.get(title_field)
        if picked:
            return ChoiceContent(id=picked, title=title or picked)
    return None


def _media_count(found: Fields) -> int:
    count = found.get("NumMedia") or "0"
    if not (count.isascii() and count.isdigit() and len(count) <= 2 and int(count) <= MAX_MEDIA):
        raise MalformedWebhook(f"NumMedia: expected a whole number from 0 to {MAX_MEDIA}")
    return int(count)


def _media(found: Fields, number: int) -> Content:
    """The n-th piece of media; the text stands as caption at the first."""
    url, mime = required(found, f"MediaUrl{number}"), found.get(f"MediaContentType{number}", "").lower()
    caption = (found.get("Body") or None) if number == 0 else None
    media = Media(url=url, vendor_id=_media_sid(url), mime=mime or None, voice=mime.startswith("audio/ogg"))
    if mime.startswith("image/webp") and caption is None:
        return StickerContent(media=media)
    return _MAKERS.get(mime.partition("/")[0], _file)(media, caption)


def _media_sid(url: str) -> str | None:
    last = urlsplit(url).path.rpartition("/")[2]
    return last if last.startswith("ME") and len(last) == 34 else None


def _image(media: Media, caption: str | None) -> Content:
    return ImageContent(media=media, caption=caption)


def _audio(media: Media, caption: str | None) -> Content:
    return AudioContent(media=media, caption=caption)


def _video(media: Media, caption: str | None) -> Content:
    return VideoContent(media=media, caption=caption)


def _file(media: Media, caption: str | None) -> Content:
    return FileContent(media=media, caption=caption)


_MAKERS: Mapping[str, Callable[[Media, str | None], Content]] = {
    "image": _image,
    "audio": _audio,
    "video": _video,
}
