"""What a request to the Page's messages asks for, and what Messenger finds wrong with it."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.simulator.messenger.memory import HUMAN_AGENT_WINDOW, WINDOW, Person
from services.simulator.messenger.problems import (
    DEAD_TAG,
    NO_PERMISSION,
    NOT_AVAILABLE,
    OUTSIDE_WINDOW,
    Problem,
    invalid,
)
from services.simulator.settings import HttpAddress

HUMAN_AGENT = "HUMAN_AGENT"
ACTIONS = ("typing_on", "typing_off", "mark_seen", "react", "unreact")


class _Part(BaseModel):
    """Meta refuses keys that it does not know within a message."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Recipient(_Part):
    id: Annotated[str, Field(min_length=1, max_length=64)]


class QuickReply(_Part):
    content_type: Literal["text"]
    title: Annotated[str, Field(min_length=1, max_length=20)]
    payload: Annotated[str, Field(max_length=1000)]
    image_url: HttpAddress | None = None


class AttachmentPayload(_Part):
    url: HttpAddress
    is_reusable: bool = False


class Attachment(_Part):
    type: Literal["image", "audio", "video", "file"]
    payload: AttachmentPayload


class TemplateLanguage(_Part):
    code: Annotated[str, Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$")]


class TemplateParameter(_Part):
    type: Literal["text", "POSTBACK", "URL"]
    text: str | None = None
    parameter_name: str | None = None
    payload: str | None = None
    url: str | None = None


class TemplateComponent(_Part):
    type: Literal["header", "body", "title", "buttons"]
    parameters: tuple[TemplateParameter, ...] = ()


class Template(_Part):
    name: Annotated[str, Field(min_length=1, max_length=512)]
    language: TemplateLanguage
    components: tuple[TemplateComponent, ...] = ()


class Message(_Part):
    text: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    attachment: Attachment | None = None
    template: Template | None = None
    quick_replies: Annotated[tuple[QuickReply, ...], Field(min_length=1, max_length=13)] | None = None
    metadata: Annotated[str, Field(max_length=1000)] | None = None

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if sum(part is not None for part in (self.text, self.attachment, self.template)) != 1:
            raise ValueError("expected exactly one of text, attachment and template")
        return self


class ActionPayload(_Part):
    message_id: str
    reaction: str | None = None


class Send(BaseModel):
    """The whole request; parameters that do not belong here are ignored, as the Graph API does."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    recipient: Recipient
    messaging_type: Literal["RESPONSE", "UPDATE", "MESSAGE_TAG", "UTILITY"] | None = None
    tag: str | None = None
    message: Message | None = None
    sender_action: Literal["typing_on", "typing_off", "mark_seen", "react", "unreact"] | None = None
    payload: ActionPayload | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.message is None) == (self.sender_action is None):
            raise ValueError("expected either message or sender_action, which is sent alone")
        if self.message is not None and self.messaging_type is None:
            raise ValueError("messaging_type: expected one with a message")
        return self


def read(given: Any) -> Send | Problem:
    try:
        return Send.model_validate(given)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        return invalid(f"param {'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}")


def problem_of(send: Send, person: Person, now: datetime) -> Problem | None:
    """Why a well-formed request is refused, if it is."""
    if send.sender_action in ("react", "unreact"):
        return _wrong_reaction(send, person)
    if send.message is None:
        return None
    return _wrong_type(send, person) or (NOT_AVAILABLE if person.blocks else None) or _too_late(send, person, now)


def _wrong_reaction(send: Send, person: Person) -> Problem | None:
    payload = send.payload
    if payload is None or (send.sender_action == "react" and not payload.reaction):
        return invalid("param payload: expected message_id, and with react a reaction")
    if payload.message_id not in person.mids:
        return invalid("param payload.message_id: expected a message of this conversation")
    return None


def _wrong_type(send: Send, person: Person) -> Problem | None:
    """Tags other than HUMAN_AGENT have stopped working in April 2026, within the 24 hours too."""
    if (send.tag is None) != (send.messaging_type != "MESSAGE_TAG"):
        return invalid("param tag: expected with messaging_type MESSAGE_TAG, and only with that")
    if send.tag is not None and send.tag != HUMAN_AGENT:
        return DEAD_TAG
    if send.tag == HUMAN_AGENT and not person.page.human_agent:
        return NO_PERMISSION
    template = send.message is not None and send.message.template is not None
    if template != (send.messaging_type == "UTILITY"):
        return invalid("param message.template: expected with messaging_type UTILITY, and only with that")
    return None


def _too_late(send: Send, person: Person, now: datetime) -> Problem | None:
    if send.messaging_type == "UTILITY":
        return None
    window = HUMAN_AGENT_WINDOW if send.tag == HUMAN_AGENT else WINDOW
    return None if person.acted_within(window, now) else OUTSIDE_WINDOW
