"""The sample connection of a certificate: its webhooks, and what the adapter makes of them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from m2n import clock
from m2n.adapters.channel import Parsed, SendContext, WebhookRequest
from m2n.certify.certificate import Certificate, StatusUpdate
from m2n.certify.trying import Raised, attempt
from m2n.message import Address, Author, Content, Outbound
from m2n.tenant import Connection, ConnectionKind, SecretRef

TENANT = "acme"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""When the sample webhooks are received. A Monday."""
MESSAGE_ID = "P1.1.2"
"""Of the sample message to the customer."""
TEXT_ID = "1772452800001"
"""A vendor's id of a message: of digits, since some vendors have numbers; as milliseconds it is a time of that day."""
GOLDEN = ".golden.json"


def text_id(number: int) -> str:
    return str(int(TEXT_ID) + number)


def connection(certificate: Certificate) -> Connection:
    name = certificate.channel.name
    secrets = {secret: SecretRef(key=f"acme-{secret}") for secret in certificate.channel.secrets}
    return Connection(
        id=f"acme-{name.replace('_', '-')}",
        kind=ConnectionKind.CHANNEL,
        adapter=name,
        settings=dict(certificate.settings),
        secrets=secrets,
    )


def signed(certificate: Certificate, body: bytes, *, instead: bytes | None = None, query: str = "") -> WebhookRequest:
    """A genuine webhook of this moment with that body; or one that has ``instead`` where it would have that body."""
    request = certificate.request(body)
    if instead is not None:
        request = replace(request, body=instead)
    if query:
        joint = "&" if "?" in request.url else "?"
        request = replace(request, url=f"{request.url}{joint}{query}")
    return certificate.sign(request, certificate.secrets, clock.now())


def status_request(certificate: Certificate, update: StatusUpdate, message_id: str = MESSAGE_ID) -> WebhookRequest:
    return signed(certificate, update.body(message_id), query=update.url_query(message_id))


def read_request(certificate: Certificate, request: WebhookRequest, received_at: datetime = NOON) -> Parsed | Raised:
    return attempt(lambda: certificate.channel.parse(request, TENANT, connection(certificate), received_at))


def read(certificate: Certificate, body: bytes, instead: bytes | None = None) -> Parsed | Raised:
    """What the adapter makes of a genuine webhook with that body, or with another one in its place."""
    return read_request(certificate, signed(certificate, body, instead=instead))


def wire(certificate: Certificate, body: bytes) -> bytes:
    """The body as it is sent, which a fixture may hold in another spelling for people to read."""
    return certificate.request(body).body


def verified(
    certificate: Certificate, request: WebhookRequest, secrets: Mapping[str, str] | None = None
) -> bool | Raised:
    known = certificate.secrets if secrets is None else secrets
    return attempt(lambda: certificate.channel.verify(request, connection(certificate), known))


def fixtures(certificate: Certificate) -> Iterator[tuple[Path, bytes]]:
    """The sample webhooks, each with the file that it stands in."""
    for path in sorted(certificate.fixtures.glob("*")):
        if path.is_file() and not path.name.endswith(GOLDEN):
            yield path, path.read_bytes()


def context(certificate: Certificate, files: Mapping[str, bytes] | None = None) -> SendContext:
    sample = connection(certificate)
    callback = f"https://m2n.example/webhooks/{sample.adapter}/{sample.id}?ref={MESSAGE_ID}"
    return SendContext(sample, certificate.secrets, callback, NOON, files or {})


def customer(certificate: Certificate) -> str:
    """Where the customer of the sample text message is reached; '' when it cannot be read."""
    parsed = read(certificate, certificate.text_message(TEXT_ID, "hello"))
    if isinstance(parsed, Raised) or not parsed.messages:
        return ""
    return parsed.messages[0].address.to


def outbound(certificate: Certificate, content: Content, to: str, *, author: Author = Author.BOT) -> Outbound:
    return Outbound(
        id=MESSAGE_ID,
        tenant=TENANT,
        profile_id="P1",
        session_id="P1.1",
        seq=2,
        address=Address(connection=connection(certificate).id, channel=certificate.channel.name, to=to),
        content=content,
        author=author,
        author_name="Kim" if author is Author.AGENT else None,
        decided_at=NOON,
        customer_wrote_at=NOON - timedelta(minutes=1),
    )
