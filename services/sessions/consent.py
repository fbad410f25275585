"""What customers want to hear: STOP and START of their own, and what vendors know of it."""

from collections.abc import Iterable

from m2n.events import ConsentReport, Owner, SendResult, SessionEvent
from m2n.keys import session_id
from m2n.message import Author, ConsentWord, Inbound, OptedOut, Outbound, TextContent
from services.sessions.lane import EventEntry, OptOut, Session
from services.sessions.outcome import Result, StepOutcome
from services.sessions.outgoing import Outgoing


class Consent(Outgoing):
    """The part of a step that minds consent. It is kept by connection: a customer may hear from one and not another."""

    def consent(self, report: ConsentReport) -> StepOutcome:
        """A vendor says later that the customer has opted out."""
        known = self._withdrawn(report.connection, report.opted_out)
        if not known:
            self._withdraw(report.connection, report.opted_out, report.code)
        return StepOutcome(Result.DUPLICATE if known else Result.APPLIED)

    def _minds_consent(self, session: Session, message: Inbound) -> bool:
        """Whether the message is about consent, or of somebody who opted out and has nobody to talk to."""
        connection, opted_out = message.address.connection, self._withdrawn(message.address.connection)
        if message.consent is ConsentWord.STOP:
            if not opted_out:
                self._withdraw(connection, OptedOut.ALL, "customer")
                self._confirm(session, message, "opted_out")
            return True
        if message.consent is ConsentWord.START and connection in self.lane.opt_outs:
            self._give(connection)
            self._confirm(session, message, "opted_in")
            return True
        if message.consent is ConsentWord.HELP or (message.consent and message.content.type == "unsupported"):
            return True  # the vendor answers, or said it itself: there are no words to answer
        return opted_out and session.owner is Owner.BOT

    def _confirm(self, session: Session, message: Inbound, sentence: str) -> None:
        """Once, and where the vendor does not: the one thing that somebody who opted out still hears."""
        if not message.consent_answered:
            text = self.tenant.texts.sentence(sentence, session.language)
            because = "the customer's consent changed"
            self._send(session, TextContent(text=text), Author.SYSTEM, None, None, because, regardless=True)

    def _withdraw(self, connection: str, scope: OptedOut, by: str) -> None:
        """From now on nothing goes out there, and what waited does not either."""
        self.lane.opt_outs = self.lane.opt_outs | {connection: OptOut(scope=scope, at=self.now, by=by)}
        self._consent_event("consent.withdrawn", connection, scope, by)
        self._refuse(self.lane.to_send)

    def _give(self, connection: str) -> None:
        self.lane.opt_outs = {name: kept for name, kept in self.lane.opt_outs.items() if name != connection}
        self._consent_event("consent.given", connection, OptedOut.ALL, "customer")

    def _consent_event(self, what: str, connection: str, scope: OptedOut, by: str) -> None:
        """The record of consent; it belongs to the session in which it was heard, or to the last one."""
        session = self.lane.session
        id_ = session.id if session else session_id(self.lane.profile_id, max(self.lane.sessions, 1))
        event = SessionEvent(
            id=f"{id_}.{what}.{connection}.{int(self.now.timestamp() * 1000)}",
            tenant=self.lane.tenant,
            profile_id=self.lane.profile_id,
            session_id=id_,
            what=what,
            at=self.now,
            epoch=session.epoch if session else 0,
            detail={"connection": connection, "scope": scope.value, "by": by},
        )
        self.lane.outbox = (*self.lane.outbox, EventEntry(event=event))

    def _mind_refusals(self, results: Iterable[SendResult], sent: tuple[Outbound, ...]) -> None:
        """A vendor's word that the customer has opted out counts as the customer's own."""
        addresses = {message.id: message.address.connection for message in sent}
        for result in results:
            connection = addresses.get(result.message_id)
            if connection and result.opted_out and not self._withdrawn(connection, result.opted_out):
                self._withdraw(connection, result.opted_out, result.error.code if result.error else "vendor")
