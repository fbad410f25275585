"""The methods that send a message: what Telegram finds wrong with one, and how it then stands in the chat."""

from collections.abc import Callable, Mapping
from typing import Any

from services.simulator.telegram.arguments import (
    Keyboard,
    Send,
    SendContact,
    SendLocation,
    SendMedia,
    SendMessage,
    SendVenue,
)
from services.simulator.telegram.bots import Bot
from services.simulator.telegram.problems import bad

MAX_TEXT, MAX_CAPTION, MAX_DATA, MAX_KEYS, MAX_VCARD = 4096, 1024, 64, 100, 2048
Content = dict[str, Any]


def utf16_length(text: str) -> int:
    """How Telegram counts: in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_text(text: str) -> None:
    if not text.strip():
        raise bad("message text is empty")
    if utf16_length(text) > MAX_TEXT:
        raise bad("message is too long")


def check_keyboard(keyboard: Keyboard | None) -> None:
    if keyboard is None:
        return
    if len(keyboard.keys) > MAX_KEYS:
        raise bad("reply markup is too long")
    for key in keyboard.keys:
        if not key.text.strip() or not (key.callback_data or key.url):
            raise bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
        if key.callback_data and len(key.callback_data.encode()) > MAX_DATA:
            raise bad("BUTTON_DATA_INVALID")


def message_of(sent: SendMessage) -> Content:
    check_text(sent.text)
    return {"text": sent.text}


def location_of(sent: SendLocation) -> Content:
    return {"location": {"latitude": sent.latitude, "longitude": sent.longitude}}


def venue_of(sent: SendVenue) -> Content:
    if not sent.title or not sent.address:
        raise bad("title and address of a venue must be non-empty")
    at = location_of(sent)
    return at | {"venue": at | {"title": sent.title, "address": sent.address}}


def contact_of(sent: SendContact) -> Content:
    if not sent.phone_number or not sent.first_name:
        raise bad("phone_number and first_name of a contact must be non-empty")
    if len(sent.vcard.encode()) > MAX_VCARD:
        raise bad("vCard is too long")
    named = {"phone_number": sent.phone_number, "first_name": sent.first_name, "last_name": sent.last_name}
    return {"contact": named | ({"vcard": sent.vcard} if sent.vcard else {})}


def _media(field: str) -> Callable[[SendMedia], Content]:
    """A piece of media by its address, which stands for its id here: nothing is fetched that is not asked for."""

    def content(sent: SendMedia) -> Content:
        if utf16_length(sent.caption) > MAX_CAPTION:
            raise bad("message caption is too long")
        piece = {"file_id": getattr(sent, field), "file_unique_id": "AQAD"}
        size = [piece | {"width": 1280, "height": 960}]
        return {field: size if field == "photo" else piece} | ({"caption": sent.caption} if sent.caption else {})

    return content


SENDING: Mapping[str, tuple[type[Send], Callable[[Any], Content]]] = {
    "sendmessage": (SendMessage, message_of),
    "sendphoto": (SendMedia, _media("photo")),
    "sendaudio": (SendMedia, _media("audio")),
    "sendvoice": (SendMedia, _media("voice")),
    "sendvideo": (SendMedia, _media("video")),
    "senddocument": (SendMedia, _media("document")),
    "sendsticker": (SendMedia, _media("sticker")),
    "sendlocation": (SendLocation, location_of),
    "sendvenue": (SendVenue, venue_of),
    "sendcontact": (SendContact, contact_of),
}


def facts_of(shown: Content, chat: int) -> dict[str, Any]:
    """What the ledger has of a message that a bot sent or changed."""
    text = shown.get("text") or shown.get("caption") or _card(shown.get("contact"))
    sources = {name: shown[name] for name in ("audio", "voice", "video", "document") if name in shown}
    pictures = [piece["file_id"] for piece in [*shown.get("photo", [])[-1:], *filter(None, [shown.get("sticker")])]]
    return {
        "text": text,
        "pictures": pictures,
        "files": [piece["file_id"] for piece in sources.values()],
        "place": _place(shown),
        "choices": _choices(shown),
        "reply_to": f"{chat}:{shown['reply_to_message']['message_id']}" if "reply_to_message" in shown else None,
    }


def _card(contact: dict[str, str] | None) -> str:
    return f"{contact['first_name']} {contact['phone_number']}" if contact else ""


def _place(shown: Content) -> Content | None:
    at, venue = shown.get("location"), shown.get("venue", {})
    return at | {"label": venue.get("title", ""), "address": venue.get("address", "")} if at else None


def _choices(shown: Content) -> list[Content]:
    rows = shown.get("reply_markup", {}).get("inline_keyboard", [])
    return [
        {"title": key["text"], "says": {"choice": {"id": key["callback_data"], "title": key["text"]}}}
        for row in rows
        for key in row
        if key.get("callback_data")
    ]


def markup_of(keyboard: Keyboard | None) -> Content:
    return {"reply_markup": keyboard.model_dump(exclude_none=True)} if keyboard else {}


def sender_of(bot: Bot) -> Content:
    return {"from": bot.user}
