"""What must hold when everything has drained."""

from m2n.events import Outcome
from m2n.message import Author, plain_text
from services.sessions.lane import Lane
from tests.simulation.ledger import Decided, Ledger, serials

AT_REST = 20
"""So many entries of the outbox, and records, may stand in the last save."""


def check_all(ledger: Ledger, lanes: list[Lane], aside: list[str]) -> None:
    _accepted_once_and_in_order(ledger)
    _transcript_is_what_was_decided(ledger)
    _every_message_has_its_end(ledger)
    _every_serial_is_answered(ledger)
    for lane in lanes:
        _at_rest(ledger, lane)
    for body in aside:
        if body != "{}":
            ledger.world.violate("lost", f"set aside: {body[:200]}")


def _lines(ledger: Ledger) -> list[Decided]:
    sessions = sorted(ledger.decided, key=lambda session: int(session.rpartition(".")[2]))
    return [decided for session in sessions for decided in ledger.decided[session]]


def _accepted_once_and_in_order(ledger: Ledger) -> None:
    """A sender's messages in the transcripts are those that the queue took, in that order."""
    taken: dict[str, list[int]] = {}
    for decided in _lines(ledger):
        if decided.line.author is Author.CUSTOMER:
            vendor_id = decided.entry.vendor_message_id or ""
            profile, _, _ = decided.entry.session_id.partition(".")
            taken.setdefault(profile, []).append(int(vendor_id.removeprefix("SM")))
    accepted: dict[str, list[int]] = {}
    for serial, sender in ledger.accepted.items():
        accepted.setdefault(sender, []).append(serial)
    if sorted(taken.values()) == sorted(accepted.values()):
        return
    every = sorted(serial for found in taken.values() for serial in found)
    missing = sorted(set(ledger.accepted) - set(every))
    twice = sorted({serial for serial in every if every.count(serial) > 1})
    kind = "lost" if missing else "doubled" if twice else "order in"
    ledger.world.violate(kind, f"accepted {accepted}, in the lanes {taken}")


def _transcript_is_what_was_decided(ledger: Ledger) -> None:
    for decided in _lines(ledger):
        key = f"{decided.entry.session_id}.{decided.line.seq}"
        if key not in ledger.transcript:
            ledger.world.violate("lost", f"{key} is not in the transcript")
        elif ledger.transcript[key].line != decided.line:
            ledger.world.violate("number used twice", f"transcript line {key}")


def _every_message_has_its_end(ledger: Ledger) -> None:
    for decided in _lines(ledger):
        if decided.line.author is not Author.CUSTOMER:
            _has_its_end(ledger, decided)


def _has_its_end(ledger: Ledger, decided: Decided) -> None:
    key = f"{decided.entry.session_id}.{decided.line.seq}"
    outcomes = {result.outcome for result in ledger.outcomes.get(key, [])}
    sent = ledger.calls.get(f"{decided.entry.session_id}/{decided.line.seq}/0", 0)
    if not outcomes:
        ledger.world.violate("lost", f"nothing is known of {key}")
    elif Outcome.ACCEPTED in outcomes and not sent:
        ledger.world.violate("lost", f"{key} is called accepted, the vendor does not have it")
    elif outcomes == {Outcome.REFUSED} and sent and key not in ledger.in_parts:
        ledger.world.violate("untrue", f"{key} is called refused, the vendor took it")


def _every_serial_is_answered(ledger: Ledger) -> None:
    """By the bot or an agent, once; or the system said why not; or it stayed with an agent."""
    answers: dict[int, int] = {}
    for decided in _lines(ledger):
        if decided.line.author in (Author.BOT, Author.AGENT):
            for serial in serials(decided.line):
                answers[serial] = answers.get(serial, 0) + 1
    excused = ledger.excused.union(ledger.silent, *ledger.with_desk.values())
    for serial in ledger.accepted:
        if answers.get(serial, 0) > 1:
            ledger.world.violate("doubled", f"s{serial} was answered {answers[serial]} times")
        if serial not in answers and serial not in excused:
            ledger.world.violate("lost", f"s{serial} was never answered")


def _at_rest(ledger: Ledger, lane: Lane) -> None:
    """Outbox and records of the last save may stand there: they were told, and the next save drops them."""
    left = [name for name in ("to_send", "session") if getattr(lane, name)]
    left += ["notices"] if getattr(lane, "notices", ()) else []
    if left or len(lane.outbox) > AT_REST or len(lane.records) > AT_REST:
        said = [plain_text(message.content) for message in lane.to_send]
        ledger.world.violate("unbounded", f"{lane.profile_id} keeps {left or 'its outbox'} {said}")
