"""What a certificate may be exempt from, and the fact that has to be so for it: everything else is checked of all."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from m2n.certify.certificate import Certificate
from m2n.certify.findings import Category, Finding
from m2n.certify.outcomes import sends_repeatably
from m2n.certify.rendering import calls_of
from m2n.certify.sample import customer, outbound
from m2n.certify.signature import signs_body
from m2n.certify.trying import Raised
from m2n.message import TextContent


@dataclass(frozen=True)
class Exemption:
    """``holds`` says whether the fact is so; ``part`` whether only a part of the category is left out."""

    category: Category
    fact: str
    holds: Callable[[Certificate], bool]
    part: bool = False


def _is_ours(certificate: Certificate) -> bool:
    """Whether messages go to an app of ours: then the protocol is ours, too."""
    calls = calls_of(certificate, outbound(certificate, TextContent(text="hello"), customer(certificate)))
    return not isinstance(calls, Raised) and all(call.app_id for call in calls)


EXEMPTIONS: Mapping[str, Exemption] = {
    "stale": Exemption(
        Category.STALE, "the proof of origin has no time in it", lambda certificate: certificate.max_age is None
    ),
    "batch": Exemption(
        Category.BATCH, "the vendor sends one message at a time", lambda certificate: certificate.batch is None
    ),
    "receipts": Exemption(
        Category.RECEIPTS,
        "the vendor tells nothing of a message later",
        lambda certificate: not certificate.channel.capabilities.receipts and not certificate.statuses,
    ),
    "forged body": Exemption(
        Category.FORGED, "the proof is a shared secret, not made of the body", lambda c: not signs_body(c), part=True
    ),
    "unknown type": Exemption(
        Category.UNKNOWN_TYPE, "the protocol is ours: what is unknown is refused", _is_ours, part=True
    ),
    "uncertain": Exemption(
        Category.OUTCOMES, "a call may be repeated, so nothing need be left uncertain", sends_repeatably, part=True
    ),
}


def reasons(certificate: Certificate) -> dict[str, str]:
    """What this channel is exempt from and why, in its own words where it has any."""
    own = {_plain(name): why for name, why in certificate.exempt.items()}
    return {name: own.get(name) or known.fact for name, known in EXEMPTIONS.items() if known.holds(certificate)}


def unfounded(certificate: Certificate) -> Iterator[Finding]:
    """Exemptions that a certificate claims without right."""
    for name, why in certificate.exempt.items():
        known = EXEMPTIONS.get(_plain(name))
        if known is None:
            yield Finding(f"the exemption {name!r}", f"one of {', '.join(EXEMPTIONS)}", "another", "let it be checked")
        elif not known.holds(certificate):
            yield Finding(f"the exemption {name!r}", known.fact, "it is not so", "take the exemption out")
        elif not why.strip():
            yield Finding(f"the exemption {name!r}", "a reason", "none", "say why it cannot be checked")


def _plain(name: str) -> str:
    plain = name.lower().replace("_", " ").replace("-", " ").strip()
    return "forged body" if plain == "forged" else plain
