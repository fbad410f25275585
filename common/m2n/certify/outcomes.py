"""Checks of ``outcome``: what the vendor's answers mean, and answers that nobody expects."""

import math
from collections.abc import Iterator, Mapping

import httpx

from m2n.adapters.channel import Accepted, CallOutcome, Refused, Retry, Uncertain
from m2n.certify.certificate import Answer, Certificate
from m2n.certify.findings import Finding
from m2n.certify.payloads import DIGITS, broken
from m2n.certify.rendering import calls_of
from m2n.certify.sample import customer, outbound
from m2n.certify.trying import Raised, attempt
from m2n.message import TextContent

OUTCOMES = (Accepted, Retry, Refused, Uncertain)
STATUSES = (100, 200, 201, 202, 204, 301, 302, 400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 504, 599)
GARBAGE = (
    b"",
    b"\xff\xfe\0",
    b"<html><body>Bad gateway</body></html>",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'"x"',
    b'{"error":7,"code":"x","message":[]}',
    b'{"error":{"code":[],"message":{}},"errors":[7]}',
    b'{"ok":"yes","result":[],"error_code":"x","parameters":7}',
    b'{"code":' + DIGITS.encode() + b"}",
    b'{"code":1e999}',
    b"[" * 100_000 + b"]" * 100_000,
)
RETRY_AFTER = ("", "soon", "-5", "nan", "inf", "1e999", "9" * 400, "Wed, 21 Oct 2026 07:28:00 GMT", "\xe9")


def outcomes(certificate: Certificate) -> Iterator[Finding]:
    for answer in certificate.answers:
        yield from _means(certificate, answer)
    wanted = {Accepted, Retry, Refused} | (set() if sends_repeatably(certificate) else {Uncertain})
    for kind in sorted(wanted - {answer.means for answer in certificate.answers}, key=lambda kind: kind.__name__):
        yield Finding("the certificate's answers", f"one that means {kind.__name__}", "none", "add one of the vendor's")
    yield from _told_to_wait(certificate)
    yield from _garbage(certificate)


def sends_repeatably(certificate: Certificate) -> bool:
    """Whether the vendor takes the same call twice only once, so that nothing need be left uncertain."""
    calls = calls_of(certificate, outbound(certificate, TextContent(text="hello"), customer(certificate)))
    return not isinstance(calls, Raised) and all(call.repeatable for call in calls)


def outcome_of(
    certificate: Certificate, status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> CallOutcome | Raised:
    given = httpx.Headers([(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()])
    return attempt(lambda: certificate.channel.outcome(status, given, body))


def _means(certificate: Certificate, answer: Answer) -> Iterator[Finding]:
    found = outcome_of(certificate, answer.status, answer.body, answer.headers)
    if type(found) is not answer.means:
        yield Finding(f"the answer: {answer.what}", answer.means.__name__, _named(found), "correct the error table")
        return
    after = next((value for name, value in answer.headers.items() if name.lower() == "retry-after"), None)
    if isinstance(found, Retry) and after is not None and found.after_s != float(after):
        yield Finding(
            f"the answer: {answer.what}", f"after_s {after}", f"{found.after_s}", "read Retry-After, in seconds"
        )
    for variant in broken(answer.body) if answer.body else ():
        found = outcome_of(certificate, answer.status, variant.body)
        if type(found) not in OUTCOMES:
            what = f"the answer: {answer.what}, but {variant.what}"
            yield Finding(what, "an outcome", _named(found), "read the body with care, whatever it holds")
            return


def _told_to_wait(certificate: Certificate) -> Iterator[Finding]:
    found = outcome_of(certificate, 429, b"", {"Retry-After": "17"})
    if not isinstance(found, Retry) or found.after_s != 17:
        seen = _named(found) + (f" after {found.after_s} s" if isinstance(found, Retry) else "")
        yield Finding("429 with Retry-After: 17", "Retry after 17 s", seen, "429 is never final; read the header")
    for value in RETRY_AFTER:
        found = outcome_of(certificate, 429, b"", {"retry-after": value})
        waits = found.after_s if isinstance(found, Retry) else None
        if isinstance(found, Raised) or (waits is not None and not (math.isfinite(waits) and waits >= 0)):
            seen = _named(found) + ("" if waits is None else " after no number of seconds")
            yield Finding("429 with a Retry-After that is no number", "Retry", seen, "take only finite numbers from 0")
            return


def _garbage(certificate: Certificate) -> Iterator[Finding]:
    allowed = {2: (Accepted, Uncertain), 4: (Refused, Retry, Uncertain), 5: (Retry, Uncertain)}
    if sends_repeatably(certificate):
        allowed[2] = OUTCOMES
    for status in STATUSES:
        for body in GARBAGE:
            found = outcome_of(certificate, status, body)
            kinds = allowed.get(status // 100, (Retry, Refused, Uncertain))
            if type(found) not in kinds:
                wanted = " or ".join(kind.__name__ for kind in kinds)
                yield Finding(f"an answer {status} whose body says nothing", wanted, _named(found), _why(status))
                break


def _why(status: int) -> str:
    if status >= 500:
        return "say Retry where the vendor is known not to have taken it, else Uncertain"
    if 200 <= status < 300:
        return "a 2xx may have been taken: Accepted, or Uncertain where its body has to say so"
    return "say Retry where it passes, else Refused; nothing was accepted"


def _named(found: object) -> str:
    return f"it raised {found}" if isinstance(found, Raised) else type(found).__name__
