"""What the adapter shows of itself to the certification kit."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from m2n.adapters.channel import Accepted, Refused, Retry, Uncertain, WebhookRequest
from m2n.certify.certificate import Answer, Certificate, StatusUpdate
from m2n.message import ReceiptStatus
from services.channels.signal.adapter import channel
from services.channels.signal.verify import PATH_SECRET, QUERY_NAME

NUMBER, CUSTOMER = "+15550100001", "00000000-0000-4000-8000-000000000001"
SENT_MS = 1_772_452_680_000
_RECEIVED_MS = 1_772_452_740_000


def request(body: bytes) -> WebhookRequest:
    return WebhookRequest(
        method="POST",
        url="https://hooks.example/webhooks/signal/acme-signal",
        headers={"content-type": "application/json"},
        body=body,
        remote="10.0.0.5",
    )


def sign(webhook: WebhookRequest, secrets: Mapping[str, str], _: datetime) -> WebhookRequest:
    """The gateway signs nothing: the address it was given has the secret in it."""
    address = webhook.url.partition("?")[0]
    return replace(webhook, url=f"{address}?{QUERY_NAME}={quote(secrets.get(PATH_SECRET, ''), safe='')}")


def text_message(message_id: str, text: str) -> bytes:
    """A message's id is its author and moment; an id of another shape stands for a moment made of it."""
    sent_ms = _moment(message_id, _RECEIVED_MS)
    return _notification(dataMessage={"timestamp": sent_ms, "message": text, "expiresInSeconds": 0, "viewOnce": False})


def _moment(message_id: str, since_ms: int) -> int:
    moment = message_id.rpartition(":")[2]
    if moment.isdigit() and len(moment) <= 13:
        return int(moment)
    return since_ms + int.from_bytes(message_id.encode()[-6:], "big") % 1_000_000_000


def _notification(**kind: Any) -> bytes:
    envelope = {
        "source": "+15550100002",
        "sourceNumber": "+15550100002",
        "sourceUuid": CUSTOMER,
        "sourceName": "Ada Example",
        "sourceDevice": 1,
        "timestamp": _RECEIVED_MS,
        **kind,
    }
    return orjson.dumps({"jsonrpc": "2.0", "method": "receive", "params": {"envelope": envelope, "account": NUMBER}})


def _receipt(message_id: str, **flags: bool) -> bytes:
    """Of the message that was sent at the moment in that id, or at one made of it: Signal does not know our ids."""
    sent_ms = _moment(message_id, SENT_MS)
    told = {"isDelivery": False, "isRead": False, "isViewed": False} | flags
    return _notification(receiptMessage={"when": _RECEIVED_MS, **told, "timestamps": [sent_ms]})


def _error(words: str) -> bytes:
    return orjson.dumps({"error": words})


_LIMITED = "Failed to send message due to rate limiting"
certificate = Certificate(
    channel=channel,
    settings={"number": NUMBER, "base_url": "http://signal:8080"},
    secrets={PATH_SECRET: "a-long-random-text-of-the-address"},
    fixtures=Path(__file__).parent / "fixtures",
    request=request,
    sign=sign,
    text_message=text_message,
    unknown_type=_notification(telepathyMessage={"thought": "blue"}),
    answers=(
        Answer("sent", 201, orjson.dumps({"timestamp": str(SENT_MS)}), Accepted),
        Answer("reaction, receipt or typing shown", 204, b"", Accepted),
        Answer(
            "captcha asked for",
            429,
            orjson.dumps({"error": _LIMITED, "account": NUMBER, "challenge_tokens": ["0d5c8a4e-1"]}),
            Retry,
        ),
        Answer("limited by a proxy", 429, b"slow down", Retry, {"Retry-After": "7"}),
        Answer(
            "limit without a challenge",
            429,
            orjson.dumps({"error": _LIMITED, "account": NUMBER, "challenge_tokens": [""]}),
            Uncertain,
        ),
        Answer("safety number changed", 400, _error("Failed to send message due to untrusted identities"), Refused),
        Answer(
            "not on Signal",
            201,
            orjson.dumps({"timestamp": str(SENT_MS), "errors": {"recipients": [{"type": "UNREGISTERED_FAILURE"}]}}),
            Refused,
        ),
        Answer("unknown account", 400, _error("Specified account does not exist"), Refused),
        Answer("no reason given", 400, _error("Failed to send message"), Uncertain),
        Answer("gateway broken", 500, b"", Uncertain),
        Answer("success that names no message", 201, b"", Uncertain),
    ),
    statuses=(
        StatusUpdate(lambda message_id: _receipt(message_id, isDelivery=True), ReceiptStatus.DELIVERED),
        StatusUpdate(lambda message_id: _receipt(message_id, isRead=True), ReceiptStatus.READ),
    ),
    batch=None,
    max_age=None,
    exempt={
        "stale": "the gateway signs nothing and says no time: a repeat is known by the message's id instead",
        "forged": "the gateway signs no body: whoever has the secret and posts from an allowed network is believed",
    },
)
