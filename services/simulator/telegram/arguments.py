"""What the methods of the Bot API take, after its page "Available methods"; what is not named there is ignored."""

from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _from_text(value: Any) -> Any:
    """In a form or an address, objects stand as JSON."""
    return orjson.loads(value) if isinstance(value, str) else value


AsJson = BeforeValidator(_from_text)


class Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Key(Arguments):
    text: str
    callback_data: str | None = None
    url: str | None = None


class Keyboard(Arguments):
    inline_keyboard: tuple[tuple[Key, ...], ...]

    @property
    def keys(self) -> tuple[Key, ...]:
        return tuple(key for row in self.inline_keyboard for key in row)


class ReplyParameters(Arguments):
    message_id: int
    allow_sending_without_reply: bool = False


class Reaction(Arguments):
    type: str
    emoji: str = ""


class ToChat(Arguments):
    chat_id: int | str = ""


class Send(ToChat):
    """What all methods that send a message take."""

    reply_parameters: Annotated[ReplyParameters | None, AsJson] = None
    reply_markup: Annotated[Keyboard | None, AsJson] = None


class SendMessage(Send):
    text: str = ""


class SendMedia(Send):
    """One of the fields, by the method's name: the file's address, or an id that Telegram gave it."""

    photo: str = ""
    audio: str = ""
    voice: str = ""
    video: str = ""
    document: str = ""
    sticker: str = ""
    caption: str = ""


class SendLocation(Send):
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]


class SendVenue(SendLocation):
    title: str = ""
    address: str = ""


class SendContact(Send):
    phone_number: str = ""
    first_name: str = ""
    last_name: str = ""
    vcard: str = ""


class OnMessage(ToChat):
    message_id: int


class EditMessageText(OnMessage):
    text: str = ""
    reply_markup: Annotated[Keyboard | None, AsJson] = None


class SetMessageReaction(OnMessage):
    reaction: Annotated[tuple[Reaction, ...], AsJson] = ()


class SendChatAction(ToChat):
    action: str = ""


class AnswerCallbackQuery(Arguments):
    callback_query_id: str = ""
    text: str = ""


class GetFile(Arguments):
    file_id: str = ""


class SetWebhook(Arguments):
    url: str = ""
    secret_token: str = ""
    max_connections: Annotated[int, Field(ge=1, le=100)] = 40
    allowed_updates: Annotated[tuple[str, ...] | None, AsJson] = None
    drop_pending_updates: bool = False
