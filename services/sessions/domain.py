"""The lane's decisions: state and event in, new state out. No I/O, no clock, no randomness of its own.

What is to be published stands in the new state (outbox, open turn, messages to send), so that a crash after the
save loses nothing: whoever loads the state next publishes it again.
"""

from datetime import datetime, timedelta

from m2n.events import (
    Action,
    DeliveryReport,
    DeskNotice,
    HandoverReason,
    Line,
    Outcome,
    Owner,
    Reply,
    SendResult,
)
from m2n.keys import digest, session_id, vendor_key
from m2n.message import (
    NO_TURN,
    Author,
    CallContent,
    ChoiceContent,
    Hop,
    Inbound,
    Outbound,
    TextContent,
    VendorError,
    plain_text,
)
from m2n.routing import Availability, Closed, HandOver, after_answer, availability
from m2n.tenant import Tenant
from services.sessions.consent import Consent
from services.sessions.lane import (
    APPLIED_FOR,
    APPLIED_PER_BUCKET,
    HISTORY_TEXT,
    Handover,
    Lane,
    OpenTurn,
    Session,
)
from services.sessions.outcome import Result, StepOutcome

SEND_WITHIN = timedelta(hours=24)
"""A message that no vendor took for so long is given up, visibly."""
NOTICE_WITHIN = timedelta(hours=24)
"""A desk that confirms no notice for so long is believed to be gone."""
NOTICE_AGAIN_FIRST = timedelta(seconds=10)
NOTICE_AGAIN_LAST = timedelta(minutes=5)
DEFER_FIRST_S = 2.0
DEFER_MOST_S = 300.0
ASKED_MOST_S = 3600.0
"""A vendor's own wish to wait is followed up to this."""
PENDING_CHARACTERS = 100_000
"""What waits for the next turn is kept whole up to here and cut beyond; the transcript has all of it."""
AT_DESK_LINES = 50
"""The newest lines that a desk has taken and no agent has answered; the bot gets them should the desk give up."""
HANDOVER_FAILURES = 2
"""After so many hand-overs that came to nothing, a session stays with the bot."""


def applied_key(kind: str, *parts: str) -> str:
    return digest(kind, *parts, length=24)


class Step(Consent):
    """One event's effect on a lane, worked out on a copy."""

    # -- events ------------------------------------------------------------------------------------------------

    def accept(self, message: Inbound, seen: frozenset[str]) -> StepOutcome:
        """A customer's message. ``seen`` holds the applied ids of older buckets."""
        key = applied_key("in", vendor_key(message))
        if key in seen or key in self.lane.applied.recent:
            return StepOutcome(Result.DUPLICATE)
        if message.content.type == "typing":
            return StepOutcome(Result.IGNORED, "typing is not recorded")
        if self._ends_nothing(message):
            return StepOutcome(Result.IGNORED, "the call's session is over")
        self._give_up_old_messages()
        self._expire_if_due(message.received_at)
        session = self._session_for(message)
        line = self._take_line(session, message)
        self._remember_applied(key)
        self._hear(message)
        if isinstance(message.content, CallContent):
            self._call_went_on(session, message)
        elif not self._minds_consent(session, message) and message.content.type not in NO_TURN:
            session.pending = (*session.pending, _bounded(_as_choice(line, message, session), session))
            session.pending_trail = message.trail
            self._open_turn(session)
        return StepOutcome(Result.APPLIED, session_id=session.id, seq=line.seq)

    def reply(self, reply: Reply, seen: frozenset[str]) -> StepOutcome:
        """What an engine, a desk or the rules want. Refused unless it fits the session, its epoch and its turn."""
        key = applied_key("reply", reply.id)
        if key in seen or key in self.lane.applied.recent:
            return StepOutcome(Result.DUPLICATE)
        refused = self._why_refused(reply)
        if refused:
            return StepOutcome(Result.REFUSED, refused, reply.session_id)
        session = self.lane.session
        assert session is not None
        if reply.action is Action.TYPING:
            return StepOutcome(Result.IGNORED, "typing is not recorded", session.id)
        self._give_up_old_messages()
        self._remember_applied(key)
        self._settle_taken(session, reply)
        _ACTIONS[reply.action](self, session, reply)
        return StepOutcome(Result.APPLIED, session_id=session.id)

    def delivered(self, report: DeliveryReport) -> StepOutcome:
        """A delivery report settles messages and may put off the rest."""
        settled = {result.message_id for result in report.results}
        before = self.lane.to_send
        self.lane.to_send = tuple(message for message in before if message.id not in settled)
        went_on = len(before) != len(self.lane.to_send)
        self._mind_refusals(report.results, before)
        if report.retry_after_s is not None and self.lane.to_send:
            self.lane.deferrals = 1 if went_on else self.lane.deferrals + 1
            wait_s = max(report.retry_after_s, 0) if report.exactly else self._put_off_s(report.retry_after_s)
            self.lane.deferred_until = self.now + timedelta(seconds=min(wait_s, ASKED_MOST_S))
        elif went_on:
            self.lane.deferrals, self.lane.deferred_until = 0, None
        return StepOutcome(Result.APPLIED)

    def noted(self, notice_id: str) -> StepOutcome:
        """The desk knows of a notice."""
        before = self.lane.notices
        self.lane.notices = tuple(entry for entry in before if entry.notice.id != notice_id)
        return StepOutcome(Result.APPLIED if len(before) != len(self.lane.notices) else Result.DUPLICATE)

    def tick(self) -> None:
        """Whatever time alone brings: messages and notices given up, time-outs of turns and handovers, expiry."""
        self._give_up_old_messages()
        self._give_up_old_notices()
        session = self.lane.session
        if session:
            self._handover_timed_out(session)
            self._turn_timed_out(session)
            self._expire_if_due(self.now)

    # -- sessions ----------------------------------------------------------------------------------------------

    def _hear(self, message: Inbound) -> None:
        """The window counts from when the customer wrote, which an old message that comes late was before."""
        wrote_at = min(message.vendor_time or message.received_at, message.received_at)
        connection = message.address.connection
        self.lane.heard = self.lane.heard | {connection: max(wrote_at, self.lane.heard.get(connection, wrote_at))}

    def _ends_nothing(self, message: Inbound) -> bool:
        ends = isinstance(message.content, CallContent) and message.content.event == "ended"
        return ends and self.lane.session is None

    def _call_went_on(self, session: Session, message: Inbound) -> None:
        """A call that ends is the end of its conversation, unless the customer has gone on elsewhere."""
        assert isinstance(message.content, CallContent)
        self._event(session, f"call.{message.content.event}", call=message.content.call)
        if message.content.event == "ended" and session.address == message.address:
            self._close(session, "session.ended")

    def _session_for(self, message: Inbound) -> Session:
        if self.lane.session:
            return self.lane.session
        previous, self.lane.sessions = self.lane.sessions, self.lane.sessions + 1
        session = self.lane.session = Session(
            id=session_id(self.lane.profile_id, self.lane.sessions),
            number=self.lane.sessions,
            previous_id=session_id(self.lane.profile_id, previous) if previous else None,
            opened_at=self.now,
            last_customer_at=message.received_at,
            language=self.tenant.default_language,
            address=message.address,
        )
        self._event(session, "session.opened", previous=session.previous_id or "")
        return session

    def _take_line(self, session: Session, message: Inbound) -> Line:
        session.last_customer_at = max(session.last_customer_at, message.received_at)
        if not (isinstance(message.content, CallContent) and message.content.event == "ended"):
            session.address = message.address
            session.last_vendor_message_id = message.vendor_message_id
        session.display_name = message.display_name or session.display_name
        if message.language in self.tenant.languages:
            session.language = message.language
        line = Line(
            seq=self._next_seq(session),
            author=Author.CUSTOMER,
            author_name=session.display_name,
            content=message.content,
            at=message.received_at,
        )
        session.remember(line)
        self._transcript(session, line, vendor_message_id=message.vendor_message_id, trail=message.trail)
        return line

    def _expire_if_due(self, moment: datetime) -> None:
        session = self.lane.session
        due = session and session.expires_at(timedelta(seconds=self.tenant.session_timeout_s))
        if session and due and moment >= due:
            self._close(session, "session.expired")

    def _close(self, session: Session, what: str) -> None:
        if session.handover:
            self._notice(session, session.handover, "session_expired")
        self._event(session, what)
        self.lane.session = None

    # -- turns -------------------------------------------------------------------------------------------------

    def _open_turn(self, session: Session) -> None:
        """Hand all that the customer said since the last answer to the owner, unless a turn is open already."""
        if session.turn or not session.pending:
            return
        session.turns += 1
        session.turn = OpenTurn(
            id=f"{session.id}.t{session.turns}",
            lines=session.pending,
            due_at=self.now + timedelta(seconds=self.tenant.rules.turn_timeout_s),
            received_at=session.pending[0].at,
            trail=(*session.pending_trail, Hop(service="sessions", did="turn opened", at=self.now)),
        )
        session.pending, session.pending_trail = (), ()

    def _settle_turn(self, session: Session) -> None:
        session.turn = None
        self._open_turn(session)

    def _turn_timed_out(self, session: Session) -> None:
        turn = session.turn
        if turn is None or self.now < turn.due_at:
            return
        if session.owner is Owner.BOT and turn.attempt >= self.tenant.rules.turn_attempts:
            return self._engine_failed(session, f"no answer after {turn.attempt} attempts")
        turn.attempt += 1
        wait = min(self.tenant.rules.turn_timeout_s * turn.attempt, 60)
        turn.due_at = self.now + timedelta(seconds=wait)

    def _desk_is_open(self, session: Session) -> bool:
        return availability(self.tenant, self.now, session.address.channel) is Availability.OPEN

    def _engine_failed(self, session: Session, because: str) -> None:
        self._event(session, "turn.failed", turn=session.turn.id if session.turn else "", because=because)
        rules = self.tenant.rules
        wants_human = rules.handover.on_engine_failure and rules.pin != "bot"
        if wants_human and self._desk_is_open(session):
            return self._hand_over(session, HandOver(HandoverReason.ENGINE_FAILED, because))
        self._say_system(session, "engine_failed", because)
        self._settle_turn(session)

    # -- replies -----------------------------------------------------------------------------------------------

    def _why_refused(self, reply: Reply) -> str:
        session = self.lane.session
        if session is None or session.id != reply.session_id:
            return "the session is over"
        if session.epoch != reply.epoch:
            return f"epoch {reply.epoch} is not the present {session.epoch}"
        if reply.turn_id is not None and (session.turn is None or session.turn.id != reply.turn_id):
            return "the turn is settled"
        if reply.turn_id is None and reply.action in _TURN_ACTIONS:
            return f"the action {reply.action.value!r} needs a turn"
        if (reply.action in _AGENT_ACTIONS) != (session.owner is Owner.HUMAN) and reply.action in _OWNED_ACTIONS:
            return f"the action {reply.action.value!r} is not the owner's ({session.owner.value})"
        return ""

    def _answer(self, session: Session, reply: Reply) -> None:
        if reply.author is Author.BOT:
            session.fallbacks = session.fallbacks + 1 if reply.fallback else 0
            session.bot_answers += 1
        session.last_intent = reply.intent or session.last_intent
        if reply.language in self.tenant.languages:
            session.language = reply.language
        decision = after_answer(reply, session.fallbacks, self.tenant, self.now, session.address.channel)
        if isinstance(decision, HandOver) and session.turn and session.turn.returned:
            return self._stay_with_bot(session, decision, reply)
        if isinstance(decision, HandOver):
            return self._hand_over(session, decision, reply)
        self._say_all(session, reply)
        if isinstance(decision, Closed):
            self._say_system(session, "closed", decision.because)
        if reply.end_session and not session.pending:
            return self._close(session, "session.ended")
        self._settle_turn(session)

    def _stay_with_bot(self, session: Session, decision: HandOver, reply: Reply) -> None:
        """The desk gave these words back: they lead to no desk again. The customer hears that once."""
        text = self.tenant.texts.sentence("nobody_available", session.language)
        told = next((line for line in reversed(session.history) if line.author is Author.SYSTEM), None)
        if reply.messages:
            self._say_all(session, reply)
        elif told is None or plain_text(told.content) != text[:HISTORY_TEXT]:
            self._say_system(session, "nobody_available", f"{decision.because}, but the desk gave it back")
        self._settle_turn(session)

    def _hand_over_asked(self, session: Session, reply: Reply) -> None:
        reason = reply.reason or HandoverReason.ENGINE
        self._hand_over(session, HandOver(reason, reply.because), reply)

    def _hand_over(self, session: Session, decision: HandOver, reply: Reply | None = None) -> None:
        """Raise the epoch, tell the customer, and give the open turn's lines to the desk as its first turn."""
        desk = self.tenant.rules.handover.desk_for(session.address.channel)
        connection = desk and self.tenant.connection(desk)
        speaks = reply is not None and bool(reply.messages) and not reply.fallback
        if not desk or not connection or session.handover_failures >= HANDOVER_FAILURES:
            if reply is not None and speaks:
                self._say_all(session, reply)
            self._say_system(session, "nobody_available", "there is no desk that takes the conversation")
            return self._settle_turn(session)
        if reply is not None and speaks:
            self._say_all(session, reply)
        else:
            self._say_system(session, "handover_requested", decision.because)
        session.owner, session.epoch, session.fallbacks = Owner.HUMAN, session.epoch + 1, 0
        due = self.now + timedelta(seconds=self.tenant.rules.handover.assign_timeout_s)
        session.handover = Handover(
            desk=desk, adapter=connection.adapter, reason=decision.reason, requested_at=self.now, due_at=due
        )
        self._event(session, "handover.requested", reason=decision.reason.value, because=decision.because)
        self._turn_to_new_owner(session)

    def _turn_to_new_owner(self, session: Session, left: tuple[Line, ...] = ()) -> None:
        """``left`` are earlier lines that the former owner has not answered."""
        session.pending = (*left, *(session.turn.lines if session.turn else ()), *session.pending)
        if session.turn:
            session.pending_trail = session.turn.trail
        session.turn = None
        self._open_turn(session)

    def _taken(self, session: Session, _: Reply) -> None:
        """The desk has the turn's lines; should it give them back, they are the bot's."""
        if session.turn:
            session.at_desk = (*session.at_desk, *session.turn.lines)[-AT_DESK_LINES:]
        self._settle_turn(session)

    def _settle_taken(self, session: Session, reply: Reply) -> None:
        """What the desk showed to the agent is not given to the bot again."""
        turn, taken = session.turn, reply.taken_seq
        if reply.action in _AGENT_ACTIONS and turn and taken is not None and turn.lines[-1].seq <= taken:
            self._taken(session, reply)

    def _agent_joined(self, session: Session, reply: Reply) -> None:
        handover = session.handover
        if handover is None:
            return
        handover.active, handover.agent = True, reply.author_name
        session.last_agent_at = None
        self._event(session, "handover.accepted", agent=reply.author_name or "")
        self._say_system(session, "agent_joined", "an agent accepted", agent=reply.author_name or "")

    def _say(self, session: Session, reply: Reply) -> None:
        """An agent who speaks has joined, also when the news of that has been lost."""
        session.last_agent_at, seen = self.now, reply.taken_seq
        session.at_desk = tuple(line for line in session.at_desk if seen is not None and line.seq > seen)
        if session.handover and not session.handover.active:
            session.handover.active, session.handover.agent = True, reply.author_name
        self._say_all(session, reply)

    def _end(self, session: Session, _: Reply) -> None:
        session.at_desk = ()
        self._say_system(session, "agent_left", "the agent ended the conversation")
        self._back_to_bot(session, "handover.completed")

    def _return(self, session: Session, _: Reply) -> None:
        """The bot answers what no agent has answered, also what the desk had taken."""
        self._back_to_bot(session, "handover.returned")
        if session.turn:
            session.turn.returned = True

    def _failed(self, session: Session, reply: Reply) -> None:
        if session.owner is Owner.BOT:
            return self._engine_failed(session, reply.because)
        self._handover_failed(session, reply.because)

    def _handover_failed(self, session: Session, because: str) -> None:
        """The bot takes back and answers; the same words do not ask for a human again."""
        session.handover_failures += 1
        self._say_system(session, "nobody_available", because)
        self._back_to_bot(session, "handover.failed", because=because)
        if session.turn:
            session.turn.returned = True

    def _back_to_bot(self, session: Session, what: str, **detail: str) -> None:
        """Raise the epoch; what the desk has left, taken or not, becomes the bot's first turn."""
        session.owner, session.epoch, session.fallbacks = Owner.BOT, session.epoch + 1, 0
        session.handover, session.last_agent_at, session.choices = None, None, ()
        self._event(session, what, **detail)
        left, session.at_desk = session.at_desk, ()
        self._turn_to_new_owner(session, left)

    def _handover_timed_out(self, session: Session) -> None:
        handover = session.handover
        if handover is None or handover.active or self.now < handover.due_at:
            return
        self._notice(session, handover, "cancelled")
        self._handover_failed(session, "no agent accepted in time")

    # -- what is given up --------------------------------------------------------------------------------------

    def _put_off_s(self, asked_s: float) -> float:
        growing = min(DEFER_FIRST_S * 2 ** min(self.lane.deferrals - 1, 10), DEFER_MOST_S)
        return max(min(asked_s, ASKED_MOST_S), growing)

    def _give_up_old_messages(self) -> None:
        """Also before anything is sent: delivery's records of what was sent do not live for ever."""
        old = [message for message in self.lane.to_send if self.now - message.decided_at > SEND_WITHIN]
        if not old:
            return
        given_up = {message.id for message in old}
        self.lane.to_send = tuple(message for message in self.lane.to_send if message.id not in given_up)
        self.given_up += [_given_up(message, self.now) for message in old]
        if not self.lane.to_send:
            self.lane.deferrals, self.lane.deferred_until = 0, None

    def _give_up_old_notices(self) -> None:
        self.unheard = [e.notice for e in self.lane.notices if self.now - e.notice.at > NOTICE_WITHIN]
        if self.unheard:
            self.lane.notices = tuple(e for e in self.lane.notices if self.now - e.notice.at <= NOTICE_WITHIN)

    # -- records -----------------------------------------------------------------------------------------------

    def _remember_applied(self, key: str) -> None:
        self.lane.applied.recent = (*self.lane.applied.recent, key)


_ACTIONS = {
    Action.ANSWER: Step._answer,
    Action.HAND_OVER: Step._hand_over_asked,
    Action.TAKEN: Step._taken,
    Action.AGENT_JOINED: Step._agent_joined,
    Action.SAY: Step._say,
    Action.END: Step._end,
    Action.RETURN: Step._return,
    Action.FAILED: Step._failed,
}
_TURN_ACTIONS = frozenset({Action.ANSWER, Action.HAND_OVER, Action.TAKEN, Action.FAILED})
_AGENT_ACTIONS = frozenset({Action.TAKEN, Action.AGENT_JOINED, Action.SAY, Action.END, Action.RETURN, Action.TYPING})
_OWNED_ACTIONS = _AGENT_ACTIONS | {Action.ANSWER, Action.HAND_OVER}


def _bounded(line: Line, session: Session) -> Line:
    waiting = (*session.pending, *(session.turn.lines if session.turn else ()), *session.at_desk)
    if sum(len(plain_text(each.content)) for each in (*waiting, line)) <= PENDING_CHARACTERS:
        return line
    return line.model_copy(update={"content": TextContent(text=plain_text(line.content)[:HISTORY_TEXT])})


def _saw_numbers(message: Inbound, offered: tuple[tuple[str, str], ...]) -> bool:
    """As far as what the channel can show tells (``m2n.adapters.degradation``)."""
    shown, longest = message.choices_shown, message.choice_length
    if shown is None:
        return False
    return len(offered) > shown or (longest is not None and any(len(title) > longest for _, title in offered))


def _as_choice(line: Line, message: Inbound, session: Session) -> Line:
    """The number of an offered choice is the choice, where the channel showed numbers.

    The transcript keeps what was written.
    """
    offered = session.choices
    if not _saw_numbers(message, offered) or not isinstance(line.content, TextContent):
        return line
    digits = line.content.text.strip().rstrip(".)").strip()
    number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 3 else 0
    if not 1 <= number <= len(offered):
        return line
    id_, title = offered[number - 1]
    return line.model_copy(update={"content": ChoiceContent(id=id_, title=title)})


def _given_up(message: Outbound, now: datetime) -> SendResult:
    hours = SEND_WITHIN.total_seconds() / 3600
    error = VendorError(code="m2n-not-taken", reason=f"the channel did not take the message within {hours:.0f} hours")
    return SendResult(message_id=message.id, outcome=Outcome.REFUSED, error=error, at=now)


def roll_over(lane: Lane, now: datetime) -> tuple[str, tuple[str, ...]] | None:
    """Move a full set of applied ids out of the lane, to be kept beside it; its name is made of them."""
    recent = lane.applied.recent
    if len(recent) < APPLIED_PER_BUCKET:
        return None
    name = digest(*recent)
    lane.applied.buckets = (*lane.applied.buckets, (name, now))
    lane.applied.recent = ()
    return name, recent


def prune(lane: Lane, now: datetime) -> None:
    """Forget sets whose newest id is older than any vendor's retry."""
    lane.applied.buckets = tuple(bucket for bucket in lane.applied.buckets if now - bucket[1] <= APPLIED_FOR)


def notice_wait(notice: DeskNotice, told_at: datetime) -> timedelta:
    """How long to wait for the desk's word before it is told again: longer and longer."""
    return min(max(told_at - notice.at, NOTICE_AGAIN_FIRST), NOTICE_AGAIN_LAST)


def next_due(lane: Lane, tenant: Tenant, now: datetime) -> datetime | None:
    """When the lane has to look at itself again; None when it may sleep until somebody calls."""
    dues: list[datetime] = []
    if lane.to_send:
        put_off = lane.deferred_until
        again = now + timedelta(seconds=tenant.rules.turn_timeout_s)
        dues.append(put_off if put_off and put_off > now else again)
    dues += [now + notice_wait(entry.notice, now) for entry in lane.notices]
    session = lane.session
    if session:
        if session.turn:
            dues.append(session.turn.due_at)
        if session.handover and not session.handover.active:
            dues.append(session.handover.due_at)
        expiry = session.expires_at(timedelta(seconds=tenant.session_timeout_s))
        if expiry:
            dues.append(expiry)
    return min(dues, default=None)
