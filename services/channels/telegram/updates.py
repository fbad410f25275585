"""What Telegram posts, as far as it is read here: the objects of the Bot API (its page "Available types").

Fields that are not named are ignored, except in a message: there the first one left over says what kind it is.
"""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Seconds = Annotated[int, Field(ge=0, lt=2**35)]
"""Unix time."""

ABOUT = frozenset(
    {
        "message_thread_id", "direct_messages_topic", "sender_chat", "sender_boost_count", "sender_business_bot",
        "sender_tag", "business_connection_id", "forward_origin", "forward_from", "forward_from_chat",
        "forward_from_message_id", "forward_signature", "forward_sender_name", "forward_date", "is_topic_message",
        "is_automatic_forward", "external_reply", "quote", "reply_to_story", "reply_to_checklist_task_id", "via_bot",
        "has_protected_content", "is_from_offline", "is_paid_post", "media_group_id", "author_signature",
        "paid_star_count", "entities", "caption_entities", "link_preview_options", "suggested_post_info", "effect_id",
        "show_caption_above_media", "has_media_spoiler",
    }
)  # fmt: skip
"""What tells something about a message and is not what it says."""
SERVICE = frozenset(
    {
        "pinned_message", "message_auto_delete_timer_changed", "write_access_allowed", "connected_website",
        "proximity_alert_triggered", "chat_background_set", "forum_topic_created", "forum_topic_edited",
        "forum_topic_closed", "forum_topic_reopened", "boost_added", "giveaway_created", "video_chat_scheduled",
        "video_chat_started", "video_chat_ended", "video_chat_participants_invited", "new_chat_title",
        "new_chat_photo", "delete_chat_photo",
    }
)  # fmt: skip
"""What Telegram writes into a chat by itself; nobody said it."""


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class User(Part):
    id: Number
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    language_code: str | None = None

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.first_name.strip(), self.last_name.strip())))


class Chat(Part):
    id: Number
    type: str

    @property
    def private(self) -> bool:
        """With one person; groups and channels are no customers."""
        return self.type == "private"


class File(Part):
    """A photo's size, voice, audio, video, video note, animation or document."""

    file_id: Annotated[str, Field(min_length=1, max_length=512)]
    file_name: str | None = None
    mime_type: str | None = None
    file_size: Annotated[int, Field(ge=0, lt=2**63)] | None = None


class Sticker(File):
    emoji: str | None = None
    is_animated: bool = False
    is_video: bool = False


class Location(Part):
    latitude: float
    longitude: float


class Venue(Part):
    location: Location
    title: str
    address: str


class SharedContact(Part):
    phone_number: str
    first_name: str = ""
    last_name: str = ""


class Key(Part):
    """A button of an inline keyboard."""

    text: str = ""
    callback_data: str | None = None


class Keyboard(Part):
    inline_keyboard: tuple[tuple[Key, ...], ...] = ()

    def title(self, data: str) -> str | None:
        """What stands on the button with that data."""
        keys = (key for row in self.inline_keyboard for key in row)
        return next((key.text for key in keys if key.callback_data == data), None)


class Quoted(Part):
    message_id: Number


class Message(BaseModel):
    """What was said, in the first of its fields that is there; the others are about it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    message_id: Number
    date: Seconds
    chat: Chat
    sender: User | None = Field(default=None, alias="from")
    edit_date: Seconds | None = None
    reply_to_message: Quoted | None = None
    reply_markup: Keyboard | None = None
    text: str | None = None
    caption: str | None = None
    photo: tuple[File, ...] = ()
    voice: File | None = None
    audio: File | None = None
    video: File | None = None
    video_note: File | None = None
    animation: File | None = None
    document: File | None = None
    sticker: Sticker | None = None
    venue: Venue | None = None
    location: Location | None = None
    contact: SharedContact | None = None

    @property
    def kind(self) -> str:
        """The vendor's word for what is not read here."""
        return next((name for name in self.model_extra or {} if name not in ABOUT), "message")


class ButtonMessage(Part):
    """The message that the pressed button stands under; of an old one only its number is left."""

    message_id: Number
    chat: Chat
    reply_markup: Keyboard | None = None


class CallbackQuery(Part):
    """A press on a button of an inline keyboard."""

    id: Annotated[str, Field(min_length=1, max_length=256)]
    sender: User = Field(alias="from")
    message: ButtonMessage | None = None
    data: str | None = None


class ReactionType(Part):
    type: str
    emoji: str | None = None


class MessageReaction(Part):
    chat: Chat
    message_id: Number
    user: User | None = None
    date: Seconds
    new_reaction: tuple[ReactionType, ...]


class Member(Part):
    status: str


class MyChatMember(Part):
    """In a private chat: the person blocked the bot (``kicked``) or unblocked it (``member``)."""

    chat: Chat
    sender: User = Field(alias="from")
    date: Seconds
    new_chat_member: Member


class Envelope(Part):
    """As much as must be readable for an update to be one at all."""

    update_id: Annotated[int, Field(ge=0, lt=2**63)]


class Update(Envelope):
    """One thing that happened; exactly one of the fields is there."""

    message: Message | None = None
    edited_message: Message | None = None
    callback_query: CallbackQuery | None = None
    message_reaction: MessageReaction | None = None
    my_chat_member: MyChatMember | None = None


def moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
