"""What a customer's Messenger message holds: its words, its choice, and one content for each attachment."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, ConfigDict

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
from services.channels.messenger.events import Attachment, Message

_REDIRECTORS = frozenset({"l.facebook.com", "lm.facebook.com"})


class _Coordinates(BaseModel):
    lat: float
    long: float


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    url: str | None = None
    title: str | None = None
    sticker_id: str | None = None
    coordinates: _Coordinates | None = None


_Known = tuple[Attachment, _Payload]


def contents(message: Message) -> tuple[Content, ...]:
    """The contents in order, at least one. Raises pydantic's ValidationError for an attachment that cannot be read.

    Words beside a picture, a video or a file are its caption; beside anything else they are a message of their own.
    """
    text = message.text or ""
    if message.quick_reply is not None:
        picked = message.quick_reply.payload or text
        return (ChoiceContent(id=picked, title=text or picked),)
    attached = tuple(_attached(message, text))
    if text and attached and isinstance(attached[0], ImageContent | VideoContent | FileContent):
        return (attached[0].model_copy(update={"caption": text}), *attached[1:])
    said = (TextContent(text=text),) if text else ()
    return (*said, *attached) or (UnsupportedContent(vendor_type="message", raw_ref=message.mid),)


def _attached(message: Message, text: str) -> Iterable[Content]:
    known = [(one, _payload(one)) for one in message.attachments]
    for attachment, payload in _without_doubles(known):
        make = _MAKERS.get(attachment.type)
        content = make(attachment, payload) if make else None
        link = _link(attachment, payload)
        if isinstance(content, TextContent) and link and link in text:
            continue
        yield content or UnsupportedContent(vendor_type=attachment.type[:512], raw_ref=message.mid)


def _payload(attachment: Attachment) -> _Payload:
    """An empty one where it is of a type that nobody here reads, or has none."""
    if attachment.type not in _MAKERS or attachment.payload is None:
        return _Payload()
    return _Payload.model_validate(attachment.payload)


def _without_doubles(known: Sequence[_Known]) -> Iterable[_Known]:
    """A sticker comes as ``sticker`` and, until Meta's change is over (30 August 2026), also as ``image``."""
    stickers = [payload for attachment, payload in known if attachment.type == "sticker"]
    for attachment, payload in known:
        doubles = attachment.type == "image" and any(_same(payload, sticker) for sticker in stickers)
        if not doubles:
            yield attachment, payload


def _same(image: _Payload, sticker: _Payload) -> bool:
    if image.sticker_id and sticker.sticker_id:
        return image.sticker_id == sticker.sticker_id
    return image.url is not None and image.url == sticker.url


def _image(attachment: Attachment, payload: _Payload) -> Content | None:
    if payload.sticker_id:
        return _sticker(attachment, payload)
    return ImageContent(media=Media(url=payload.url)) if payload.url else None


def _audio(_: Attachment, payload: _Payload) -> Content | None:
    return AudioContent(media=Media(url=payload.url)) if payload.url else None


def _video(_: Attachment, payload: _Payload) -> Content | None:
    return VideoContent(media=Media(url=payload.url)) if payload.url else None


def _file(_: Attachment, payload: _Payload) -> Content | None:
    return FileContent(media=Media(url=payload.url, filename=_filename(payload.url))) if payload.url else None


def _sticker(_: Attachment, payload: _Payload) -> Content | None:
    return StickerContent(media=Media(url=payload.url, vendor_id=payload.sticker_id)) if payload.url else None


def _location(attachment: Attachment, payload: _Payload) -> Content | None:
    place = payload.coordinates
    if place is None:
        return None
    name = attachment.title or payload.title or None
    return LocationContent(latitude=place.lat, longitude=place.long, name=name)


def _shared(attachment: Attachment, payload: _Payload) -> Content | None:
    """A link or a post that the customer shared: its title and address as words."""
    title = payload.title or attachment.title
    lines = [line for line in (title, _link(attachment, payload)) if line]
    return TextContent(text="\n".join(lines)) if lines else None


def _link(attachment: Attachment, payload: _Payload) -> str:
    """The address that was shared, without Facebook's redirector before it."""
    url = payload.url or attachment.url or ""
    try:
        parts = urlsplit(url)
        leads_to = parse_qs(parts.query).get("u") if parts.hostname in _REDIRECTORS else None
    except ValueError:
        return url
    return leads_to[0] if leads_to else url


def _filename(url: str) -> str | None:
    try:
        return unquote(urlsplit(url).path.rpartition("/")[2])[:512] or None
    except ValueError:
        return None


_MAKERS: Mapping[str, Callable[[Attachment, _Payload], Content | None]] = {
    "image": _image,
    "audio": _audio,
    "video": _video,
    "file": _file,
    "sticker": _sticker,
    "reel": _video,
    "ig_reel": _video,
    "location": _location,
    "fallback": _shared,
    "post": _shared,
    "ig_post": _shared,
}


def emoji_of(name: str | None, emoji: str | None) -> str | None:
    """A reaction's emoji; where only its name is told, the one that stands for it."""
    return emoji or _NAMED.get(name or "") or name


_NAMED: Mapping[str, str] = {
    "smile": "😆",
    "angry": "😠",
    "sad": "😢",
    "wow": "😮",
    "love": "❤️",
    "like": "👍",
    "dislike": "👎",
}
