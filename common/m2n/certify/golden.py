"""Checks of ``parse`` with the vendor's documented webhooks: what each comes to, reviewed by a person."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from m2n.adapters.channel import MediaCall, NoMedia, Parsed, UnreadablePart
from m2n.certify.certificate import Certificate
from m2n.certify.findings import Finding
from m2n.certify.payloads import leaves, shown
from m2n.certify.sample import GOLDEN, connection, fixtures, read
from m2n.certify.trying import Raised, attempt
from m2n.message import Inbound, Media, Receipt, media_of

WRITE = "run 'm2n certify <folder> --write-goldens', and read what it wrote"


def golden(certificate: Certificate) -> Iterator[Finding]:
    found = [*parsed_fixtures(certificate)]
    if not found:
        yield Finding(
            "the folder fixtures", "a webhook of each kind", "none", "add them in the vendor's documented shape"
        )
    for path, _, parsed in found:
        yield from _as_expected(path, parsed)
    yield from _without_webhook(certificate)
    yield from _covered(certificate, [parsed for _, _, parsed in found if isinstance(parsed, Parsed)])


def parsed_fixtures(certificate: Certificate) -> Iterator[tuple[Path, bytes, Parsed | Raised]]:
    for path, body in fixtures(certificate):
        yield path, body, read(certificate, body)


def write_goldens(certificate: Certificate) -> tuple[Path, ...]:
    """Write those that are missing, and no others. Returns what it wrote."""
    written: list[Path] = []
    for path, _, parsed in parsed_fixtures(certificate):
        target = golden_of(path)
        if isinstance(parsed, Parsed) and not target.exists():
            target.write_text(json.dumps(as_golden(parsed), indent=2, ensure_ascii=False) + "\n", "utf-8")
            written.append(target)
    return tuple(written)


def golden_of(path: Path) -> Path:
    return path.with_name(path.stem + GOLDEN)


def as_golden(parsed: Parsed) -> dict[str, Any]:
    """What a golden file says; ``unreadable`` only where something was, by its reasons."""
    shown = {
        "messages": [message.model_dump(mode="json", exclude_none=True) for message in parsed.messages],
        "receipts": [receipt.model_dump(mode="json", exclude_none=True) for receipt in parsed.receipts],
    }
    return shown | ({"unreadable": [part.reason for part in parsed.unreadable]} if parsed.unreadable else {})


def _as_expected(path: Path, parsed: Parsed | Raised) -> Iterator[Finding]:
    if isinstance(parsed, Raised):
        yield Finding(f"the webhook {path.name}", "what its golden says", f"it raised {parsed}", "let parse read it")
        return
    text = attempt(lambda: golden_of(path).read_text("utf-8"))
    if isinstance(text, Raised):
        yield Finding(f"the golden of {path.name}", golden_of(path).name, "there is none", WRITE)
        return
    wanted = attempt(lambda: as_golden(_read_golden(text)))
    if isinstance(wanted, Raised):
        do = "delete it, write it anew, and read it"
        yield Finding(f"the golden of {path.name}", "messages and receipts", f"it raised {wanted}", do)
    elif wanted != as_golden(parsed):
        do = "correct parse; or, if the golden is wrong, delete it and write it anew"
        seen = f"another {_difference(wanted, as_golden(parsed))}"
        yield Finding(f"the webhook {path.name}", "what its golden says", seen, do)


def _read_golden(text: str) -> Parsed:
    """By the models, so that a field that the common format gets later has its default. Raises ValueError."""
    golden: dict[str, Any] = json.loads(text)
    return Parsed(
        tuple(Inbound.model_validate(message) for message in golden["messages"]),
        tuple(Receipt.model_validate(receipt) for receipt in golden["receipts"]),
        tuple(UnreadablePart(b"", reason) for reason in golden.get("unreadable", ())),
    )


def _difference(wanted: Any, found: Any) -> str:
    """Where the two differ first."""
    one, other = dict(leaves(wanted)), dict(leaves(found))
    return next((shown(path) for path in {**one, **other} if one.get(path, "\0") != other.get(path, "\0")), "shape")


def _without_webhook(certificate: Certificate) -> Iterator[Finding]:
    known = {golden_of(path) for path, _ in fixtures(certificate)}
    for path in sorted(certificate.fixtures.glob(f"*{GOLDEN}")):
        if path not in known:
            yield Finding(
                f"the golden {path.name}", "a webhook of that name beside it", "none", "add it or delete the golden"
            )


def _covered(certificate: Certificate, parsed: list[Parsed]) -> Iterator[Finding]:
    """The fixtures show every kind that the channel claims to receive, and each piece of media can be fetched."""
    contents = [message.content for one in parsed for message in one.messages]
    can = certificate.channel.capabilities
    for kind in sorted({"text", *can.received} - {content.type for content in contents}):
        yield Finding(
            "the kinds in the fixtures", f"a message of kind {kind}", "none", f"add a webhook with one ({kind})"
        )
    if can.receipts and not any(one.receipts for one in parsed):
        yield Finding("the kinds in the fixtures", "a receipt", "none", "add a webhook that tells a message's status")
    for content in contents:
        media = media_of(content)
        if media is not None and content.type in can.received:
            yield from _fetched(certificate, content.type, media)


def _fetched(certificate: Certificate, kind: str, media: Media) -> Iterator[Finding]:
    call = attempt(lambda: certificate.channel.media_call(media, connection(certificate), certificate.secrets))
    if isinstance(call, Raised):
        do = "say in media_call how its bytes are fetched" if isinstance(call.error, NoMedia) else "raise only NoMedia"
        yield Finding(f"how the bytes of a customer's {kind} are fetched", "a MediaCall", f"it raised {call}", do)
    elif not isinstance(call, MediaCall) or not call.url.startswith(("http://", "https://")):
        yield Finding(
            f"how the bytes of a customer's {kind} are fetched",
            "an http(s) address",
            "another",
            "give the whole address",
        )
