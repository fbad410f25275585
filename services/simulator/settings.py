"""What the control API sets up, and how: accounts, senders, web chats, faults, the course of statuses."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Sid = Annotated[str, Field(pattern=r"^AC[0-9a-f]{32}$")]
HttpAddress = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2000)]
Phone = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
Seconds = Annotated[float, Field(ge=0, le=600)]


class Setup(BaseModel):
    """Base of what the control API takes; an unknown field is mostly a typing mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Account(Setup):
    """An account at Twilio. ``test``: its credentials are test credentials, with which nothing is really sent."""

    token: Annotated[str, Field(min_length=1)]
    test: bool = False


class Sender(Setup):
    """A business's number. ``title`` is what the page calls it."""

    sender: Annotated[str, Field(pattern=r"^(whatsapp:)?\+[1-9][0-9]{6,14}$")]
    account_sid: Sid
    webhook_url: HttpAddress
    title: str = ""


class WebChat(Setup):
    """A web chat that the page offers; it talks to the chat's address itself."""

    connection: Annotated[str, Field(min_length=1)]
    base_url: HttpAddress
    title: str = ""


class Fault(Setup):
    """What the next ``count`` sends meet.

    They wait ``delay_s``, then get ``status`` instead of being accepted: with ``code`` as Twilio's error body, else
    with a plain text. With ``accepted`` the message is taken all the same, and with ``drop``, where the answer
    breaks off.
    """

    channel: str = "twilio"
    """At which vendor: the channel's name; Twilio's channels share one."""
    count: Annotated[int, Field(ge=1, le=100_000)] = 1
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    code: int | None = None
    message: str = "a fault that was asked for"
    retry_after_s: Seconds | None = None
    delay_s: Seconds = 0
    accepted: bool = False
    drop: bool = False

    @model_validator(mode="after")
    def _code_has_a_status(self) -> Self:
        if self.code is not None and self.status is None:
            raise ValueError("code: expected a status beside it")
        return self

    @property
    def takes(self) -> bool:
        """Whether the message is taken."""
        return self.accepted or self.drop or self.status is None


class StatusPlan(Setup):
    """How the status of an accepted message goes on: so many seconds from step to step, up to ``final``.

    ``shuffled``: callbacks come in the opposite order. ``duplicated``: each comes twice.
    """

    sent_s: Seconds = 0.05
    delivered_s: Seconds = 0.15
    read_s: Seconds = 0.6
    final: Literal["queued", "sent", "delivered", "read", "undelivered", "failed"] = "read"
    error_code: int | None = None
    shuffled: bool = False
    duplicated: bool = False
