"""Checks of receipts: each status is the right rung of the ladder, and names its message."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any
from urllib.parse import urlencode

from m2n.adapters.channel import Parsed, WebhookRequest
from m2n.certify.certificate import Certificate, StatusUpdate
from m2n.certify.findings import Finding
from m2n.certify.intake import described
from m2n.certify.payloads import as_form, as_json, dumped, leaves, replaced
from m2n.certify.sample import MESSAGE_ID, TENANT, connection, read_request, signed, status_request, wire
from m2n.certify.trying import Raised
from m2n.message import Receipt, ReceiptStatus

NEW_STATUS = "m2n_new_status"
OTHER_ID = "P1.1.7"


def receipts(certificate: Certificate) -> Iterator[Finding]:
    can = certificate.channel.capabilities.receipts
    shown = {update.status for update in certificate.statuses}
    for status in sorted(can - shown):
        yield Finding(
            "the capabilities' receipts", f"a StatusUpdate {status.value}", "none", "add it to the certificate"
        )
    for status in sorted(shown - can):
        yield Finding("the capabilities' receipts", status.value, "it is missing there", "add it to the capabilities")
    for update in certificate.statuses:
        yield from _right_rung(certificate, update)
    yield from _climbs(certificate)
    yield from _unknown_status(certificate)


def _right_rung(certificate: Certificate, update: StatusUpdate) -> Iterator[Finding]:
    what = f"a webhook with the status {update.status.value}"
    parsed = read_request(certificate, status_request(certificate, update))
    if isinstance(parsed, Raised) or not parsed.receipts or parsed.messages or parsed.unreadable:
        yield Finding(what, "a receipt and no message", described(parsed), "let parse make a Receipt of it")
        return
    for receipt in parsed.receipts:
        if receipt.status is not update.status:
            yield Finding(what, update.status.value, receipt.status.value, "correct the table of statuses")
        if (receipt.tenant, receipt.connection) != (TENANT, connection(certificate).id):
            yield Finding(what, "the connection's tenant and id", "others", "take them from what parse is given")
        yield from _named(certificate, what, receipt)
    again = read_request(certificate, status_request(certificate, update, OTHER_ID))
    if _gives_an_id(update) and isinstance(again, Parsed) and again.receipts == parsed.receipts:
        yield Finding(
            what, "the message that it names", "another message's is the same", "read its id from the webhook"
        )


def _gives_an_id(update: StatusUpdate) -> bool:
    """Whether the webhook holds an id that is given; else it names all messages until a moment."""
    here, there = (update.body(id_) + update.url_query(id_).encode() for id_ in (MESSAGE_ID, OTHER_ID))
    return here != there


def _named(certificate: Certificate, what: str, receipt: Receipt) -> Iterator[Finding]:
    if receipt.message_id == MESSAGE_ID or (receipt.to and receipt.until):
        return
    if receipt.message_id is not None:
        yield Finding(what, "our id of the message", "another", "read it from what the vendor gives back")
    elif not certificate.channel.capabilities.receipts_by_vendor_id:
        do = "say receipts_by_vendor_id in the capabilities, so that what was sent is found by it"
        yield Finding(what, "a message that can be found", "only the vendor's id", do)


def _climbs(certificate: Certificate) -> Iterator[Finding]:
    """In whatever order they come, the highest counts, so each rung that is told has a place of its own."""
    told = [read_request(certificate, status_request(certificate, update)) for update in certificate.statuses]
    found = [one.receipts[0].status for one in told if isinstance(one, Parsed) and one.receipts]
    wanted = [update.status for update in certificate.statuses]
    if _highest(found) is not _highest(wanted) or len(set(found)) < len(set(wanted)):
        seen = ", ".join(sorted({status.value for status in found})) or "none"
        yield Finding(
            "all statuses, one after the other", "each rung of the ladder", seen, "correct the table of statuses"
        )


def _highest(statuses: list[ReceiptStatus]) -> ReceiptStatus | None:
    return max(statuses, key=lambda status: status.rank, default=None)


def _unknown_status(certificate: Certificate) -> Iterator[Finding]:
    """Vendors add statuses; one that is not known is no receipt and no error."""
    for request in _new_statuses(certificate):
        parsed = read_request(certificate, request)
        if isinstance(parsed, Raised) or parsed.receipts or parsed.messages or parsed.unreadable:
            yield Finding(
                "a status that nobody knows", "nothing comes of it", described(parsed), "ignore unknown statuses"
            )
            return


def _new_statuses(certificate: Certificate) -> Iterator[WebhookRequest]:
    """The word for the status is where two webhooks of different statuses, and of the same fields, differ."""
    for one, other in combinations(certificate.statuses, 2):
        body = one.body(MESSAGE_ID)
        here, there = wire(certificate, body), wire(certificate, other.body(MESSAGE_ID))
        changed = _json_changed(here, there) if as_json(here) is not None else _form_changed(here, there)
        if changed is not None:
            yield signed(certificate, body, instead=changed, query=one.url_query(MESSAGE_ID))


def _json_changed(one: bytes, other: bytes) -> bytes | None:
    tree: Any = as_json(one)
    here, there = dict(leaves(tree)), dict(leaves(as_json(other)))
    words = [path for path, value in here.items() if value != there.get(path) and isinstance(value, str)]
    if not words or here.keys() != there.keys():
        return None
    for path in words:
        tree = replaced(tree, path, NEW_STATUS)
    return dumped(tree)


def _form_changed(one: bytes, other: bytes) -> bytes | None:
    here, there = as_form(one), dict(as_form(other))
    if dict(here).keys() != there.keys() or dict(here) == there:
        return None
    return urlencode([(name, value if value == there[name] else NEW_STATUS) for name, value in here]).encode()
