"""Checks of ``parse``: batches, repeats, and types that nobody knows."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from m2n.adapters.channel import MalformedWebhook, Parsed, WebhookRequest
from m2n.certify.certificate import Certificate
from m2n.certify.findings import Finding
from m2n.certify.payloads import as_json, broken_json, dumped, elements_with, replaced, shown, with_new_fields
from m2n.certify.sample import NOON, fixtures, read, read_request, signed, text_id, wire
from m2n.certify.trying import Raised
from m2n.keys import vendor_key
from m2n.message import TextContent, UnsupportedContent

MANY = 100
TEXTS = ("the first of three", "the second of three", "the third of three")


def batch(certificate: Certificate) -> Iterator[Finding]:
    if certificate.batch is None:
        return
    texts = [f"message number {number}" for number in range(MANY)]
    body = certificate.batch([(text_id(number), text) for number, text in enumerate(texts)])
    parsed = read(certificate, body)
    yield from _all_in_order(parsed, texts)
    yield from _broken_neighbour(certificate)


def duplicate(certificate: Certificate) -> Iterator[Finding]:
    bodies = {path.name: body for path, body in fixtures(certificate)}
    bodies["a text"] = certificate.text_message(text_id(1), "twice the same")
    for name, body in bodies.items():
        yield from _same_ids_again(certificate, name, body)
    yield from _others_differ(certificate)


def unknown_type(certificate: Certificate) -> Iterator[Finding]:
    parsed = read(certificate, certificate.unknown_type)
    kinds = [message.content for message in parsed.messages] if isinstance(parsed, Parsed) else []
    if not kinds or not all(isinstance(content, UnsupportedContent) for content in kinds):
        seen = described(parsed)
        yield Finding(
            "a message of a type that nobody knows",
            "a message with UnsupportedContent",
            seen,
            "map unknown types to it",
        )
    for path, body in fixtures(certificate):
        yield from _new_fields(certificate, path.name, body)


def refuses_unknown_type(certificate: Certificate) -> Iterator[Finding]:
    """Where the protocol is ours, an unknown type is the sender's mistake and may be refused as such."""
    parsed = read(certificate, certificate.unknown_type)
    if isinstance(parsed, Raised) and not isinstance(parsed.error, MalformedWebhook):
        yield Finding("a message of a type that nobody knows", "MalformedWebhook", described(parsed), "raise that")


def described(parsed: Parsed | Raised) -> str:
    """What came of a webhook, without anything that stands in it."""
    if isinstance(parsed, Raised):
        return f"it raised {parsed}"
    kinds = ", ".join(message.content.type for message in parsed.messages) or "none"
    return f"messages: {kinds}; receipts: {len(parsed.receipts)}; unreadable: {len(parsed.unreadable)}"


def _all_in_order(parsed: Parsed | Raised, texts: list[str]) -> Iterator[Finding]:
    what = f"a webhook with {MANY} messages"
    if isinstance(parsed, Raised):
        yield Finding(what, f"{MANY} messages", described(parsed), "read every element of the vendor's lists")
        return
    found = [message.content.text for message in parsed.messages if isinstance(message.content, TextContent)]
    if found != texts:
        how = "in another order" if sorted(found) == sorted(texts) else f"{len(found)} of them"
        yield Finding(what, "all of them, in the vendor's order", how, "read every element of the vendor's lists")
    if len({message.vendor_message_id for message in parsed.messages}) != len(parsed.messages):
        yield Finding(what, "an id of its own for each", "the same id twice", "take the vendor's id of the element")


def _broken_neighbour(certificate: Certificate) -> Iterator[Finding]:
    """Whatever is wrong with the second of three messages, the first and the third are taken."""
    assert certificate.batch is not None
    body = certificate.batch([(text_id(number), text) for number, text in enumerate(TEXTS)])
    tree = as_json(wire(certificate, body))
    path = elements_with(tree, TEXTS[1], (TEXTS[0], TEXTS[2]))
    if path is None:
        return
    for variant in broken_json(tree, path):
        parsed = read(certificate, body, variant.body)
        if [text for text in _texts(parsed) if text in (TEXTS[0], TEXTS[2])] != [TEXTS[0], TEXTS[2]]:
            what = f"a webhook whose second message cannot be read ({variant.what})"
            yield Finding(what, "the first and the third are taken", described(parsed), "set aside only what is broken")
            return
    yield from _set_aside(certificate, body, dumped(replaced(tree, path, 7)), shown(path))


def _set_aside(certificate: Certificate, body: bytes, instead: bytes, place: str) -> Iterator[Finding]:
    """What cannot be read is kept, with a body that can be read again by itself."""
    what = f"a webhook whose second message cannot be read ({place} is 7)"
    parsed = read(certificate, body, instead)
    if isinstance(parsed, Raised) or len(parsed.unreadable) != 1:
        yield Finding(what, "one UnreadablePart", described(parsed), "return what cannot be read as UnreadablePart")
        return
    part = parsed.unreadable[0]
    again = read_request(certificate, _put_back(certificate, body, part.body))
    refused = isinstance(again, Raised) and isinstance(again.error, MalformedWebhook)
    if not refused and (isinstance(again, Raised) or len(again.unreadable) != 1 or again.messages):
        yield Finding(
            f"{what}, and is put back",
            "only that part, unreadable as before",
            described(again),
            "wrap it as the vendor does",
        )


def _put_back(certificate: Certificate, body: bytes, part: bytes) -> WebhookRequest:
    """As somebody puts it back: JSON, without the vendor's headers."""
    return WebhookRequest("POST", certificate.request(body).url, {"content-type": "application/json"}, part)


def _texts(parsed: Parsed | Raised) -> list[str]:
    if isinstance(parsed, Raised):
        return []
    return [message.content.text for message in parsed.messages if isinstance(message.content, TextContent)]


def _ids(parsed: Parsed | Raised) -> list[str]:
    return [] if isinstance(parsed, Raised) else [vendor_key(message) for message in parsed.messages]


def _same_ids_again(certificate: Certificate, name: str, body: bytes) -> Iterator[Finding]:
    first = read(certificate, body)
    second = read_request(certificate, signed(certificate, body), NOON + timedelta(hours=25))
    ids = _ids(first)
    if ids != _ids(second):
        yield Finding(
            f"the same webhook twice ({name})",
            "the same message ids",
            "other ids",
            "take the vendor's id, nothing else",
        )
    if len(set(ids)) != len(ids):
        yield Finding(
            f"the messages of one webhook ({name})",
            "an id of its own for each",
            "the same id twice",
            "number them: id#1",
        )


def _others_differ(certificate: Certificate) -> Iterator[Finding]:
    bodies = [certificate.text_message(text_id(number), "the same words") for number in (1, 2)]
    first, second = (_ids(read(certificate, body)) for body in bodies)
    if not first or not second or set(first) & set(second):
        yield Finding(
            "two messages with the same words",
            "two ids",
            f"{len({*first, *second})} ids",
            "take the vendor's message id",
        )


def _known(parsed: Parsed | Raised) -> object:
    """Without what is of an unknown type: where a vendor names types by fields, a new field is a new type."""
    if isinstance(parsed, Raised):
        return None
    known = [message for message in parsed.messages if not isinstance(message.content, UnsupportedContent)]
    return known, parsed.receipts, len(parsed.unreadable)


def _new_fields(certificate: Certificate, name: str, body: bytes) -> Iterator[Finding]:
    tree: Any = as_json(wire(certificate, body))
    if tree is None:
        return
    before, after = read(certificate, body), read(certificate, body, dumped(with_new_fields(tree)))
    if isinstance(before, Parsed) and _known(before) != _known(after):
        yield Finding(
            f"a webhook with fields that nobody knows ({name})",
            "what it is without them",
            described(after),
            "ignore unknown fields: vendors add some without notice",
        )
