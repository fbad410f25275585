"""What the adapter of WhatsApp through the Cloud API shows of itself to the kit that certifies channels."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from m2n.adapters.channel import Accepted, CallOutcome, Refused, Retry, Uncertain, WebhookRequest
from m2n.certify.certificate import Answer, Certificate, StatusUpdate
from m2n.message import ReceiptStatus
from services.channels.meta_core.signature import HEADER, signature
from services.channels.whatsapp_cloud.adapter import channel
from services.channels.whatsapp_cloud.calls import ACCESS_TOKEN, APP_SECRET, VERIFY_TOKEN
from services.channels.whatsapp_cloud.parse import OBJECT

ACCOUNT, NUMBER, CUSTOMER, AT = "1000", "2000", "15550100002", "1772452790"
_PERSON = {"profile": {"name": "Ada Example"}, "wa_id": CUSTOMER}


def _request(body: bytes) -> WebhookRequest:
    url = "https://hooks.example/webhooks/whatsapp_cloud/acme-whatsapp-cloud"
    return WebhookRequest("POST", url, {"content-type": "application/json"}, body)


def _sign(request: WebhookRequest, secrets: Mapping[str, str], _: datetime) -> WebhookRequest:
    proof = {HEADER: signature(secrets[APP_SECRET], request.body)}
    return replace(request, headers={**request.headers, **proof})


def _webhook(**updates: Any) -> bytes:
    """As Meta writes it: what is not ASCII is escaped."""
    metadata = {"display_phone_number": "15550100001", "phone_number_id": NUMBER}
    value = {"messaging_product": "whatsapp", "metadata": metadata, **updates}
    changes = [{"field": "messages", "value": value}]
    return json.dumps({"object": OBJECT, "entry": [{"id": ACCOUNT, "changes": changes}]}).encode()


def _message(id_: str, kind: str, value: Any) -> dict[str, Any]:
    return {"from": CUSTOMER, "id": id_, "timestamp": AT, "type": kind, kind: value}


def _batch(texts: Sequence[tuple[str, str]]) -> bytes:
    messages = [_message(id_, "text", {"body": text}) for id_, text in texts]
    return _webhook(contacts=[_PERSON], messages=messages)


def _status(status: str, **more: Any) -> StatusUpdate:
    def body(message_id: str) -> bytes:
        told = {"id": "wamid.invented-1", "status": status, "timestamp": AT, "recipient_id": CUSTOMER}
        return _webhook(statuses=[told | {"biz_opaque_callback_data": message_id} | more])

    return StatusUpdate(body, ReceiptStatus(status))


def _error(what: str, status: int, code: int, means: type[CallOutcome], **headers: str) -> Answer:
    data = {"messaging_product": "whatsapp", "details": "invented"}
    error = {"message": f"(#{code}) invented", "type": "OAuthException", "code": code, "error_data": data}
    body = json.dumps({"error": error | {"fbtrace_id": "Ainvented"}}).encode()
    return Answer(what, status, body, means, headers)


_TAKEN = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": CUSTOMER, "wa_id": CUSTOMER}],
    "messages": [{"id": "wamid.invented-2"}],
}

certificate = Certificate(
    channel=channel,
    settings={"phone_number_id": NUMBER, "waba_id": ACCOUNT},
    secrets={
        APP_SECRET: "invented-app-secret",
        VERIFY_TOKEN: "invented-verify-token",
        ACCESS_TOKEN: "invented-access-token",
    },
    fixtures=Path(__file__).parent / "fixtures",
    request=_request,
    sign=_sign,
    text_message=lambda id_, text: _batch([(id_, text)]),
    unknown_type=_webhook(contacts=[_PERSON], messages=[_message("wamid.invented-3", "hologram", {"depth": 3})]),
    answers=(
        Answer("taken", 200, json.dumps(_TAKEN).encode(), Accepted),
        Answer("a signal taken", 200, b'{"success":true}', Accepted),
        Answer("a success that cannot be read", 200, b"<html>", Uncertain),
        Answer("a success without a message", 200, b"{}", Uncertain),
        Answer("the gateway lost it", 502, b"<html>", Uncertain),
        Answer("a failure without a code", 500, b"{}", Uncertain),
        _error("a failure with a code that nobody knows", 500, 999_999, Uncertain),
        Answer("too much, without a code", 429, b"", Retry, {"retry-after": "3"}),
        _error("an unknown problem of the service", 500, 1, Retry),
        _error("the service is down", 503, 2, Retry),
        _error("the service failed", 500, 131000, Retry),
        _error("the app's limit", 400, 4, Retry),
        _error("the account's limit", 400, 80007, Retry),
        _error("the throughput", 429, 130429, Retry, **{"Retry-After": "2"}),
        _error("too much to one customer", 400, 131056, Retry),
        _error("maintenance", 400, 131057, Retry),
        _error("the token has run out", 401, 190, Refused),
        _error("a permission is missing", 403, 200, Refused),
        _error("a wrong parameter", 400, 100, Refused),
        _error("the window is closed", 400, 131047, Refused),
        _error("not on WhatsApp", 400, 131026, Refused),
        _error("no marketing, please", 400, 131050, Refused),
        _error("a template's variables do not fit", 400, 132000, Refused),
        _error("a code that nobody knows", 400, 999_999, Refused),
    ),
    statuses=(
        _status("sent"),
        _status("delivered"),
        _status("read"),
        _status("failed", errors=[{"code": 131026, "title": "Message undeliverable"}]),
    ),
    batch=_batch,
)
