"""The events of Messenger's webhooks in the vendor's shape: of each only what is looked at.

After Meta's "Webhook Events Reference" of the Messenger Platform.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_BELOW = 10**11
"""Times are in milliseconds, but Meta's page on postbacks shows seconds; of these milliseconds 1973 had the last."""


def _moment(value: Any) -> datetime:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 10**14:
        raise ValueError("expected milliseconds since 1970")
    return _EPOCH + timedelta(milliseconds=number * 1000 if number < _SECONDS_BELOW else number)


Moment = Annotated[datetime, BeforeValidator(_moment)]
Mid = Annotated[str, Field(min_length=1, max_length=400)]
"""Id of a message."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class Party(_Part):
    id: Annotated[str, Field(min_length=1, max_length=128)] | None = None


class QuickReply(_Part):
    payload: str = ""


class ReplyTo(_Part):
    mid: Mid | None = None


class Attachment(_Part):
    """``payload`` is read by type (``content.py``); an older ``fallback`` has ``title`` and ``url`` beside it."""

    type: str
    payload: Any = None
    title: str | None = None
    url: str | None = None


class Message(_Part):
    mid: Mid
    text: str | None = None
    quick_reply: QuickReply | None = None
    reply_to: ReplyTo | None = None
    attachments: tuple[Attachment, ...] = ()
    is_echo: bool = False
    app_id: str | None = None
    metadata: str | None = None


class Postback(_Part):
    """A button, Get Started, a menu's item or an ice breaker; another app's has no payload for us."""

    mid: Mid | None = None
    title: str | None = None
    payload: str | None = None


class Reaction(_Part):
    mid: Mid
    action: str
    reaction: str | None = None
    emoji: str | None = None


class Edit(_Part):
    mid: Mid
    text: str
    num_edit: str | None = None


class Delivery(_Part):
    watermark: Moment
    mids: tuple[Mid, ...] = ()


class Read(_Part):
    watermark: Moment


class Event(_Part):
    """One item of ``messaging``."""

    sender: Party | None = None
    recipient: Party | None = None
    timestamp: Moment | None = None
    message: Message | None = None
    postback: Postback | None = None
    reaction: Reaction | None = None
    message_edit: Edit | None = None
    delivery: Delivery | None = None
    read: Read | None = None


IGNORED = frozenset(
    {
        "account_linking",
        "app_roles",
        "optin",
        "pass_thread_control",
        "policy_enforcement",
        "referral",
        "request_thread_control",
        "take_thread_control",
    }
)
"""Events in which the customer says nothing."""


def unknown_kind(raw: Mapping[str, Any]) -> str | None:
    """The name of an event that this version does not know."""
    return next((name for name in raw if name not in Event.model_fields), None)
