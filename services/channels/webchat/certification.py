"""What web chat shows of itself to the kit that certifies channels."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from m2n.adapters.channel import Accepted, Refused, Retry, WebhookRequest
from m2n.certify.certificate import Answer, Certificate, StatusUpdate
from m2n.message import ReceiptStatus
from services.channels.webchat.adapter import channel
from services.channels.webchat.tokens import SIGNING_KEY, Visitor, issue

CONNECTION, VISITOR = "acme-webchat", "visitor-0001"
TOKEN_TTL = timedelta(minutes=10)


def _request(body: bytes) -> WebhookRequest:
    headers = {"content-type": "application/json", "origin": "https://shop.example", "host": "hooks.example"}
    return WebhookRequest("POST", f"https://hooks.example/webhooks/webchat/{CONNECTION}", headers, body)


def _sign(request: WebhookRequest, secrets: Mapping[str, str], at: datetime) -> WebhookRequest:
    """With the token that the visitor was given at that time."""
    token = issue(Visitor(VISITOR, at + TOKEN_TTL), CONNECTION, secrets[SIGNING_KEY])
    return replace(request, headers={**request.headers, "authorization": f"Bearer {token}"})


def _text(echo_id: str, text: str) -> bytes:
    return orjson.dumps({"echo_id": echo_id, "text": text})


def _seen(status: str) -> StatusUpdate:
    return StatusUpdate(
        lambda message_id: orjson.dumps({"receipt": {"id": message_id, "status": status}}), ReceiptStatus(status)
    )


certificate = Certificate(
    channel=channel,
    settings={"allowed_origins": ["https://shop.example"], "token_ttl_s": int(TOKEN_TTL.total_seconds())},
    secrets={SIGNING_KEY: "invented-signing-key"},
    fixtures=Path(__file__).parent / "fixtures",
    request=_request,
    sign=_sign,
    text_message=_text,
    unknown_type=orjson.dumps({"echo_id": "e1", "hologram": {"of": "a bike"}}),
    answers=(
        Answer("put into the inbox", 200, b'{"new":true}', Accepted),
        Answer("was there", 200, b'{"new":false}', Accepted),
        Answer("a signal shown", 204, b"", Accepted),
        Answer("the chat is gone", 404, b'{"detail":"connection: there is no web chat of this id"}', Refused),
        Answer("too large for an inbox", 413, b'{"detail":"expected a message below 16 MiB"}', Refused),
        Answer("the database is away", 500, b"Internal Server Error", Retry),
        Answer("the sidecar found nobody", 502, b"", Retry),
    ),
    statuses=(_seen("delivered"), _seen("read")),
    max_age=TOKEN_TTL,
    exempt={"forged body": "the token proves who posts, over TLS; a visitor's own words need no proof of their own"},
)
