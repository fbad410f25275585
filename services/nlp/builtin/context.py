"""What the engine remembers of a conversation between two messages."""

from dataclasses import dataclass

from m2n.bot_content import Choice


@dataclass(frozen=True, slots=True)
class ConversationContext:
    """The choices of the last answer that had some, and how many answers the bot has given so far."""

    offered: tuple[Choice, ...] = ()
    answers_given: int = 0
