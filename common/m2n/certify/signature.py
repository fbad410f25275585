"""Checks of ``verify``: the genuine is taken, and nothing else is."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from m2n import clock
from m2n.adapters.channel import WebhookRequest
from m2n.certify.altering import flipped, of_another, wrong
from m2n.certify.certificate import Certificate
from m2n.certify.findings import Finding
from m2n.certify.payloads import as_json
from m2n.certify.proof import Proof, needed
from m2n.certify.sample import TEXT_ID, fixtures, signed, status_request, text_id, verified
from m2n.certify.trying import Raised, attempt

TEXT = "hello from the kit"
GARBAGE = (
    " ",
    "x",
    "=",
    ",",
    "sha256=",
    "sha256=zz",
    "Bearer",
    "t=,v1=",
    "t=x,v1=x",
    "\xff\xe9",
    "0" * 10_000,
    "\0",
)

_COMPUTE = "compute the proof with the connection's secret over the raw bytes, and compare all of it in constant time"
_TOO_OLD = "refuse what was signed too long ago, by the time that is signed with it"
_EMPTY = "answer False as long as the secret is empty: anybody could sign with that"


def right(certificate: Certificate) -> Iterator[Finding]:
    """Each kind of webhook that the vendor signs is taken."""
    for name, request in _genuine(certificate):
        yield from _expect(certificate, f"a genuine webhook ({name})", request, True)
    if certificate.max_age:
        old = certificate.sign(_bare(certificate), certificate.secrets, clock.now() - certificate.max_age / 2)
        yield from _expect(certificate, "a genuine webhook of half the greatest age", old, True)


def forged(certificate: Certificate) -> Iterator[Finding]:
    proof = _proof(certificate)
    for part in needed(certificate, proof):
        requests = proof.altered(part)
        yield from _refused(certificate, f"a webhook with one bit changed in its proof ({part})", requests)
        garbage = (proof.having(part, value) for value in GARBAGE)
        yield from _refused(certificate, f"a webhook whose proof ({part}) is garbage", garbage)
    for what, secrets in (("a wrong secret", wrong), ("another tenant's secrets", of_another)):
        request = certificate.sign(_bare(certificate), secrets(certificate.secrets), clock.now())
        yield from _refused(certificate, f"a webhook signed with {what}", [request])
    if signs_body(certificate):
        bodies = (replace(proof.signed, body=body) for body in flipped(proof.signed.body))
        yield from _refused(certificate, "a webhook with one bit changed in its body", bodies)
        yield from _refused(certificate, "a webhook whose JSON was written anew", _written_anew(proof.signed))


def stale(certificate: Certificate) -> Iterator[Finding]:
    if certificate.max_age is None:
        return
    bare, now = _bare(certificate), clock.now()
    old = certificate.sign(bare, certificate.secrets, now - certificate.max_age - timedelta(minutes=1))
    yield from _refused(
        certificate, f"a webhook that was signed more than {certificate.max_age} ago", [old], do=_TOO_OLD
    )
    fresh = Proof(bare, certificate.sign(bare, certificate.secrets, now))
    parts = [part for part in fresh.parts if Proof(bare, old).value(part) != fresh.value(part)]
    if len(parts) > 1:
        mixed = (Proof(bare, old).having(part, fresh.value(part)) for part in parts)
        yield from _refused(certificate, "an old webhook with the time of a fresh one", mixed, do=_TOO_OLD)


def missing(certificate: Certificate) -> Iterator[Finding]:
    proof = _proof(certificate)
    if not proof.parts:
        yield Finding(
            "the certificate's sign",
            "a request with a proof of origin",
            "nothing was added",
            "let it sign as the vendor",
        )
    yield from _refused(certificate, "a webhook without proof", [proof.bare])
    yield from _refused(certificate, "a webhook with no header at all", [replace(proof.bare, headers={})])
    empty = proof.signed
    for part in proof.parts:
        empty = (
            proof.without(part) if part not in empty.headers else replace(empty, headers={**empty.headers, part: ""})
        )
    yield from _refused(certificate, "a webhook whose proof is empty", [empty])


def no_secret(certificate: Certificate) -> Iterator[Finding]:
    """An empty key can be known to anybody, so nothing is verified with one."""
    empty = dict.fromkeys(certificate.secrets, "")
    for what, known in (("no secret", {}), ("only empty secrets", empty)):
        for request in (_proof(certificate).signed, *_signed_with(certificate, empty)):
            yield from _refused(certificate, f"a webhook to a connection with {what}", [request], known, _EMPTY)
    for name in proving(certificate):
        known = {**certificate.secrets, name: ""}
        requests = _signed_with(certificate, known)
        yield from _refused(certificate, f"a webhook signed with an empty {name!r}", requests, known, _EMPTY)


def signs_body(certificate: Certificate) -> bool:
    """Whether the proof is another one for another body; else it is a shared secret, which proves no body."""
    now, proofs = clock.now(), []
    for number in (1, 2):
        bare = certificate.request(certificate.text_message(text_id(number), f"{TEXT} {number}"))
        proof = Proof(bare, certificate.sign(bare, certificate.secrets, now))
        proofs.append([proof.value(part) for part in proof.parts])
    return proofs[0] != proofs[1]


def proving(certificate: Certificate) -> tuple[str, ...]:
    """Names of the secrets that prove webhooks; others open the vendor's send API."""
    request = _proof(certificate).signed
    return tuple(
        name
        for name, value in certificate.secrets.items()
        if verified(certificate, request, {**certificate.secrets, **of_another({name: value})}) is not True
    )


def _genuine(certificate: Certificate) -> Iterator[tuple[str, WebhookRequest]]:
    yield "a text", _proof(certificate).signed
    for path, body in fixtures(certificate):
        yield path.name, signed(certificate, body)
    for update in certificate.statuses:
        yield f"status {update.status.value}", status_request(certificate, update)


def _bare(certificate: Certificate) -> WebhookRequest:
    return certificate.request(certificate.text_message(TEXT_ID, TEXT))


def _proof(certificate: Certificate) -> Proof:
    bare = _bare(certificate)
    return Proof(bare, certificate.sign(bare, certificate.secrets, clock.now()))


def _signed_with(certificate: Certificate, secrets: Mapping[str, str]) -> tuple[WebhookRequest, ...]:
    """The request signed with these, if the certificate's own ``sign`` does not refuse to."""
    request = attempt(lambda: certificate.sign(_bare(certificate), secrets, clock.now()))
    return () if isinstance(request, Raised) else (request,)


def _written_anew(request: WebhookRequest) -> Iterator[WebhookRequest]:
    """The same JSON in other bytes."""
    tree = as_json(request.body)
    if tree is None:
        return
    for body in (
        json.dumps(tree, indent=1).encode(),
        json.dumps(tree, ensure_ascii=False).encode(),
        request.body + b"\n",
    ):
        if body != request.body:
            yield replace(request, body=body)


def _refused(
    certificate: Certificate,
    what: str,
    requests: Iterable[WebhookRequest],
    secrets: Mapping[str, str] | None = None,
    do: str = _COMPUTE,
) -> Iterator[Finding]:
    """At most one finding, whichever of the requests is not refused."""
    for request in requests:
        found = [*_expect(certificate, what, request, False, secrets, do)]
        if found:
            yield found[0]
            return


def _expect(
    certificate: Certificate,
    what: str,
    request: WebhookRequest,
    wanted: bool,
    secrets: Mapping[str, str] | None = None,
    do: str = "compare what the vendor signs with what verify computes, on the raw bytes",
) -> Iterator[Finding]:
    answer = verified(certificate, request, secrets)
    if answer is not wanted:
        yield Finding(
            what,
            f"verify answers {wanted}",
            f"it raised {answer}" if isinstance(answer, Raised) else f"it answered {answer!r}"[:60],
            _advice(answer, do),
        )


def _advice(answer: object, do: str) -> str:
    if isinstance(answer, Raised):
        return "answer False for whatever cannot be checked; compare bytes, since texts with other than ASCII raise"
    return do if isinstance(answer, bool) else "return a bool"
