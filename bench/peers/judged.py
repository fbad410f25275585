"""A peer's run by the same records and the same checker as M2N's."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import orjson

from tests.faults.checked_records import Records, read_records
from tests.faults.checker import Violation, check_records
from tests.faults.journal import write_all
from tests.faults.records import ledger
from tests.faults.site import Site


@dataclass(frozen=True)
class Outcome:
    """``accepted`` counts messages whose webhook was answered 2xx, ``given_up`` those that the vendor gave up.

    Of those accepted, ``lost`` were never answered, ``doubled`` more than once, ``out_of_order`` after a later one of
    the same customer's, by ``customers_out_of_order``. ``other`` is whatever else the checker found.
    """

    accepted: int
    given_up: int
    lost: int
    doubled: int
    out_of_order: int
    customers_out_of_order: int
    other: tuple[str, ...] = ()


async def collect_at_vendor(site: Site, folder: Path) -> Records:
    """The run's records with the vendor's ledger. A peer declares nothing: it has nowhere to say it."""
    run = orjson.loads((folder / "run.json").read_bytes())
    (folder / "vendor.jsonl").write_bytes(await ledger(site, run["ledger_after"]))
    write_all(folder / "declared.jsonl", ())
    return read_records(folder)


def outcome_of(records: Records) -> Outcome:
    """What the checker says, but for what a peer has no data for."""
    report = check_records(records)
    found = [violation for violation in report.violations if not _is_of_missing_reference(violation)]
    kinds = Counter(violation.kind for violation in found)
    late = [violation for violation in found if violation.kind == "out_of_order_in"]
    unread = [answer.body for answer in records.answers if answer.unreadable]
    counted = ("lost", "doubled", "out_of_order_in")
    return Outcome(
        accepted=len(records.accepted),
        given_up=len(records.given_up),
        lost=kinds["lost"],
        doubled=kinds["doubled"],
        out_of_order=len(late),
        customers_out_of_order=len({(violation.tenant, violation.customer) for violation in late}),
        other=(*(str(violation) for violation in found if violation.kind not in counted), *unread),
    )


def _is_of_missing_reference(violation: Violation) -> bool:
    """A peer's messages carry no number of the session, so the checker cannot say which of its own each one is.

    It says so about each, and does not look at the number's order, at repeats of it, or whether it can be read.
    """
    return violation.kind == "unknown" and violation.serial is None
