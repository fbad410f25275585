"""The methods of the Bot API, as far as they are here: what each does, and what it answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any, TypeVar

from pydantic import ValidationError

from services.simulator.ledger import Kind
from services.simulator.state import State
from services.simulator.telegram.arguments import (
    AnswerCallbackQuery,
    Arguments,
    EditMessageText,
    GetFile,
    OnMessage,
    Send,
    SendChatAction,
    SetMessageReaction,
    SetWebhook,
    ToChat,
)
from services.simulator.telegram.bots import Bot, Chat, Kept
from services.simulator.telegram.files import get_file
from services.simulator.telegram.links import check_link
from services.simulator.telegram.problems import (
    BLOCKED,
    GETTING_UPDATES,
    NO_METHOD,
    Refused,
    bad,
    flood,
    unreadable,
)
from services.simulator.telegram.reactions import EMOJI
from services.simulator.telegram.sending import (
    SENDING,
    check_keyboard,
    check_text,
    facts_of,
    markup_of,
    sender_of,
)
from services.simulator.telegram.webhook import set_webhook, webhook_info
from services.simulator.vendors import facts

DELETABLE_FOR = timedelta(hours=48)
CHANGING = frozenset({*SENDING, "editmessagetext", "deletemessage", "setmessagereaction"})
"""Methods of which the customer sees something: the sends that faults are met by."""
ACTIONS = frozenset(
    {
        "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice", "upload_document",
        "choose_sticker", "find_location", "record_video_note", "upload_video_note",
    }
)  # fmt: skip
_Read = TypeVar("_Read", bound=Arguments)


@dataclass(frozen=True)
class Methods:
    state: State

    async def run(self, bot: Bot, name: str, arguments: Mapping[str, Any]) -> Any:
        """The method's result. Raises Refused; of what a customer was to see, that goes into the ledger as well."""
        method = name.lower()
        try:
            return await self._run(bot, method, arguments)
        except Refused as refused:
            if method in CHANGING:
                self._note_refusal(bot, arguments, refused)
            raise

    async def _run(self, bot: Bot, method: str, arguments: Mapping[str, Any]) -> Any:
        if method in SENDING:
            return await self._send(bot, method, arguments)
        known = self._others()
        if method not in known:
            raise Refused(NO_METHOD)
        model, do = known[method]
        result = do(bot, _read(model, arguments))
        return await result if isinstance(result, Awaitable) else result

    def _others(self) -> Mapping[str, tuple[type[Arguments], Callable[[Bot, Any], Any]]]:
        """The methods that send no message, by name in lower case: Telegram minds no case."""
        return {
            "editmessagetext": (EditMessageText, self._edit),
            "deletemessage": (OnMessage, self._delete),
            "setmessagereaction": (SetMessageReaction, self._react),
            "sendchataction": (SendChatAction, self._act),
            "answercallbackquery": (AnswerCallbackQuery, self._answer_query),
            "setwebhook": (SetWebhook, set_webhook),
            "deletewebhook": (Arguments, lambda bot, _: set_webhook(bot, SetWebhook())),
            "getwebhookinfo": (Arguments, webhook_info),
            "getme": (Arguments, lambda bot, _: bot.user),
            "getupdates": (Arguments, _get_updates),
            "getfile": (GetFile, self._get_file),
        }

    async def _send(self, bot: Bot, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        model, content_of = SENDING[method]
        asked = _read(model, arguments)
        chat = self._chat(bot, asked)
        content = content_of(asked)
        check_keyboard(asked.reply_markup)
        quoted = _quoted(chat, asked)
        field = method.removeprefix("send")
        if hasattr(asked, field) and field in content and field != "text":
            await check_link(self.state.http, field, getattr(asked, field))
        wait_s = chat.wait_s(self.state.now())
        if wait_s:
            raise flood(ceil(wait_s))
        return self._sent(bot, chat, content | markup_of(asked.reply_markup) | quoted)

    def _sent(self, bot: Bot, chat: Chat, content: dict[str, Any]) -> dict[str, Any]:
        number = bot.next_number()
        about = {"message_id": number, "chat": {"id": chat.id, "type": "private"}, "date": self._seconds()}
        shown = about | sender_of(bot) | content
        chat.messages[number] = Kept(shown, theirs=False)
        self._note(bot, chat, number, facts_of(shown, chat.id))
        return shown

    def _edit(self, bot: Bot, asked: EditMessageText) -> dict[str, Any]:
        chat = self._chat(bot, asked)
        kept = chat.messages.get(asked.message_id)
        if kept is None:
            raise bad("message to edit not found")
        check_text(asked.text)
        check_keyboard(asked.reply_markup)
        if kept.theirs:
            raise bad("message can't be edited")
        if "text" not in kept.shown:
            raise bad("there is no text in the message to edit")
        plain = {name: value for name, value in kept.shown.items() if name not in ("reply_markup", "edit_date")}
        changed = plain | {"text": asked.text} | markup_of(asked.reply_markup)
        if changed == {name: value for name, value in kept.shown.items() if name != "edit_date"}:
            raise bad(
                "message is not modified: specified new message content and reply markup are exactly the same as a "
                "current content and reply markup of the message"
            )
        kept.shown = changed | {"edit_date": self._seconds()}
        target = f"{chat.id}:{kept.id}"
        self._note(bot, chat, kept.id, facts_of(kept.shown, chat.id), edit={"target": target, "text": asked.text})
        return kept.shown

    def _delete(self, bot: Bot, asked: OnMessage) -> bool:
        chat = self._chat(bot, asked)
        kept = chat.messages.get(asked.message_id)
        if kept is None:
            raise bad("message to delete not found")
        if self._seconds() - kept.shown["date"] > DELETABLE_FOR.total_seconds():
            raise bad("message can't be deleted for everyone")
        del chat.messages[kept.id]
        self._note(bot, chat, kept.id, {}, delete=f"{chat.id}:{kept.id}")
        return True

    def _react(self, bot: Bot, asked: SetMessageReaction) -> bool:
        chat = self._chat(bot, asked)
        if asked.message_id not in chat.messages:
            raise bad("message to react not found")
        if len(asked.reaction) > 1:
            raise bad("REACTIONS_TOO_MANY")
        emoji = asked.reaction[0].emoji if asked.reaction else None
        if emoji is not None and emoji not in EMOJI:
            raise bad("REACTION_INVALID")
        reaction = {"target": f"{chat.id}:{asked.message_id}", "emoji": emoji}
        self._note(bot, chat, bot.next_number(), {}, reaction=reaction)
        return True

    def _act(self, bot: Bot, asked: SendChatAction) -> bool:
        chat = self._chat(bot, asked)
        if asked.action not in ACTIONS:
            raise bad("wrong parameter action in request")
        self._note(bot, chat, bot.next_number(), {"seen": False}, typing=True)
        return True

    def _answer_query(self, bot: Bot, asked: AnswerCallbackQuery) -> bool:
        customer = bot.queries.pop(asked.callback_query_id, None)
        if customer is None:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        line = bot.line
        about = {"channel": line.channel, "line": line.connection, "answered": asked.callback_query_id}
        self.state.ledger.add(Kind.CALLBACK, customer, **about)
        return True

    async def _get_file(self, bot: Bot, asked: GetFile) -> dict[str, Any]:
        return await get_file(self.state, bot, asked)

    def _chat(self, bot: Bot, asked: ToChat) -> Chat:
        """A bot cannot write first, and not to somebody who has blocked it."""
        if asked.chat_id == "":
            raise bad("chat_id is empty")
        chat = bot.chats.get(_number(asked.chat_id))
        if chat is None and self.state.strangers_wrote and _number(asked.chat_id) > 0:
            chat = bot.chats[_number(asked.chat_id)] = Chat(_number(asked.chat_id), str(asked.chat_id))
        if chat is None:
            raise bad("chat not found")
        if chat.blocked:
            raise Refused(BLOCKED)
        return chat

    def _note(self, bot: Bot, chat: Chat, number: int, what: dict[str, Any], **more: Any) -> None:
        self.state.ledger.add(Kind.OUTBOUND, chat.customer, **facts(bot.line, f"{chat.id}:{number}", **what, **more))

    def _note_refusal(self, bot: Bot, arguments: Mapping[str, Any], refused: Refused) -> None:
        to = arguments.get("chat_id", "")
        chat = bot.chats.get(_number(to))
        problem = refused.problem
        what = facts(bot.line, "", code=problem.status, reason=problem.description)
        self.state.ledger.add(Kind.REFUSED, chat.customer if chat else str(to) or "nobody", **what)

    def _seconds(self) -> int:
        return int(self.state.now().timestamp())


def _read(model: type[_Read], arguments: Mapping[str, Any]) -> _Read:
    try:
        return model.model_validate(arguments)
    except ValidationError as invalid:
        raise unreadable(invalid) from None


def _number(chat_id: Any) -> int:
    text = str(chat_id)
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < 20 else 0


def _quoted(chat: Chat, asked: Send) -> dict[str, Any]:
    wanted = asked.reply_parameters
    if wanted is None:
        return {}
    kept = chat.messages.get(wanted.message_id)
    if kept is None and not wanted.allow_sending_without_reply:
        raise bad("message to be replied not found")
    return {"reply_to_message": kept.quoted} if kept else {}


def _get_updates(bot: Bot, _: Arguments) -> list[Any]:
    if bot.webhook.url:
        raise Refused(GETTING_UPDATES)
    return []
