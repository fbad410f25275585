"""Form fields of Twilio's requests: as bytes for signatures, as text for reading."""

from collections.abc import Iterator, Mapping
from urllib.parse import unquote_to_bytes, urlsplit

from m2n.adapters.channel import MalformedWebhook, WebhookRequest

FORM = "application/x-www-form-urlencoded"

Fields = Mapping[str, str]


def pairs(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and values of a form in its order, percent-decoded; blank values are kept, nothing is ever refused."""
    for field in encoded.split(b"&"):
        if field:
            name, _, value = field.replace(b"+", b" ").partition(b"=")
            yield unquote_to_bytes(name), unquote_to_bytes(value)


def is_form(request: WebhookRequest) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


def query(request: WebhookRequest) -> Fields:
    """The parameters of the request's address; of a repeated one the first."""
    return _texts(urlsplit(request.url).query.encode("utf-8", "replace"))


def fields(request: WebhookRequest) -> Fields:
    """The fields of a webhook, from the body, or from the address for a webhook that is set to GET.

    Bytes that are no UTF-8 are replaced (U+FFFD), so that no half of a surrogate pair comes through. Raises
    MalformedWebhook when the body is no form.
    """
    if request.method.upper() == "GET":
        return query(request)
    if not is_form(request):
        raise MalformedWebhook(f"content-type: expected {FORM}; set the webhook to HTTP POST at Twilio")
    return _texts(request.body)


def _texts(encoded: bytes) -> Fields:
    found: dict[str, str] = {}
    for name, value in pairs(encoded):
        found.setdefault(name.decode("utf-8", "replace"), value.decode("utf-8", "replace"))
    return found


def required(found: Fields, name: str) -> str:
    """A field that Twilio always sends. Raises MalformedWebhook when it is missing or blank."""
    value = found.get(name, "")
    if not value:
        raise MalformedWebhook(f"{name}: expected a value; Twilio sends it with every message")
    return value


def expect(found: Fields, name: str, wanted: str) -> None:
    """Raises MalformedWebhook when the field is not the connection's own, as with a webhook set on a wrong sender."""
    if required(found, name) != wanted:
        raise MalformedWebhook(
            f"{name}: expected {wanted!r}, which is what this connection has; "
            "give this webhook address only to the connection's own sender at Twilio"
        )
