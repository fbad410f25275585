"""Checks of ``render`` behind the degradation that all channels share: nothing is cut, torn or lost in silence."""

import base64
from collections.abc import Iterator
from typing import Any

from m2n.adapters.channel import Accepted, Signal, VendorCall
from m2n.adapters.degradation import NotShowable, degraded, rendered
from m2n.certify.calls import base_addresses, problem, shape, shown_in
from m2n.certify.certificate import Certificate
from m2n.certify.findings import Finding
from m2n.certify.render_cases import BYTES, MEDIA_URL, Case, cases
from m2n.certify.sample import TEXT_ID, context, customer, outbound, read
from m2n.certify.trying import Raised, attempt
from m2n.message import Author, Content, Outbound, TextContent, TypingContent, media_of

HOSTILE = ("../../admin", "a/b", "a?b=c", "a#b", "a\r\nx-evil: 1", "a b", "%2e%2e%2f", "né😀", "a&to=b")
_FILES = {MEDIA_URL: BYTES}


def rendering(certificate: Certificate) -> Iterator[Finding]:
    can, to = certificate.channel.capabilities, customer(certificate)
    if not to:
        yield Finding(
            "the address of a customer", "one from the sample text", "none", "let parse read text_message first"
        )
        return
    for case in cases(can, _theirs(certificate), _ours(certificate)):
        yield from _case(certificate, case, to)
    for author in Author:
        yield from _case(certificate, Case(f"a text of author {author.value}", TextContent(text="hello")), to, author)
    yield from _quotes(certificate, to)
    yield from _signals(certificate, to)
    yield from _hostile(certificate, to)


def calls_of(certificate: Certificate, message: Outbound) -> tuple[VendorCall, ...] | Raised:
    return attempt(lambda: tuple(rendered(certificate.channel, message, context(certificate, _FILES))))


def _ours(certificate: Certificate) -> str:
    """The vendor's id of a message of ours, as its answer gives it."""
    for answer in certificate.answers:
        outcome = attempt(lambda a=answer: certificate.channel.outcome(a.status, a.headers, a.body))
        if isinstance(outcome, Accepted) and outcome.vendor_message_id:
            return outcome.vendor_message_id
    return TEXT_ID


def _theirs(certificate: Certificate) -> str:
    parsed = read(certificate, certificate.text_message(TEXT_ID, "hello"))
    return TEXT_ID if isinstance(parsed, Raised) or not parsed.messages else parsed.messages[0].vendor_message_id


def _case(certificate: Certificate, case: Case, to: str, author: Author = Author.BOT) -> Iterator[Finding]:
    message = outbound(certificate, case.content, to, author=author)
    if isinstance(case.content, TypingContent):
        message = message.model_copy(update={"reply_to": _theirs(certificate)})
    calls = calls_of(certificate, message)
    if isinstance(calls, Raised):
        yield from _raised(case, calls)
    elif not case.possible:
        yield Finding(case.what, "NotShowable", f"{len(calls)} calls", "leave to the degradation what cannot be shown")
    else:
        yield from _well_made(certificate, case.what, calls)
        yield from _complete(certificate, case, calls)


def _raised(case: Case, raised: Raised) -> Iterator[Finding]:
    refused, media = isinstance(raised.error, NotShowable), media_of(case.content)
    nowhere = media is not None and media.url is None
    if case.possible and not (refused and nowhere):
        do = "render every content that the capabilities claim, or claim less"
        yield Finding(case.what, "calls that show it", f"it raised {raised}", do)
    elif not case.possible and not refused:
        yield Finding(case.what, "NotShowable", f"it raised {raised}", "leave to the degradation what cannot be shown")


def _well_made(certificate: Certificate, what: str, calls: tuple[Any, ...]) -> Iterator[Finding]:
    bases = base_addresses(certificate)
    for wrong in {problem(call, bases) for call in calls} - {None}:
        do = "build the address from the settings' base address; quote what is put into it"
        yield Finding(what, "a call to an address of the settings, with one body", str(wrong), do)


def _complete(certificate: Certificate, case: Case, calls: tuple[VendorCall, ...]) -> Iterator[Finding]:
    values = shown_in(calls)
    if len(calls) < case.least or (case.most is not None and len(calls) > case.most):
        wanted = "one call" if case.most == 1 else f"{case.least} calls or more"
        yield Finding(
            case.what, wanted, f"{len(calls)} calls", "let the capabilities say the vendor's limit; do not cut"
        )
    if not _in_order(case.shows, [text for call in values for text in call]):
        yield Finding(
            case.what, "all its words, in order", "some are missing or moved", "send everything that was said"
        )
    whole = (*case.whole, *_piece(certificate, case.content))
    if not all(any(part in text for call in values for text in call) for part in whole):
        yield Finding(
            case.what, "all of it in the calls, untorn", "some of it is missing", "send everything that it holds"
        )


def _in_order(words: tuple[str, ...], texts: list[str]) -> bool:
    everything, since = "\n".join(texts), 0
    for word in words:
        found = everything.find(word, since)
        if found < 0:
            return False
        since = found + len(word)
    return True


def _piece(certificate: Certificate, content: Content) -> tuple[str, ...]:
    """How a piece of media shows in the calls: its address, or its bytes where the vendor wants those."""
    media = media_of(content)
    if media is None or media.url is None:
        return ()
    can = certificate.channel.capabilities
    sent = any(media_of(part) for part in degraded(content, can))
    return (base64.b64encode(BYTES).decode().rstrip("="),) if sent and can.needs_files else (media.url,)


def _quotes(certificate: Certificate, to: str) -> Iterator[Finding]:
    """An answer to a message of the customer's is a message also where nothing can be quoted."""
    message = outbound(certificate, TextContent(text="hello"), to).model_copy(update={"reply_to": _theirs(certificate)})
    calls = calls_of(certificate, message)
    if isinstance(calls, Raised) or not _in_order(("hello",), [text for call in shown_in(calls) for text in call]):
        seen = f"it raised {calls}" if isinstance(calls, Raised) else "its words are missing"
        yield Finding("a text that answers a message", "a call with its words", seen, "quote, or leave the quote out")


def _signals(certificate: Certificate, to: str) -> Iterator[Finding]:
    for kind in sorted(certificate.channel.capabilities.signals):
        if kind not in ("typing", "read"):
            yield Finding(f"the signal {kind!r}", "'typing' or 'read'", "another", "correct the capabilities")
            continue
        signal = Signal(kind, to, _theirs(certificate))
        calls = attempt(lambda signal=signal: tuple(certificate.channel.signal(signal, context(certificate))))
        if isinstance(calls, Raised) or not calls:
            seen = f"it raised {calls}" if isinstance(calls, Raised) else "no call"
            yield Finding(f"the signal {kind!r}", "calls that show it", seen, "make them in signal, or claim less")
        else:
            yield from _well_made(certificate, f"the signal {kind!r}", calls)


def _hostile(certificate: Certificate, to: str) -> Iterator[Finding]:
    """Whatever a customer's address holds, the call goes where it always goes; or there is none."""
    usual = calls_of(certificate, outbound(certificate, TextContent(text="hello"), to))
    if isinstance(usual, Raised):
        return
    shapes = [shape(call) for call in usual]
    for address in HOSTILE:
        calls = calls_of(certificate, outbound(certificate, TextContent(text="hello"), address))
        if isinstance(calls, Raised):
            continue
        yield from _well_made(certificate, "a customer's address with characters of URLs", calls)
        if [shape(call) for call in calls] != shapes:
            yield Finding(
                "a customer's address with characters of URLs", "the usual call", "another path or query", "quote it"
            )
            return
