"""What the certificates of Twilio's channels claim, checked on the adapters themselves."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from m2n.adapters.channel import MalformedWebhook, Parsed, WebhookRequest
from m2n.certify.certificate import Certificate
from m2n.tenant import Connection, ConnectionKind

Check = Callable[[Certificate], None]
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def fixtures(certificate: Certificate) -> Sequence[Path]:
    return sorted(certificate.fixtures.glob("*.txt"))


def connection(certificate: Certificate, **settings: Any) -> Connection:
    name = certificate.channel.name
    return Connection(
        id=f"acme-{name.replace('_', '-')}",
        kind=ConnectionKind.CHANNEL,
        adapter=name,
        settings={**certificate.settings, **settings},
    )


def parsed(certificate: Certificate, request: WebhookRequest) -> Parsed:
    return certificate.channel.parse(request, "acme", connection(certificate), AT)


def read(certificate: Certificate, fixture: Path) -> Any:
    """A fixture in the common format, as its golden has it."""
    found = parsed(certificate, certificate.request(fixture.read_bytes()))
    assert not found.unreadable
    return {
        "messages": [one.model_dump(mode="json", exclude_none=True) for one in found.messages],
        "receipts": [one.model_dump(mode="json", exclude_none=True) for one in found.receipts],
    }


def golden(fixture: Path) -> Any:
    return orjson.loads(fixture.with_suffix(".golden.json").read_bytes())


def check_signature(certificate: Certificate) -> None:
    """Whatever the certificate signs is genuine with its secrets, and with no others."""
    channel, own = certificate.channel, connection(certificate)
    request = certificate.request(certificate.text_message("SM" + "1" * 32, "Grüße & 👋"))
    signed = certificate.sign(request, certificate.secrets, AT)
    assert channel.verify(signed, own, certificate.secrets)
    assert not channel.verify(request, own, certificate.secrets)
    assert not channel.verify(replace(signed, body=signed.body + b"&x=1"), own, certificate.secrets)
    assert not channel.verify(signed, own, {"auth-token": "another"})
    assert not channel.verify(signed, own, {})


def check_webhook_by_get(certificate: Certificate) -> None:
    """All parameters are in the address then, which alone is signed."""
    made = certificate.request(certificate.text_message("SM" + "1" * 32, "Hi"))
    request = WebhookRequest("GET", f"{made.url}?{made.body.decode()}", {}, b"")
    signed = certificate.sign(request, certificate.secrets, AT)
    assert certificate.channel.verify(signed, connection(certificate), certificate.secrets)
    (found,) = parsed(certificate, signed).messages
    assert found.content.model_dump() == {"type": "text", "text": "Hi"}


SECRET = "what nobody may read"
NAMES = (
    *("AccountSid", "MessageSid", "From", "To", "Body", "NumMedia", "MediaUrl0", "MediaContentType0", "MessageType"),
    *("Latitude", "Longitude", "Label", "ButtonPayload", "ButtonText", "ListId", "ProfileName", "ExternalUserId"),
    *("MessageStatus", "ErrorCode", "ErrorMessage", "OptOutType", "MessagingServiceSid", "ReferralNumMedia", "Neu"),
)


def check_any_form(certificate: Certificate, fields: dict[str, str]) -> None:
    """Whatever stands in a genuine webhook: it is read, or malformed; and what is read can be written as JSON."""
    words = dict(parse_qsl(certificate.text_message("SM1", "x").decode(), keep_blank_values=True)) | fields
    body = urlencode(words, errors="surrogatepass").encode()
    request = replace(certificate.request(body), url="https://hooks.example/?ref=m1")
    complaint, found = "", Parsed()
    try:
        found = parsed(certificate, request)
    except MalformedWebhook as malformed:
        complaint = str(malformed)
    assert SECRET not in complaint
    for one in (*found.messages, *found.receipts):
        one.model_dump_json().encode()


def check_messages(certificate: Certificate) -> None:
    (found,) = parsed(certificate, certificate.request(certificate.text_message("SM9", "line\nbreak = &"))).messages
    assert (found.vendor_message_id, found.content.model_dump()["text"]) == ("SM9", "line\nbreak = &")
    (unknown,) = parsed(certificate, certificate.request(certificate.unknown_type)).messages
    assert unknown.content.type == "unsupported"


def check_statuses(certificate: Certificate) -> None:
    assert {update.status for update in certificate.statuses} == certificate.channel.capabilities.receipts
    for update in certificate.statuses:
        request = certificate.request(update.body("p1.1.7 ä"))
        (receipt,) = parsed(certificate, replace(request, url=f"{request.url}?{update.url_query('p1.1.7 ä')}")).receipts
        assert (receipt.message_id, receipt.status) == ("p1.1.7 ä", update.status)


def check_answers(certificate: Certificate) -> None:
    for answer in certificate.answers:
        outcome = certificate.channel.outcome(answer.status, answer.headers, answer.body)
        assert isinstance(outcome, answer.means), answer.what
