"""Checks of ``parse`` with bodies that no vendor sends: broken, deep, huge.

Each comes to MalformedWebhook or to messages that can be put on the queue, never to another exception, and no reason
quotes the customer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from m2n.adapters.channel import MalformedWebhook, Parsed
from m2n.certify.certificate import Certificate
from m2n.certify.findings import Finding
from m2n.certify.golden import parsed_fixtures
from m2n.certify.payloads import DIGITS, Raw, Variant, as_form, as_json, broken, dumped, leaves, replaced, truncated
from m2n.certify.sample import MESSAGE_ID, TEXT_ID, read, wire
from m2n.certify.trying import Raised, attempt
from m2n.message import TextContent, plain_text
from m2n.serialization import to_json

WORDS = "the customer's own words"
DEPTH = 100_000
HUGE = 3 * 1024 * 1024
"""The largest body that the webhooks service lets in, in bytes."""
_BARE = (
    b"",
    b" ",
    b"null",
    b"true",
    b"7",
    b'"x"',
    b"[]",
    b"{}",
    b"[[]]",
    b"[null]",
    b"\xff\xfe",
    b"\0",
    b"{",
    b"<xml/>",
    b"=&=&;",
)


@dataclass(frozen=True)
class _Good:
    """A good body, which may be a fixture's; ``private``: what the customers said in it, and who they are."""

    name: str
    body: bytes
    private: tuple[str, ...]


def broken_bodies(certificate: Certificate) -> Iterator[Finding]:
    text = _Good("a text", certificate.text_message(TEXT_ID, WORDS), (WORDS,))
    bare = (Variant(repr(body)[1:], body) for body in _BARE)
    yield from _survived(certificate, text, bare)
    for good in (text, *_fixtures(certificate), *_statuses(certificate)):
        yield from _survived(certificate, good, broken(wire(certificate, good.body)))
    if certificate.batch:
        body = certificate.batch([(TEXT_ID, WORDS), (f"{TEXT_ID}9", WORDS)])
        yield from _survived(certificate, _Good("a batch", body, (WORDS,)), truncated(wire(certificate, body)))


def deep_and_huge(certificate: Certificate) -> Iterator[Finding]:
    body = certificate.text_message(TEXT_ID, WORDS)
    yield from _survived(certificate, _Good("a body", body, (WORDS,)), _deep_and_huge(wire(certificate, body)))
    text = "x" * HUGE
    parsed = read(certificate, certificate.text_message(TEXT_ID, text))
    if isinstance(parsed, Parsed) and any(_cut(message.content, text) for message in parsed.messages):
        yield Finding(
            "a text of 3 MB", "the whole text, or MalformedWebhook", "a part of it", "never cut what was said"
        )


def _deep_and_huge(body: bytes) -> Iterator[Variant]:
    yield Variant(f"{DEPTH:,} lists in each other", b"[" * DEPTH + b"]" * DEPTH)
    yield Variant(f"{DEPTH:,} objects in each other", b'{"a":' * DEPTH + b"7" + b"}" * DEPTH)
    yield Variant(f"{DEPTH:,} lists that do not end", b"[" * DEPTH)
    yield Variant("3 MB of nothing", b"\0" * HUGE)
    yield Variant("3 MB of fields", b"&".join(b"a%d=7" % number for number in range(HUGE // 10)))
    yield Variant("3 MB of keys", b"{" + b",".join(b'"a%d":7' % number for number in range(HUGE // 11)) + b"}")
    yield Variant("3 MB of elements", b"[" + b"{}," * (HUGE // 3 - 1) + b"{}]")
    yield from _deep_values(body)


def _deep_values(body: bytes) -> Iterator[Variant]:
    """A good message with something deep or long in place of each of its values."""
    tree = as_json(body)
    deep = {f"{DEPTH:,} lists": "[" * DEPTH + "]" * DEPTH, f"{DEPTH:,} objects": '{"a":' * DEPTH + "7" + "}" * DEPTH}
    if tree is None:
        for name, _ in as_form(body):
            yield from (Variant(f"{what} in {name}", body + f"&{name}={raw}".encode()) for what, raw in deep.items())
        return
    for path, _ in leaves(tree):
        for what, raw in {**deep, "5,000 digits": DIGITS}.items():
            yield Variant(f"{what} in {'.'.join(map(str, path))}", dumped(replaced(tree, path, Raw(raw))))


def _cut(content: object, text: str) -> bool:
    return isinstance(content, TextContent) and content.text != text


def _fixtures(certificate: Certificate) -> Iterator[_Good]:
    for path, body, parsed in parsed_fixtures(certificate):
        yield _Good(path.name, body, private_words(parsed) if isinstance(parsed, Parsed) else ())


def _statuses(certificate: Certificate) -> Iterator[_Good]:
    for update in certificate.statuses:
        yield _Good(f"status {update.status.value}", update.body(MESSAGE_ID), ())


def private_words(parsed: Parsed) -> tuple[str, ...]:
    """What the customers said and who they are; short words are left out, since they may stand anywhere."""
    found = [message.display_name or "" for message in parsed.messages]
    found += [plain_text(message.content) for message in parsed.messages]
    found += [identity.value for message in parsed.messages for identity in message.identities]
    return tuple(word for word in found if len(word) > 5)


def _survived(certificate: Certificate, good: _Good, variants: Iterable[Variant]) -> Iterator[Finding]:
    """At most three findings for each good body that others stand in place of."""
    found = 0
    for variant in variants:
        for finding in _read_safely(certificate, good, variant):
            yield finding
            found += 1
        if found >= 3:
            return


def _read_safely(certificate: Certificate, good: _Good, variant: Variant) -> Iterator[Finding]:
    what, parsed = f"{good.name}: {variant.what}", read(certificate, good.body, variant.body)
    if isinstance(parsed, Raised):
        if not isinstance(parsed.error, MalformedWebhook):
            do = "check what comes before you use it, and raise MalformedWebhook with the field and what was expected"
            yield Finding(what, "MalformedWebhook or messages", f"it raised {parsed}", do)
        yield from _quotes(what, [str(parsed.error)], good.private)
        return
    if not isinstance(parsed, Parsed):
        yield Finding(what, "Parsed", type(parsed).__name__, "return Parsed")
        return
    yield from _quotes(what, [part.reason for part in parsed.unreadable], good.private)
    for one in (*parsed.messages, *parsed.receipts):
        written = attempt(lambda one=one: to_json(one))
        if isinstance(written, Raised):
            yield Finding(
                what, "messages that can be put on the queue", f"writing one raised {written}", "validate texts"
            )


def _quotes(what: str, reasons: Iterable[str], private: tuple[str, ...]) -> Iterator[Finding]:
    if any(word in reason for reason in reasons for word in private):
        do = "name the field and what was expected, never what stood there (pydantic: include_input=False)"
        yield Finding(what, "a reason without the customer's words", "a reason that quotes them", do)
