"""The lane's state: all that happens to one customer, in order. One small document."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from m2n.events import DeskNotice, HandoverReason, Line, Owner, SendResult, SessionEvent, SessionFacts
from m2n.message import Address, Author, Hop, Model, Moment, OptedOut, Outbound, TextContent, plain_text
from services.sessions.step_record import StepRecord

HISTORY_LINES = 10
HISTORY_TEXT = 500
APPLIED_PER_BUCKET = 64
APPLIED_FOR = timedelta(days=8)
"""A vendor may send a message again for 7 days (Meta's retries); its id is remembered for longer."""
AGENT_OWES_FOR = timedelta(hours=24)


class State(BaseModel):
    """Base of what a step may change on its own copy."""

    model_config = ConfigDict(extra="ignore", validate_assignment=False)


class OpenTurn(State):
    id: str
    lines: tuple[Line, ...]
    attempt: int = 1
    due_at: Moment
    received_at: Moment
    trail: tuple[Hop, ...] = ()
    returned: bool = False


class Handover(State):
    desk: str
    adapter: str
    reason: HandoverReason
    requested_at: Moment
    due_at: Moment
    active: bool = False
    agent: str | None = None


class Session(State):
    id: str
    number: int
    previous_id: str | None = None
    opened_at: Moment
    last_customer_at: Moment
    last_agent_at: Moment | None = None
    next_seq: int = 1
    turns: int = 0
    owner: Owner = Owner.BOT
    epoch: int = 1
    language: str
    address: Address
    display_name: str | None = None
    last_vendor_message_id: str | None = None
    """Of the customer's last message."""
    turn: OpenTurn | None = None
    pending: tuple[Line, ...] = ()
    pending_trail: tuple[Hop, ...] = ()
    at_desk: tuple[Line, ...] = ()
    """Lines that the desk has taken and no agent has answered yet."""
    fallbacks: int = 0
    bot_answers: int = 0
    choices: tuple[tuple[str, str], ...] = ()
    last_intent: str | None = None
    handover: Handover | None = None
    handover_failures: int = 0
    history: tuple[Line, ...] = ()

    def expires_at(self, timeout: timedelta) -> datetime | None:
        """When silence ends the session; None while somebody owes the customer an answer.

        An agent owes one for a day at most.
        """
        if self.owner is Owner.BOT:
            return None if self.turn else self.last_customer_at + timeout
        if self.handover is None or not self.handover.active:
            return None
        if self.last_agent_at is None or self.last_agent_at < self.last_customer_at:
            return self.last_customer_at + max(timeout, AGENT_OWES_FOR)
        return self.last_agent_at + timeout

    def facts(self, tenant: str, profile_id: str) -> SessionFacts:
        return SessionFacts(
            tenant=tenant,
            profile_id=profile_id,
            session_id=self.id,
            epoch=self.epoch,
            owner=self.owner,
            language=self.language,
            address=self.address,
            display_name=self.display_name,
            previous_session_id=self.previous_id,
            fallbacks=self.fallbacks,
            bot_answers=self.bot_answers,
            choices=self.choices,
            desk=self.handover.desk if self.handover else None,
            handover_reason=self.handover.reason if self.handover else None,
            last_intent=self.last_intent,
            history=self._history_before_turn(),
        )

    def _history_before_turn(self) -> tuple[Line, ...]:
        """What waits for an answer is the turn's, or a later one's. A bot's or an agent's lines were said before also
        where their number is higher: the customer went on writing meanwhile."""
        waiting = {line.seq for line in (*self.pending, *(self.turn.lines if self.turn else ()))}
        first = min(waiting, default=self.next_seq)
        before = (line for line in self.history if line.seq not in waiting)
        return tuple(line for line in before if line.seq < first or line.author is not Author.SYSTEM)

    def remember(self, line: Line) -> None:
        short = TextContent(text=plain_text(line.content)[:HISTORY_TEXT])
        self.history = (*self.history, line.model_copy(update={"content": short}))[-HISTORY_LINES:]


class TranscriptLine(Model):
    """One line for the transcript in MongoDB, written once by (tenant, session, sequence)."""

    kind: Literal["transcript"] = "transcript"
    session_id: str
    line: Line
    channel: str
    connection: str
    epoch: int
    vendor_message_id: str | None = None
    reply_id: str | None = None
    """Of what an agent said: by it the desk finds what became of it."""
    intent: str | None = None
    confidence: float | None = None
    because: str = ""
    trail: tuple[Hop, ...] = ()


class EventEntry(Model):
    kind: Literal["event"] = "event"
    event: SessionEvent


class SettledEntry(Model):
    """What became of a message to the customer."""

    kind: Literal["settled"] = "settled"
    result: SendResult


class NoticeEntry(Model):
    """Told to the desk again and again until it says that it knows."""

    adapter: str
    notice: DeskNotice


Entry = Annotated[TranscriptLine | EventEntry | SettledEntry, Field(discriminator="kind")]


class OptOut(Model):
    """The customer does not want to hear from a connection."""

    scope: OptedOut
    at: Moment
    by: str
    """``customer``, or the vendor's code that told it."""


class Applied(State):
    """Ids that took effect: the newest here, older ones in sets of their own so that a save stays small."""

    recent: tuple[str, ...] = ()
    buckets: tuple[tuple[str, Moment], ...] = ()
    """Name of each full set, and the time of its newest id."""


class Lane(State):
    v: Literal[1] = 1
    tenant: str
    profile_id: str
    sessions: int = 0
    session: Session | None = None
    applied: Applied = Applied()
    outbox: tuple[Entry, ...] = ()
    """What is still to be told to others; done again after a crash, so the others take each once."""
    notices: tuple[NoticeEntry, ...] = ()
    to_send: tuple[Outbound, ...] = ()
    """Messages that no delivery report has settled yet, in the order in which they were decided."""
    heard: dict[str, Moment] = {}
    """When the customer last wrote, by connection: from then a channel's customer-care window counts."""
    opt_outs: dict[str, OptOut] = {}
    """By connection."""
    deferred_until: Moment | None = None
    deferrals: int = 0
    steps: int = 0
    """Recorded steps so far."""
    stepped_at: Moment | None = None
    records: tuple[StepRecord, ...] = ()
    """Records that are not written yet: of saved steps, and in memory of those since the last save."""
