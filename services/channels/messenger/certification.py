"""What the Messenger adapter shows of itself to the kit that certifies channels."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from m2n.adapters.channel import Accepted, Refused, Retry, Uncertain, WebhookRequest
from m2n.certify.certificate import Answer, Certificate, StatusUpdate
from m2n.message import ReceiptStatus
from services.channels.messenger.adapter import channel
from services.channels.messenger.receipts import metadata
from services.channels.messenger.render import APP_SECRET, PAGE_TOKEN, VERIFY_TOKEN
from services.channels.meta_core.signature import HEADER, signature

PAGE, PSID, APP = "100200300400500", "24001550100000201", 1517000000000001
AT_MS = 1772452798500


def _request(body: bytes) -> WebhookRequest:
    url = "https://hooks.example/webhooks/messenger/acme-messenger"
    return WebhookRequest("POST", url, {"content-type": "application/json"}, body)


def _sign(request: WebhookRequest, secrets: Mapping[str, str], _: datetime) -> WebhookRequest:
    proof = {HEADER: signature(secrets[APP_SECRET], request.body)}
    return replace(request, headers={**request.headers, **proof})


def _webhook(*events: dict[str, Any]) -> bytes:
    """As Meta writes it: what is not ASCII is escaped."""
    around = {"sender": {"id": PSID}, "recipient": {"id": PAGE}, "timestamp": AT_MS}
    entries = [{"id": PAGE, "time": AT_MS, "messaging": [around | event]} for event in events]
    return json.dumps({"object": "page", "entry": entries}).encode()


def _text(mid: str, text: str) -> dict[str, Any]:
    return {"message": {"mid": mid, "text": text}}


def _batch(texts: Sequence[tuple[str, str]]) -> bytes:
    return _webhook(*(_text(mid, text) for mid, text in texts))


def _echo(message_id: str) -> bytes:
    message = {"mid": "m_invented-1", "text": "Hello", "is_echo": True, "app_id": APP, "metadata": metadata(message_id)}
    return _webhook({"sender": {"id": PAGE}, "recipient": {"id": PSID}, "message": message})


def _delivery(message_id: str) -> bytes:
    """Deliveries name messages by Messenger's id."""
    return _webhook({"delivery": {"mids": [message_id], "watermark": AT_MS}})


def _read(_: str) -> bytes:
    """Reads name no message: all are read that were sent until then."""
    return _webhook({"read": {"watermark": AT_MS}})


def _error(what: str, status: int, code: int, means: Any, subcode: int | None = None) -> Answer:
    error = {"message": "(#0) invented", "type": "OAuthException", "code": code, "fbtrace_id": "Ainvented"}
    numbered = error if subcode is None else error | {"error_subcode": subcode}
    return Answer(what, status, json.dumps({"error": numbered}).encode(), means)


certificate = Certificate(
    channel=channel,
    settings={"page_id": PAGE, "app_id": str(APP)},
    secrets={APP_SECRET: "invented-app-secret", VERIFY_TOKEN: "invented-verify-token", PAGE_TOKEN: "invented-token"},
    fixtures=Path(__file__).parent / "fixtures",
    request=_request,
    sign=_sign,
    text_message=lambda mid, text: _webhook(_text(mid, text)),
    unknown_type=_webhook({"message": {"mid": "m_invented-2", "attachments": [{"type": "hologram", "payload": {}}]}}),
    answers=(
        Answer("taken", 200, json.dumps({"recipient_id": PSID, "message_id": "m_invented-3"}).encode(), Accepted),
        Answer("a sender action taken", 200, json.dumps({"recipient_id": PSID}).encode(), Accepted),
        Answer("a success that cannot be read", 200, b"<html>", Uncertain),
        Answer("the gateway lost it", 502, b"<html>", Uncertain),
        _error("an unknown error", 500, 1, Uncertain),
        _error("briefly not available", 500, 2, Retry, 2018344),
        _error("a temporary failure", 400, 1200, Retry),
        _error("too many calls", 400, 613, Retry),
        _error("the app has made too many calls", 403, 4, Retry),
        _error("the Page is restricted", 400, 10, Retry, 1893063),
        _error("outside the window", 400, 10, Refused, 2018278),
        _error("the person blocked the Page", 400, 551, Refused, 1545041),
        _error("no such person", 400, 100, Refused, 2018001),
        _error("an invalid parameter", 400, 100, Refused),
        _error("the token is not valid", 401, 190, Refused),
        _error("no permission", 403, 200, Refused),
    ),
    statuses=(
        StatusUpdate(_echo, ReceiptStatus.SENT),
        StatusUpdate(_delivery, ReceiptStatus.DELIVERED),
        StatusUpdate(_read, ReceiptStatus.READ),
    ),
    batch=_batch,
)
