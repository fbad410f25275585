"""A conversation as the agents have it, and what may be done with it. Nothing here does I/O."""

from datetime import datetime
from enum import StrEnum

from m2n.events import HandoverReason, Line, Turn
from m2n.message import Author, Content, Model, Moment, TextContent, plain_text

MAX_TEXT = 4096
"""Characters of an agent's message or note; what WhatsApp takes in one text."""
MAX_CONTENT = 16_384
"""Characters of a line's content in JSON that the desk keeps; the whole is in the session's transcript."""


class Status(StrEnum):
    WAITING = "waiting"
    ACTIVE = "active"
    CLOSED = "closed"


OPEN = (Status.WAITING, Status.ACTIVE)


class Closing(StrEnum):
    """Why a conversation was closed: by the agent, or by the lane."""

    ENDED = "ended"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    SESSION_EXPIRED = "session_expired"


CLOSING_WORDS = {
    Closing.ENDED: "it was ended by the agent",
    Closing.RETURNED: "it was given back to the bot",
    Closing.CANCELLED: "nobody accepted in time, so the bot has taken it back",
    Closing.SESSION_EXPIRED: "the customer's session is over",
}


class DeskLine(Model):
    """A line that the agents see. ``key`` is the key of its one effect; customers' lines have the session's number."""

    key: str
    seq: int | None = None
    author: Author
    author_name: str | None = None
    content: Content
    cut: bool = False
    at: Moment


class Note(Model):
    """What agents write for each other; customers never see it."""

    agent: str
    text: str
    at: Moment


class Conversation(Model):
    id: str
    tenant: str
    profile_id: str
    session_id: str
    epoch: int
    status: Status = Status.WAITING
    reason: HandoverReason | None = None
    language: str
    channel: str
    display_name: str | None = None
    agent: str | None = None
    agent_key: str | None = None
    """The API key that accepted."""
    created_at: Moment
    updated_at: Moment
    accepted_at: Moment | None = None
    closed_at: Moment | None = None
    closed_because: Closing | None = None
    lines: tuple[DeskLine, ...] = ()
    """In the order in which the desk got them."""
    notes: tuple[Note, ...] = ()

    def line(self, key: str) -> DeskLine | None:
        return next((line for line in self.lines if line.key == key), None)

    @property
    def newest_of_customer(self) -> int | None:
        """The session's number of the customer's newest line that the agents have."""
        numbers = (line.seq for line in self.lines if line.author is Author.CUSTOMER and line.seq is not None)
        return max(numbers, default=None)


class Agent(Model):
    """Who calls: an API key, and the name that the call gives. A supervisor's key has the role admin."""

    tenant: str
    key: str
    supervisor: bool = False
    name: str | None = None


def conversation_id(session_id: str, epoch: int) -> str:
    return f"{session_id}:{epoch}"


def opened_by(turn: Turn, at: datetime) -> Conversation:
    """The conversation that the first turn of an epoch opens, with what was said before."""
    session = turn.session
    lines = {line.seq: line for line in (*session.history, *turn.lines)}
    return Conversation(
        id=conversation_id(session.session_id, session.epoch),
        tenant=session.tenant,
        profile_id=session.profile_id,
        session_id=session.session_id,
        epoch=session.epoch,
        reason=session.handover_reason,
        language=session.language,
        channel=session.address.channel,
        display_name=session.display_name,
        created_at=at,
        updated_at=at,
        lines=tuple(desk_line(lines[seq]) for seq in sorted(lines)),
    )


def desk_line(line: Line) -> DeskLine:
    content, cut = _kept(line.content)
    return DeskLine(
        key=f"line:{line.seq}",
        seq=line.seq,
        author=line.author,
        author_name=line.author_name,
        content=content,
        cut=cut,
        at=line.at,
    )


def agent_line(client_id: str, content: Content, author_name: str, at: datetime) -> DeskLine:
    return DeskLine(key=f"say:{client_id}", author=Author.AGENT, author_name=author_name, content=content, at=at)


def _kept(content: Content) -> tuple[Content, bool]:
    """Bounded, so that no customer can make a conversation too large to store."""
    if len(content.model_dump_json()) <= MAX_CONTENT:
        return content, False
    return TextContent(text=plain_text(content)[:MAX_TEXT]), True


def is_own(conversation: Conversation, agent: Agent) -> bool:
    """Whether this agent accepted it: the same API key and, where the call gives one, the same name."""
    return conversation.agent_key == agent.key and agent.name in (None, conversation.agent)


def why_not_acting(conversation: Conversation, agent: Agent) -> str:
    """Why the agent cannot speak in it or end it now."""
    if conversation.closed_because:
        return f"the conversation is closed: {CLOSING_WORDS[conversation.closed_because]}"
    if conversation.status is Status.WAITING:
        return "nobody has accepted the conversation yet; accept it first"
    if not is_own(conversation, agent):
        return f"the conversation belongs to {conversation.agent}, who accepted it"
    return "the conversation was changed at the same time; repeat the call"
