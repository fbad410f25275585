"""What a step of the lane says to the customer and to the records, and what it may not say.

Everything that goes to a customer goes through ``_send``: an answer, an agent's words, a notice of the system. So the
one gate that holds back what the customer does not want to hear stands there.
"""

from collections.abc import Iterable
from datetime import datetime

from m2n.events import DeskNotice, Line, Outcome, Reply, SendResult, SessionEvent
from m2n.keys import message_id
from m2n.message import (
    Author,
    ButtonsContent,
    Content,
    Hop,
    ListContent,
    OptedOut,
    Outbound,
    TextContent,
    VendorError,
)
from m2n.tenant import Tenant
from services.sessions.lane import EventEntry, Handover, Lane, NoticeEntry, Session, TranscriptLine


class Outgoing:
    """The part of a step that says something."""

    def __init__(self, lane: Lane, tenant: Tenant, now: datetime) -> None:
        self.lane = lane.model_copy()
        self.lane.applied = lane.applied.model_copy()
        self.tenant, self.now = tenant, now
        self.given_up: list[SendResult] = []
        """Messages that nobody took for too long; to be recorded as refused."""
        self.unheard: list[DeskNotice] = []
        """Notices that a desk never confirmed."""
        if lane.session:
            session = self.lane.session = lane.session.model_copy()
            session.turn = session.turn and session.turn.model_copy()
            session.handover = session.handover and session.handover.model_copy()

    # -- to the customer ---------------------------------------------------------------------------------------

    def _say_all(self, session: Session, reply: Reply) -> None:
        session.choices = ()
        for content in reply.messages:
            session.choices = _choices(content) or session.choices
            self._send(session, content, reply.author, reply.author_name, reply)

    def _say_system(self, session: Session, name: str, because: str, **values: str) -> None:
        text = self.tenant.texts.sentence(name, session.language, **values)
        self._send(session, TextContent(text=text), Author.SYSTEM, None, None, because)

    def _send(
        self,
        session: Session,
        content: Content,
        author: Author,
        author_name: str | None,
        reply: Reply | None,
        because: str = "",
        *,
        regardless: bool = False,
    ) -> None:
        """``regardless`` of whether the customer wants to hear from us: for the word that they do not."""
        seq = self._next_seq(session)
        line = Line(seq=seq, author=author, author_name=author_name, content=content, at=self.now)
        trail = (*(reply.trail if reply else ()), Hop(service="sessions", did="decided to send", at=self.now))
        session.remember(line)
        self._transcript(session, line, trail=trail, reply=reply, because=because)
        outbound = Outbound(
            id=message_id(session.id, seq),
            tenant=self.lane.tenant,
            profile_id=self.lane.profile_id,
            session_id=session.id,
            seq=seq,
            address=session.address,
            content=content,
            author=author,
            author_name=author_name,
            decided_at=self.now,
            language=session.language,
            customer_wrote_at=self.lane.heard.get(session.address.connection),
            trail=trail,
        )
        self.lane.to_send = (*self.lane.to_send, outbound)
        if not regardless:
            self._refuse((outbound,))

    def _withdrawn(self, connection: str, scope: OptedOut = OptedOut.ALL) -> bool:
        known = self.lane.opt_outs.get(connection)
        return known is not None and known.scope in (scope, OptedOut.ALL)

    def _why_silent(self, message: Outbound) -> VendorError | None:
        """Why the message may not go out, if it may not."""
        scope = OptedOut.MARKETING if message.content.type == "template" else OptedOut.ALL
        if not self._withdrawn(message.address.connection, scope):
            return None
        return VendorError(code="m2n-opted-out", reason="the customer has opted out and has not said START since")

    def _refuse(self, messages: Iterable[Outbound]) -> None:
        refused = {message.id: error for message in messages if (error := self._why_silent(message))}
        self.lane.to_send = tuple(message for message in self.lane.to_send if message.id not in refused)
        self.given_up += [
            SendResult(message_id=id_, outcome=Outcome.REFUSED, error=error, at=self.now)
            for id_, error in refused.items()
        ]

    # -- records -----------------------------------------------------------------------------------------------

    def _next_seq(self, session: Session) -> int:
        seq, session.next_seq = session.next_seq, session.next_seq + 1
        return seq

    def _transcript(
        self,
        session: Session,
        line: Line,
        *,
        vendor_message_id: str | None = None,
        trail: tuple[Hop, ...] = (),
        reply: Reply | None = None,
        because: str = "",
    ) -> None:
        entry = TranscriptLine(
            session_id=session.id,
            line=line,
            channel=session.address.channel,
            connection=session.address.connection,
            epoch=session.epoch,
            vendor_message_id=vendor_message_id,
            reply_id=reply.id if reply and line.author is Author.AGENT else None,
            intent=reply.intent if reply else None,
            confidence=reply.confidence if reply else None,
            because=because or (reply.because if reply else ""),
            trail=trail,
        )
        self.lane.outbox = (*self.lane.outbox, entry)

    def _event(self, session: Session, what: str, **detail: str) -> None:
        event = SessionEvent(
            id=f"{session.id}.{session.next_seq}.{what}",
            tenant=self.lane.tenant,
            profile_id=self.lane.profile_id,
            session_id=session.id,
            what=what,
            at=self.now,
            epoch=session.epoch,
            detail={key: value for key, value in detail.items() if value},
        )
        self.lane.outbox = (*self.lane.outbox, EventEntry(event=event))

    def _notice(self, session: Session, handover: Handover, what: str) -> None:
        notice = DeskNotice(
            id=f"{session.id}.{session.epoch}.{what}",
            tenant=self.lane.tenant,
            profile_id=self.lane.profile_id,
            session_id=session.id,
            epoch=session.epoch,
            what="cancelled" if what == "cancelled" else "session_expired",
            at=self.now,
        )
        self.lane.notices = (*self.lane.notices, NoticeEntry(adapter=handover.adapter, notice=notice))


def _choices(content: Content) -> tuple[tuple[str, str], ...]:
    match content:
        case ButtonsContent():
            return tuple((button.id, button.title) for button in content.buttons)
        case ListContent():
            return tuple((item.id, item.title) for item in content.items)
    return ()
