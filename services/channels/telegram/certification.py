"""What the certification kit needs to know of Telegram."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from m2n.adapters.channel import Accepted, Refused, Retry, Uncertain, WebhookRequest
from m2n.certify.certificate import Answer, Certificate
from services.channels.telegram.adapter import channel
from services.channels.telegram.references import Reference
from services.channels.telegram.settings import BOT_TOKEN, SECRET_TOKEN
from services.channels.telegram.verify import HEADER

CHAT, SENT_AT = 7_000_042, 1_772_452_790


def _request(body: bytes) -> WebhookRequest:
    url = "https://hooks.example/webhooks/telegram/acme-telegram"
    return WebhookRequest("POST", url, {"content-type": "application/json"}, body)


def _sign(request: WebhookRequest, secrets: Mapping[str, str], at: datetime) -> WebhookRequest:
    return replace(request, headers={**request.headers, HEADER: secrets[SECRET_TOKEN]})


def _message(message_id: str, **content: Any) -> bytes:
    """An update with one message. An id that is no number of Telegram's stands for one that is made of it."""
    named = Reference.read(message_id)
    number = named.message if named else int(hashlib.sha256(message_id.encode()).hexdigest()[:8], 16) + 1
    person = {"id": CHAT, "first_name": "Ada"}
    message = {
        "message_id": number,
        "from": person | {"is_bot": False, "language_code": "en"},
        "chat": person | {"type": "private"},
        "date": SENT_AT,
    }
    return orjson.dumps({"update_id": 810_000_000 + number, "message": message | content})


def _text_message(message_id: str, text: str) -> bytes:
    return _message(message_id, text=text)


def _refusal(status: int, words: str, **parameters: int) -> bytes:
    more = {"parameters": parameters} if parameters else {}
    return orjson.dumps({"ok": False, "error_code": status, "description": words} | more)


_SENT = {
    "ok": True,
    "result": {"message_id": 8, "chat": {"id": CHAT, "type": "private"}, "date": SENT_AT, "text": "Hi"},
}
_ANSWERS = (
    Answer("sent", 200, orjson.dumps(_SENT), Accepted),
    Answer("done to a message", 200, b'{"ok":true,"result":true}', Accepted),
    Answer("flood", 429, _refusal(429, "Too Many Requests: retry after 5", retry_after=5), Retry),
    Answer("flood, told by header", 429, b"", Retry, {"Retry-After": "5"}),
    Answer("blocked", 403, _refusal(403, "Forbidden: bot was blocked by the user"), Refused),
    Answer("never written", 400, _refusal(400, "Bad Request: chat not found"), Refused),
    Answer("moved", 400, _refusal(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-1009), Refused),
    Answer("wrong token", 401, _refusal(401, "Unauthorized"), Refused),
    Answer("no such bot", 404, _refusal(404, "Not Found"), Refused),
    Answer("broken", 500, _refusal(500, "Internal Server Error"), Uncertain),
    Answer("gateway", 502, b"<html>Bad Gateway</html>", Uncertain),
    Answer("unreadable success", 200, b"<html>", Uncertain),
)

certificate = Certificate(
    channel=channel,
    settings={"username": "acme_example_bot"},
    secrets={BOT_TOKEN: "6000001:AAExampleExampleExampleExampleExamp", SECRET_TOKEN: "a-secret_of-ours-2026"},
    fixtures=Path(__file__).parent / "fixtures",
    request=_request,
    sign=_sign,
    text_message=_text_message,
    unknown_type=_message("7000042:24", hologram={"size": 3}),
    answers=_ANSWERS,
)
