"""Checks that neither a secret nor what somebody wrote gets into logs, error texts or what is shown of values."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import structlog.testing

from m2n.adapters.channel import Signal, VendorCall
from m2n.certify.calls import shown_in
from m2n.certify.certificate import Answer, Certificate
from m2n.certify.findings import Finding
from m2n.certify.golden import parsed_fixtures
from m2n.certify.outcomes import outcome_of
from m2n.certify.payloads import as_json, dumped, leaves, replaced, truncated
from m2n.certify.rendering import calls_of
from m2n.certify.sample import (
    TEXT_ID,
    connection,
    context,
    customer,
    outbound,
    read_request,
    signed,
    verified,
    wire,
)
from m2n.certify.trying import Raised, attempt
from m2n.message import Button, ButtonsContent, Content, ImageContent, Media, TextContent, UnsupportedContent, media_of

SAID = "kit-canary words of the customer"
ANSWERED = "kit-canary words of the answer"
SHORTEST = 6
"""Secrets shorter than that many characters might stand anywhere."""


def secrecy(certificate: Certificate) -> Iterator[Finding]:
    with _recorded() as logs:
        errors = [str(raised.error) for raised in _tried(certificate)]
        values = _reprs(certificate)
        outcomes = [repr(outcome) for outcome in _described_outcomes(certificate)]
    yield from _kept(certificate, "what the adapter writes to logs, standard output and standard error", logs.lines)
    yield from _kept(certificate, "the texts of its exceptions", errors)
    yield from _kept(certificate, "the reasons that it gives for a vendor's answers", outcomes)
    for name, shown in values.items():
        yield from _kept(certificate, f"what is shown of a {name} (its repr)", shown)
    yield from _no_secret_in_bodies(certificate)


def _kept(certificate: Certificate, where: str, lines: list[str]) -> Iterator[Finding]:
    everything = "\n".join(lines)
    for name, value in certificate.secrets.items():
        if len(value) >= SHORTEST and value in everything:
            yield Finding(
                where, "no secret", f"the secret {name!r}", "leave it out; give fields that hold it repr=False"
            )
    if SAID in everything or ANSWERED in everything:
        yield Finding(where, "nobody's words", "words of a message", "name the field or the code, never what it holds")


@dataclass
class _Logs:
    lines: list[str] = field(default_factory=list)


class _Keeping(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


@contextmanager
def _recorded() -> Iterator[_Logs]:
    """All that is logged or printed meanwhile, whatever the level."""
    logs, printed, root = _Logs(), io.StringIO(), logging.getLogger()
    handler, level = _Keeping(logs.lines), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with redirect_stdout(printed), redirect_stderr(printed), structlog.testing.capture_logs() as events:
            yield logs
        logs.lines += [printed.getvalue(), *map(repr, events)]
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def _tried(certificate: Certificate) -> Iterator[Raised]:
    """Everything that the adapter does, with things that go wrong; what it raised."""
    said, empty = certificate.text_message(TEXT_ID, SAID), dict.fromkeys(certificate.secrets, "")
    bodies = [wire(certificate, said), wire(certificate, certificate.unknown_type)]
    bodies += [variant.body for variant in truncated(bodies[0])]
    for body in bodies:
        request = signed(certificate, said, instead=body)
        tries: list[Any] = [read_request(certificate, request), verified(certificate, request)]
        tries += [verified(certificate, request, empty), verified(certificate, certificate.request(said))]
        yield from (tried for tried in tries if isinstance(tried, Raised))
    to = customer(certificate)
    for content in (*_said(), UnsupportedContent(vendor_type=SAID)):
        message = outbound(certificate, content, to)
        tries = [calls_of(certificate, message)]
        tries += [attempt(lambda m=message: certificate.channel.render(m, context(certificate)))]
        yield from (tried for tried in tries if isinstance(tried, Raised))


def _said() -> tuple[Content, ...]:
    picture = Media(url="https://media.example/kit/picture.png", mime="image/png", size_bytes=10)
    buttons = (Button(id="yes", title=SAID[:20]),)
    return TextContent(text=SAID), ButtonsContent(text=SAID, buttons=buttons), ImageContent(media=picture, caption=SAID)


def _reprs(certificate: Certificate) -> dict[str, list[str]]:
    """What is shown of values that may get into a log."""
    found = [parsed for _, _, parsed in parsed_fixtures(certificate) if not isinstance(parsed, Raised)]
    media = [media_of(message.content) for parsed in found for message in parsed.messages]
    fetched = [
        attempt(lambda piece=piece: certificate.channel.media_call(piece, connection(certificate), certificate.secrets))
        for piece in media
        if piece is not None
    ]
    return {
        "SendContext": [repr(context(certificate))],
        "VendorCall": [repr(call) for call in _calls(certificate)],
        "MediaCall": [repr(call) for call in fetched if not isinstance(call, Raised)],
    }


def _calls(certificate: Certificate) -> tuple[VendorCall, ...]:
    to, found = customer(certificate), list[VendorCall]()
    for content in _said():
        calls = calls_of(certificate, outbound(certificate, content, to))
        found += () if isinstance(calls, Raised) else calls
    for kind in certificate.channel.capabilities.signals:
        signal: Any = Signal(kind, to, TEXT_ID)  # pyright: ignore[reportArgumentType]
        calls = attempt(lambda signal=signal: tuple(certificate.channel.signal(signal, context(certificate))))
        found += () if isinstance(calls, Raised) else calls
    return tuple(found)


def _no_secret_in_bodies(certificate: Certificate) -> Iterator[Finding]:
    """A body is kept, repeated and quoted in errors; a secret belongs into the headers, or where the vendor insists."""
    for call in _calls(certificate):
        bodies = "\n".join(value for values in shown_in([call]) for value in values)
        for name, value in certificate.secrets.items():
            if len(value) >= SHORTEST and value in bodies:
                yield Finding(
                    "the query and body of a call", "no secret", f"the secret {name!r}", "send it as a header"
                )
                return


def _described_outcomes(certificate: Certificate) -> Iterator[Any]:
    """Of the certificate's answers, with the vendor's sentences and codes replaced by ones that are not known."""
    for answer in certificate.answers:
        for body in (answer.body, *_retold(answer)):
            yield outcome_of(certificate, answer.status, body, answer.headers)


def _retold(answer: Answer) -> Iterator[bytes]:
    tree = as_json(answer.body)
    if tree is None:
        yield ANSWERED.encode()
        return
    for path, value in [*leaves(tree)]:
        if isinstance(value, str) and " " in value:
            tree = replaced(tree, path, ANSWERED)
    yield dumped(tree)
    for path, value in [*leaves(tree)]:
        if isinstance(value, int) and not isinstance(value, bool):
            tree = replaced(tree, path, 987_654)
    yield dumped(tree)
