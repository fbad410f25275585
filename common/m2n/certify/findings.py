"""What a check has to say: categories, findings, and what became of a category."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from m2n.certify.certificate import Certificate


class Category(StrEnum):
    """What is checked of an adapter, in the order of the report."""

    PROTOCOL = "channel protocol"
    RIGHT = "signature right"
    FORGED = "signature forged"
    STALE = "signature stale"
    MISSING = "signature missing"
    NO_SECRET = "no secret set"  # noqa: S105 - a category's name
    BATCH = "batch"
    DUPLICATE = "duplicate"
    UNKNOWN_TYPE = "unknown type"
    BROKEN = "broken JSON"
    DEEP_AND_HUGE = "deep and huge bodies"
    CHARACTERS = "emoji, right-to-left, NUL"
    GOLDEN = "golden payloads"
    RENDERING = "render at and over limits"
    OUTCOMES = "error table"
    RECEIPTS = "receipts ladder"
    SECRECY = "secrecy of secrets and text"


@dataclass(frozen=True)
class Finding:
    """One miss. Its words never hold a secret's value or anything that a customer wrote."""

    checked: str
    expected: str
    seen: str
    do: str


Check = Callable[[Certificate], Iterable[Finding]]
"""Tries the adapter that the certificate shows; finds nothing when all is well."""


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "FAILED"
    EXEMPT = "exempt"


@dataclass(frozen=True)
class Result:
    """What became of a category; ``note`` says what was not checked, and why."""

    category: Category
    findings: tuple[Finding, ...] = ()
    exempt: str = ""
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.findings:
            return Verdict.FAILED
        return Verdict.EXEMPT if self.exempt else Verdict.PASSED


@dataclass(frozen=True)
class Report:
    channel: str
    results: tuple[Result, ...]

    def count(self, verdict: Verdict) -> int:
        return sum(result.verdict is verdict for result in self.results)

    @property
    def failed(self) -> frozenset[Category]:
        return frozenset(result.category for result in self.results if result.findings)
