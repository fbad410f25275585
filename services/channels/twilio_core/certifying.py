"""What the certificates of Twilio's channels have in common: their webhooks, and how Twilio signs them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlencode

import orjson

from m2n.adapters.channel import Accepted, Refused, Retry, Uncertain, WebhookRequest
from m2n.certify.certificate import Answer, StatusUpdate
from m2n.message import ReceiptStatus
from services.channels.twilio_core.form import FORM, pairs
from services.channels.twilio_core.receipts import REFERENCE, STATUSES
from services.channels.twilio_core.settings import AUTH_TOKEN
from services.channels.twilio_core.signature import HEADER, signature

Fields = Mapping[str, str]


def webhook(url: str) -> Callable[[bytes], WebhookRequest]:
    """Makes a webhook of a body: a form as it is on the wire, or as fixtures have it for people to read.

    Those have one field a line, not encoded. A line that begins with ``?`` is what the address has behind it.
    """

    def request(body: bytes) -> WebhookRequest:
        headers = {"content-type": FORM}
        if b"\n" not in body:
            return WebhookRequest("POST", url, headers, body)
        lines = body.decode().splitlines()
        query = next((line for line in lines if line.startswith("?")), "")
        found = dict(line.split("=", 1) for line in lines if line and not line.startswith("?"))
        return WebhookRequest("POST", url + query, headers, form(found))

    return request


def form(found: Fields) -> bytes:
    return urlencode(found).encode()


def sign(request: WebhookRequest, secrets: Mapping[str, str], _: datetime) -> WebhookRequest:
    """Twilio's signature has no time in it."""
    signed = signature(secrets[AUTH_TOKEN], request.url, pairs(request.body))
    return replace(request, headers={**request.headers, HEADER: signed})


def statuses(found: Fields, told: Sequence[ReceiptStatus]) -> tuple[StatusUpdate, ...]:
    """A status callback for each status, of the fields that they have in common."""
    return tuple(_status(found, status) for status in told)


def _status(found: Fields, status: ReceiptStatus) -> StatusUpdate:
    word = next(word for word, meant in STATUSES.items() if meant is status)
    error = {"ErrorCode": "30008"} if status is ReceiptStatus.FAILED else {}
    body = form({**found, "MessageStatus": word, "SmsStatus": word, **error})
    return StatusUpdate(lambda _: body, status, lambda message_id: urlencode({REFERENCE: message_id}))


def _error(status: int, code: int, message: str) -> bytes:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return orjson.dumps({"code": code, "message": message, "more_info": more, "status": status})


ANSWERS = (
    Answer("taken", 201, orjson.dumps({"sid": "SM" + "1" * 32, "status": "queued", "error_code": None}), Accepted),
    Answer("too many at once", 429, _error(429, 20429, "Too Many Requests"), Retry, {"retry-after": "2"}),
    Answer("the sender's queue is full", 400, _error(400, 21611, "Queue full"), Retry),
    Answer("no such recipient", 400, _error(400, 21211, "Invalid 'To' Phone Number"), Refused),
    Answer("the recipient wrote STOP", 400, _error(400, 21610, "Unsubscribed recipient"), Refused),
    Answer("wrong credentials", 401, _error(401, 20003, "Authenticate"), Refused),
    Answer("a gateway lost the answer", 502, b"<html>Bad Gateway</html>", Uncertain),
    Answer("an internal error", 500, b"", Uncertain),
)
