"""What really happened, as the parties outside saw it, and the invariants that can be looked at in each moment."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from m2n.events import Line, Owner, SendResult
from m2n.message import Author, plain_text
from services.sessions.lane import Lane, TranscriptLine
from tests.simulation.world import World


@dataclass
class Decided:
    """A line that a saved state holds."""

    entry: TranscriptLine
    at_s: float

    @property
    def line(self) -> Line:
        return self.entry.line


@dataclass
class Ledger:
    world: World
    accepted: dict[int, str] = field(default_factory=dict)
    """Serial of each message that the queue took, in that order, with its sender."""
    silent: set[int] = field(default_factory=set)
    """Serials that ask for no answer (reactions)."""
    decided: dict[str, list[Decided]] = field(default_factory=dict)
    """By session, in order."""
    excused: set[int] = field(default_factory=set)
    """Serials whose turn was settled by a sentence of the system's: no engine answered, nobody is available."""
    transcript: dict[str, TranscriptLine] = field(default_factory=dict)
    outcomes: dict[str, list[SendResult]] = field(default_factory=dict)
    taken: dict[str, list[str]] = field(default_factory=dict)
    """By profile, the calls (session/seq/part) that the vendor took as new, in order."""
    calls: dict[str, int] = field(default_factory=dict)
    in_parts: set[str] = field(default_factory=set)
    """Messages that take two calls, of which one may be taken and the other not."""
    with_desk: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    """By session and epoch: serials that are the agents' to answer."""
    agent_since: dict[str, int] = field(default_factory=dict)
    """Sessions in which an agent has joined and not left, with the epoch."""
    _last: dict[str, Lane] = field(default_factory=dict)

    # -- what the state says -----------------------------------------------------------------------------------

    def saved(self, lane: Lane) -> None:
        before = self._last.get(lane.profile_id)
        if before:
            self._never_back(before, lane)
        self._last[lane.profile_id] = lane
        new = [entry for entry in lane.outbox if isinstance(entry, TranscriptLine) and self._decide(entry)]
        if before and any(entry.line.author is Author.SYSTEM for entry in new):
            self.excused |= _owed(before) - _owed(lane)

    def _never_back(self, before: Lane, after: Lane) -> None:
        if after.sessions < before.sessions:
            self.world.violate("went back", f"sessions from {before.sessions} to {after.sessions}")
        old, new = before.session, after.session
        if old and new and old.id == new.id:
            for name in ("next_seq", "epoch", "turns"):
                if getattr(new, name) < getattr(old, name):
                    what = f"{name} of {new.id} from {getattr(old, name)} to {getattr(new, name)}"
                    self.world.violate("went back", what)

    def _decide(self, entry: TranscriptLine) -> bool:
        """Whether the line is a new one."""
        lines = self.decided.setdefault(entry.session_id, [])
        if entry.line.seq <= len(lines):
            self._same(lines[entry.line.seq - 1].entry, entry)
            return False
        if entry.line.seq != len(lines) + 1:
            self.world.violate("gap", f"{entry.session_id}: {entry.line.seq} after {len(lines)}")
        if lines and entry.epoch < lines[-1].entry.epoch:
            self.world.violate("went back", f"epoch of {entry.session_id}")
        lines.append(Decided(entry, self.world.loop.time()))
        self._one_owner(entry)
        return True

    def _same(self, first: TranscriptLine, again: TranscriptLine) -> None:
        if first.line != again.line:
            self.world.violate("number used twice", f"{again.session_id}.{again.line.seq}")

    def _one_owner(self, entry: TranscriptLine) -> None:
        text, author = plain_text(entry.line.content), entry.line.author
        if author in (Author.BOT, Author.AGENT) and f" e{entry.epoch} " not in text:
            self.world.violate("old epoch", f"{entry.session_id} epoch {entry.epoch}: {text}")
        if author is Author.BOT and entry.session_id in self.agent_since:
            self.world.violate("two owners", f"{entry.session_id}: an agent is there, {text}")

    # -- what others saw ---------------------------------------------------------------------------------------

    def written(self, lines: Iterable[TranscriptLine]) -> None:
        for entry in lines:
            decided = self.decided.get(entry.session_id, [])
            if not 0 < entry.line.seq <= len(decided):
                self.world.violate("not decided", f"transcript line {entry.session_id}.{entry.line.seq}")
            self.transcript[f"{entry.session_id}.{entry.line.seq}"] = entry

    def settled(self, result: SendResult) -> None:
        self.outcomes.setdefault(result.message_id, []).append(result)

    def sent(self, number: str, text: str, repeatable: bool) -> None:
        """A call that the vendor took."""
        self.calls[number] = self.calls.get(number, 0) + 1
        if self.calls[number] > 1:
            if not repeatable:
                self.world.violate("sent twice", number)
            return
        session, seq, _ = number.split("/")
        decided = self.decided.get(session, [])
        if int(seq) > len(decided) or plain_text(decided[int(seq) - 1].line.content) != text:
            return self.world.violate("not decided", f"the vendor got {number}: {text}")
        profile, _, _ = session.partition(".")
        taken = self.taken.setdefault(profile, [])
        if taken and _place(taken[-1]) > _place(number):
            self.world.violate("order out", f"{number} after {taken[-1]}")
        taken.append(number)

    def taken_by_desk(self, session: str, epoch: int, taken: Iterable[int]) -> None:
        self.with_desk.setdefault((session, epoch), set()).update(taken)

    def given_back(self, session: str, epoch: int, unanswered: Iterable[int]) -> None:
        """The bot is to answer them, unless a later epoch's desk takes them."""
        self.with_desk.setdefault((session, epoch), set()).difference_update(unanswered)

    def agent_joined(self, session: str, epoch: int) -> None:
        self.agent_since[session] = epoch

    def agent_left(self, session: str, epoch: int) -> None:
        if self.agent_since.get(session) == epoch:
            del self.agent_since[session]

    def owner_now(self, profile: str) -> Owner | None:
        lane = self._last.get(profile)
        return lane.session.owner if lane and lane.session else None


def _owed(lane: Lane) -> set[int]:
    """Serials that an owner has been asked for."""
    turn = lane.session.turn if lane.session else None
    return {serial for line in (turn.lines if turn else ()) for serial in serials(line)}


def serials(line: Line) -> list[int]:
    """The customers' serials that a line names."""
    return [int(word[1:]) for word in plain_text(line.content).split() if word[0] == "s" and word[1:].isdigit()]


def _place(number: str) -> tuple[int, int, int]:
    session, seq, part = number.split("/")
    return int(session.rpartition(".")[2]), int(seq), int(part)
