"""What a caller of the stand-in can do that no other customer can, and what the human at the other end does."""

from typing import Annotated, Any, Literal

from pydantic import Field

from services.simulator.settings import Seconds, Setup
from services.simulator.vendors import checked

HumanDoes = Literal["answers", "busy", "no-answer", "failed", "canceled", "queue-full", "system-error"]


class CallOptions(Setup):
    """``Said.extra`` of a call. What stays for the call: ``silence_s`` and all about the human."""

    caller: Annotated[str, Field(max_length=100)] | None = None
    """``From``, where it is to be another than the customer: ``anonymous``, ``+266696687``, ``client:ann``."""
    caller_name: str | None = None
    silence_s: Seconds | None = None
    """So long the stand-in waits for words in a <Gather>, whatever that says. For people, who type slowly."""
    human: HumanDoes | None = None
    """What becomes of a <Dial> or <Enqueue>; ``answers`` unless said otherwise."""
    human_after_s: Seconds | None = None
    """So long it rings, or the caller waits: 0.2 s unless said otherwise."""
    human_talks_s: Seconds | None = None
    """So long the two talk before the human hangs up: 1 s unless said otherwise."""
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.9
    interrupt: str | None = None
    """ConversationRelay: the caller breaks in; this is what they have heard until then."""
    partial: bool = False
    """ConversationRelay: the words come as a part of a sentence first."""
    lang: str | None = None
    """ConversationRelay: the language that Twilio understood."""
    break_socket: bool = False
    """ConversationRelay: the socket breaks."""
    frame: str | None = None
    """ConversationRelay: send this very frame."""

    @classmethod
    def of(cls, extra: dict[str, Any]) -> "CallOptions":
        """Raises ValueError that names the field."""
        return checked(cls, extra, "extra")


class Human(Setup):
    """What the human side of a call does."""

    does: HumanDoes = "answers"
    after_s: float = 0.2
    talks_s: float = 1.0

    def changed(self, options: CallOptions) -> "Human":
        given = {"does": options.human, "after_s": options.human_after_s, "talks_s": options.human_talks_s}
        return self.model_copy(update={name: value for name, value in given.items() if value is not None})
