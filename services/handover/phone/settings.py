"""Where callers are handed over to, and the settings of the desk `phone`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from m2n.tenant import Config

Number = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
HttpAddress = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s#]*)?$", max_length=500)]


class DialTarget(Config):
    """A telephone number that is called and then connected with the caller."""

    kind: Literal["dial"]
    number: Number
    """E.164, as in ``+15550100009``."""
    ring_s: Annotated[int, Field(ge=5, le=600)] = 25
    """So long it rings; then the bot goes on. Keep it below the tenant's ``assign_timeout_s``."""
    caller_id: Number | None = None
    """The number that is shown at the other side; None: the caller's own."""


class EnqueueTarget(Config):
    """A queue of Twilio's, or a TaskRouter workflow such as Flex has."""

    kind: Literal["enqueue"]
    queue: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    workflow_sid: Annotated[str, Field(pattern=r"^WW[0-9a-fA-F]{32}$")] | None = None
    hold_music: HttpAddress | None = None
    """A sound file that is played to those who wait; None: a sentence now and then."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.queue is None) == (self.workflow_sid is None):
            raise ValueError("expected exactly one of queue and workflow_sid")
        return self


Target = Annotated[DialTarget | EnqueueTarget, Field(discriminator="kind")]


class PhoneDeskSettings(Config):
    label: Annotated[str, Field(min_length=1, max_length=100)] = "our team"
    """What people are called that are reached there; stands in the transcript as the agent's name."""
    transfer: Target | None = None
    """None: where the voice connection's own ``transfer`` leads to."""
