"""All checks by category, and the report of one channel."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from m2n.certify.certificate import Certificate
from m2n.certify.content import characters
from m2n.certify.exemptions import EXEMPTIONS, reasons, unfounded
from m2n.certify.findings import Category, Check, Finding, Report, Result
from m2n.certify.golden import golden
from m2n.certify.intake import batch, duplicate, refuses_unknown_type, unknown_type
from m2n.certify.malformed import broken_bodies, deep_and_huge
from m2n.certify.outcomes import outcomes
from m2n.certify.protocol import protocol
from m2n.certify.receipts import receipts
from m2n.certify.rendering import rendering
from m2n.certify.secrecy import secrecy
from m2n.certify.signature import forged, missing, no_secret, right, stale
from m2n.certify.trying import Raised, attempt

CHECKS: Mapping[Category, Check] = {
    Category.PROTOCOL: protocol,
    Category.RIGHT: right,
    Category.FORGED: forged,
    Category.STALE: stale,
    Category.MISSING: missing,
    Category.NO_SECRET: no_secret,
    Category.BATCH: batch,
    Category.DUPLICATE: duplicate,
    Category.UNKNOWN_TYPE: unknown_type,
    Category.BROKEN: broken_bodies,
    Category.DEEP_AND_HUGE: deep_and_huge,
    Category.CHARACTERS: characters,
    Category.GOLDEN: golden,
    Category.RENDERING: rendering,
    Category.OUTCOMES: outcomes,
    Category.RECEIPTS: receipts,
    Category.SECRECY: secrecy,
}
MOST = 10
"""Findings of one category that are told; more would hide the first."""
MOST_ALIKE = 3


def certify(certificate: Certificate, also: Iterable[Finding] = ()) -> Report:
    """Try everything that the adapter claims. ``also``: what its place in the installation lacks."""
    first = (*also, *_made(unfounded, certificate))
    exempt = attempt(lambda: reasons(certificate))
    why = {} if isinstance(exempt, Raised) else exempt
    results = [_result(category, certificate, why) for category in Category]
    results[0] = Result(Category.PROTOCOL, (*first, *results[0].findings)[:MOST])
    return Report(str(certificate.channel.name), tuple(results))


def uncertified(name: str, findings: Iterable[Finding]) -> Report:
    """The report of an adapter that cannot even be tried."""
    return Report(name, (Result(Category.PROTOCOL, tuple(findings)),))


def _result(category: Category, certificate: Certificate, why: Mapping[str, str]) -> Result:
    for name in why:
        known = EXEMPTIONS[name]
        if known.category is category:
            findings = _made(_check(category, name), certificate)
            text = f"{name}: {why[name]}"
            return Result(category, findings, "" if known.part else why[name], text if known.part else "")
    return Result(category, _made(CHECKS[category], certificate))


def _check(category: Category, exempt: str) -> Check:
    """What is checked all the same."""
    return refuses_unknown_type if exempt == "unknown type" else CHECKS[category]


def _distinct(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Each once, and of those that differ only in what was checked no more than a few."""
    told: Counter[tuple[str, str, str]] = Counter()
    for finding in dict.fromkeys(findings):
        alike = finding.expected, finding.seen, finding.do
        told[alike] += 1
        if told[alike] <= MOST_ALIKE:
            yield finding


def _made(check: Check, certificate: Certificate) -> tuple[Finding, ...]:
    """At most MOST findings; an adapter that cannot be checked has not passed."""
    found = attempt(lambda: tuple(_distinct(check(certificate))))
    if isinstance(found, Raised):
        do = "correct what stands above first; else look at the certificate, whose functions are called here"
        return (Finding("whether it can be checked at all", "a check that ends", f"it raised {found}", do),)
    return found[:MOST]
