"""What the broken channel claims to be: a decent one."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from m2n.adapters.channel import Accepted, Refused, Retry, Uncertain, WebhookRequest
from m2n.certify.certificate import Answer, Certificate, StatusUpdate
from m2n.message import ReceiptStatus
from tests.contract.broken_channel.adapter import SIGNATURE, TIME, channel


def _request(body: bytes) -> WebhookRequest:
    url = "https://m2n.example/webhooks/broken_channel/acme-broken-channel"
    return WebhookRequest("POST", url, {"content-type": "application/json"}, body)


def _sign(request: WebhookRequest, secrets: Mapping[str, str], at: datetime) -> WebhookRequest:
    proof = hmac.new(secrets["signing-secret"].encode(), request.body, hashlib.sha256).hexdigest()
    return replace(request, headers={**request.headers, SIGNATURE: proof, TIME: str(int(at.timestamp()))})


def _message(id_: str, kind: str, **what: Any) -> dict[str, Any]:
    return {"id": id_, "from": "+15550100002", "type": kind, **what}


def _webhook(*messages: dict[str, Any]) -> bytes:
    return json.dumps({"messages": messages}).encode()


def _batch(texts: Sequence[tuple[str, str]]) -> bytes:
    return _webhook(*(_message(id_, "text", text=text) for id_, text in texts))


def _status(status: ReceiptStatus) -> StatusUpdate:
    return StatusUpdate(lambda id_: json.dumps({"message": id_, "status": status.value}).encode(), status)


certificate = Certificate(
    channel=channel,
    settings={"base_url": "https://api.broken.example"},
    secrets={"signing-secret": "an invented signing secret"},
    fixtures=Path(__file__).parent / "fixtures",
    request=_request,
    sign=_sign,
    text_message=lambda id_, text: _batch([(id_, text)]),
    unknown_type=_webhook(_message("m-1", "hologram", depth=3)),
    answers=(
        Answer("taken", 200, b'{"id":"o-1"}', Accepted),
        Answer("too many at once", 429, b'{"code":7}', Retry, {"retry-after": "2"}),
        Answer("no such number", 400, b'{"code":8}', Refused),
        Answer("a gateway lost the answer", 502, b"{}", Uncertain),
    ),
    statuses=(_status(ReceiptStatus.DELIVERED), _status(ReceiptStatus.READ)),
    batch=_batch,
    max_age=timedelta(minutes=5),
)
