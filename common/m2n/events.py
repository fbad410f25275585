"""What the services tell each other over pub/sub, with the topics' names beside the shapes."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from m2n.message import (
    Address,
    Author,
    Content,
    Hop,
    Model,
    Moment,
    Name,
    OptedOut,
    Outbound,
    Text,
    VendorError,
)

REPLIES = "replies"
OUTBOUND = "outbound"
RECEIPTS = "receipts"
EVENTS = "events"
TENANT_CHANGED = "tenant-changed"
SIGNALS = "signals"


def engine_topic(adapter: str) -> str:
    return f"engine.{adapter}"


def desk_topic(adapter: str) -> str:
    return f"desk.{adapter}"


def dead_letter_topic(app_id: str) -> str:
    return f"dead.{app_id}"


class Owner(StrEnum):
    BOT = "bot"
    HUMAN = "human"


class Line(Model):
    """One line of a conversation as engines and desks see it."""

    seq: int
    author: Author
    author_name: Name | None = None
    content: Content
    at: Moment


class HandoverReason(StrEnum):
    """Why a human was asked for; the codes that desks, events and figures show."""

    ASKED = "customer_asked"
    INTENT = "intent"
    ENGINE = "engine_signal"
    FALLBACKS = "fallbacks_in_a_row"
    PINNED = "pinned"
    ENGINE_FAILED = "engine_failed"


class SessionFacts(Model):
    """What engines and desks may know of a session."""

    tenant: Name
    profile_id: Name
    session_id: Name
    epoch: int
    owner: Owner
    language: Name
    address: Address
    display_name: Name | None = None
    previous_session_id: Name | None = None
    fallbacks: int = 0
    bot_answers: int = 0
    choices: tuple[tuple[Name, Name], ...] = ()
    """Choices (id, title) of the bot's last answer."""
    desk: Name | None = None
    handover_reason: HandoverReason | None = None
    last_intent: Name | None = None
    history: tuple[Line, ...] = ()
    """The last lines before this turn, oldest first."""


class Turn(Model):
    """Topic ``engine.<adapter>`` or ``desk.<adapter>``: what the customer said since the last answer.

    ``connection`` names the tenant's account with the engine or desk, ``routed_because`` says why it gets the turn.
    """

    kind: Literal["turn"] = "turn"
    id: Name
    attempt: int = 1
    session: SessionFacts
    lines: Annotated[tuple[Line, ...], Field(min_length=1)]
    received_at: Moment
    trail: tuple[Hop, ...] = ()
    returned: bool = False
    """An agent gave the conversation back: words that ask for a human are not taken up again."""
    connection: Name | None = None
    routed_because: Text | None = None


class DeskNotice(Model):
    """Topic ``desk.<adapter>``: the lane took the conversation from the desk (time-out, session over)."""

    kind: Literal["notice"] = "notice"
    id: Name
    tenant: Name
    profile_id: Name
    session_id: Name
    epoch: int
    what: Literal["cancelled", "session_expired"]
    at: Moment


class Action(StrEnum):
    """What a reply does besides its messages. Names follow the handoff vocabulary of the field."""

    ANSWER = "answer"
    """A bot's answer: settles the turn."""
    HAND_OVER = "hand_over"
    """The tenant's rules or the engine: a human is to take over."""
    TAKEN = "taken"
    """A desk has the turn's messages: settles the turn."""
    AGENT_JOINED = "agent_joined"
    SAY = "say"
    """An agent's message."""
    END = "end"
    """The agent is done: the bot answers what comes next."""
    RETURN = "return"
    """The agent gives the conversation back: the bot answers the customer's last messages too."""
    FAILED = "failed"
    """The engine could not answer."""
    TYPING = "typing"
    """An agent is writing: shown where the channel can, kept nowhere."""


class Reply(Model):
    """What an engine, a desk or the tenant's rules want of a session; topic ``replies``, if its lane cannot be called.

    It names the epoch that it was made for; one with another epoch is refused. ``id`` is the key of its one effect.
    """

    id: Name
    tenant: Name
    profile_id: Name
    session_id: Name
    epoch: int
    action: Action
    turn_id: Name | None = None
    author: Author
    author_name: Name | None = None
    messages: Annotated[tuple[Content, ...], Field(max_length=20)] = ()
    reason: HandoverReason | None = None
    because: Text = ""
    """The decision in words, for people."""
    intent: Name | None = None
    confidence: float | None = None
    language: Name | None = None
    """The language that the engine understood, where it can tell."""
    fallback: bool = False
    end_session: bool = False
    taken_seq: int | None = None
    """The customer's newest line that the desk has: an open turn up to it is taken, however late the word of that."""
    at: Moment
    trail: tuple[Hop, ...] = ()


class OutboundBatch(Model):
    """Topic ``outbound``: messages of one conversation, sent in this order. The lane has one batch out at a time."""

    tenant: Name
    profile_id: Name
    messages: Annotated[tuple[Outbound, ...], Field(min_length=1)]


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    """The request went out, the answer was lost: never repeated blindly."""


class SendResult(Model):
    message_id: Name
    outcome: Outcome
    vendor_message_id: Name | None = None
    error: VendorError | None = None
    opted_out: OptedOut | None = None
    """The vendor says that the customer does not want to hear from the business."""
    at: Moment


class DeliveryReport(Model):
    """What became of a batch; topic ``receipts``, if its lane cannot be called.

    ``retry_after_s`` is set when the rest is to be tried again.
    """

    kind: Literal["delivery"] = "delivery"
    tenant: Name
    profile_id: Name
    results: tuple[SendResult, ...] = ()
    retry_after_s: float | None = None
    exactly: bool | None = None
    """The rest has a place in the connection's rate at just that time: it need not wait longer each time."""
    because: Text = ""
    """Why the rest waits, for people."""


class DeskNoted(Model):
    """The desk knows what a notice told it; topic ``receipts``, if its lane cannot be called."""

    kind: Literal["noted"] = "noted"
    tenant: Name
    profile_id: Name
    notice_id: Name


class ConsentReport(Model):
    """A vendor says later that a customer has opted out; topic ``receipts``, if its lane cannot be called."""

    kind: Literal["consent"] = "consent"
    tenant: Name
    profile_id: Name
    connection: Name
    opted_out: OptedOut
    code: Name
    """The vendor's code for it."""
    at: Moment


class CustomerSignal(Model):
    """Topic ``signals``: shows the customer that somebody is at work. It may get lost; an old one is worth nothing."""

    tenant: Name
    address: Address
    kinds: tuple[Literal["typing", "read"], ...]
    vendor_message_id: Name | None = None
    """The customer's last message."""
    author_name: Name | None = None
    at: Moment


class SessionEvent(Model):
    """Topic ``events``: something that people and read models want to know of a session."""

    id: Name
    tenant: Name
    profile_id: Name
    session_id: Name
    what: Name
    at: Moment
    epoch: int
    detail: dict[str, str] = {}


class TenantChanged(Model):
    tenant: Name
    version: int
