"""A caller's way to a human: what is to be done, what the human is told, and how far it has come. No I/O here."""

from datetime import datetime
from typing import Self

from m2n.events import HandoverReason, Line, Turn
from m2n.message import Author, Model, Moment, plain_text
from services.handover.phone.settings import Target

LINES_TOLD = 6
WORDS_TOLD = 160
"""Characters of a line that the human is told."""


class ToldLine(Model):
    author: Author
    text: str


class TransferContext(Model):
    """What the human is told of the conversation so far."""

    reason: HandoverReason | None = None
    language: str = ""
    intent: str | None = None
    lines: tuple[ToldLine, ...] = ()


class HandedOver(Model):
    """The session that waits for the human's answer."""

    tenant: str
    profile_id: str
    session_id: str
    epoch: int
    newest_seq: int | None = None
    """The customer's newest line that was handed over."""


class Transfer(Model):
    """``session`` is None for a transfer that no desk asked for: nobody is told of its course."""

    id: str
    target: Target
    label: str = ""
    context: TransferContext = TransferContext()
    session: HandedOver | None = None
    asked_at: Moment
    by: str | None = None
    """The request whose answer has started it."""
    joined_at: Moment | None = None
    recalled_at: Moment | None = None
    """The lane took the conversation back."""
    ended_at: Moment | None = None
    answered: bool = False
    """Whether a human has spoken with the caller; known at the end."""
    told: bool = False
    """The lane knows of the end."""

    @property
    def waits(self) -> bool:
        """Nobody has started it yet, and it is still wanted."""
        return self.by is None and self.recalled_at is None and self.ended_at is None

    @property
    def goes_on(self) -> bool:
        return self.by is not None and self.ended_at is None

    @classmethod
    def of(cls, turn: Turn, target: Target, label: str, at: datetime) -> Self:
        session = turn.session
        return cls(
            id=transfer_id(session.session_id, session.epoch),
            target=target,
            label=label,
            context=context_of(turn),
            session=HandedOver(
                tenant=session.tenant,
                profile_id=session.profile_id,
                session_id=session.session_id,
                epoch=session.epoch,
                newest_seq=turn.lines[-1].seq,
            ),
            asked_at=at,
        )


def transfer_id(session_id: str, epoch: int) -> str:
    return f"{session_id}:{epoch}"


def context_of(turn: Turn) -> TransferContext:
    session = turn.session
    lines = {line.seq: line for line in (*session.history, *turn.lines)}
    told = (_told(lines[seq]) for seq in sorted(lines))
    return TransferContext(
        reason=session.handover_reason,
        language=session.language,
        intent=session.last_intent,
        lines=tuple(line for line in told if line.text)[-LINES_TOLD:],
    )


def _told(line: Line) -> ToldLine:
    return ToldLine(author=line.author, text=plain_text(line.content)[:WORDS_TOLD])
