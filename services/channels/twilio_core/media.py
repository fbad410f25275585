"""Media of customers: the pieces that a webhook names, and how their bytes are fetched."""

from urllib.parse import urlsplit

from m2n.adapters.channel import MalformedWebhook, MediaCall, NoMedia
from m2n.message import Content, Media, StickerContent, media_content
from services.channels.twilio_core.form import Fields, required
from services.channels.twilio_core.settings import TwilioSettings

MAX_MEDIA = 10
_TWILIO = "twilio.com"


def media_contents(found: Fields, *, stickers: bool = False) -> tuple[Content, ...]:
    """One content for each piece of media, in Twilio's order. Raises MalformedWebhook.

    ``stickers``: on this channel WebP pictures are stickers.
    """
    return tuple(_piece(found, number, stickers) for number in range(_count(found)))


def media_call(media: Media, settings: TwilioSettings, token: str) -> MediaCall:
    """Twilio wants the account's credentials for every piece and leads on to its storage, which wants none.

    The credentials go to Twilio's own hosts only, whatever address a webhook named. Raises NoMedia.
    """
    if not media.url:
        raise NoMedia("the piece has no address at Twilio")
    if not _is_vendors(media.url, settings.base_url):
        raise NoMedia("the piece's address is none of Twilio's")
    return MediaCall(media.url, auth=(settings.account_sid, token))


def _is_vendors(url: str, base_url: str) -> bool:
    try:
        parts, base = urlsplit(url), urlsplit(base_url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return False
    if (parts.scheme, parts.netloc.lower()) == (base.scheme, base.netloc.lower()):
        return True
    return parts.scheme == "https" and (host == _TWILIO or host.endswith(f".{_TWILIO}"))


def _count(found: Fields) -> int:
    count = found.get("NumMedia") or "0"
    if not (count.isascii() and count.isdigit() and len(count) <= 2 and int(count) <= MAX_MEDIA):
        raise MalformedWebhook(f"NumMedia: expected a whole number from 0 to {MAX_MEDIA}")
    return int(count)


def _piece(found: Fields, number: int, stickers: bool) -> Content:
    """The n-th piece of media; the text stands as caption at the first."""
    mime, caption = found.get(f"MediaContentType{number}", "").lower(), None if number else found.get("Body") or None
    url, sid = _address(found, f"MediaUrl{number}")
    media = Media(url=url, vendor_id=sid, mime=mime or None, voice=mime.startswith("audio/ogg"))
    if stickers and mime.startswith("image/webp") and caption is None:
        return StickerContent(media=media)
    return media_content(media, caption)


def _address(found: Fields, name: str) -> tuple[str, str | None]:
    """Where a piece is, and its id, with which Twilio's addresses of media end."""
    url = required(found, name)
    try:
        last = urlsplit(url).path.rpartition("/")[2]
    except ValueError:
        raise MalformedWebhook(f"{name}: expected an address") from None
    return url, last if last.startswith("ME") and len(last) == 34 else None
