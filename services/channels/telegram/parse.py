"""Telegram's updates in the common format."""

from dataclasses import dataclass
from datetime import datetime

import orjson
from pydantic import ValidationError

from m2n.adapters.channel import Acknowledgement, MalformedWebhook, Parsed, UnreadablePart, WebhookRequest, explained
from m2n.message import (
    Address,
    ChoiceContent,
    ConsentWord,
    Content,
    EditContent,
    Hop,
    Identity,
    Inbound,
    ReactionContent,
    UnsupportedContent,
)
from services.channels.telegram.content import content_of
from services.channels.telegram.references import Reference, update_name
from services.channels.telegram.updates import (
    SERVICE,
    CallbackQuery,
    Chat,
    Envelope,
    Message,
    MessageReaction,
    MyChatMember,
    Update,
    User,
    moment,
)

CHANNEL = "telegram"
MAX_NAME, MAX_LANGUAGE = 512, 35
_CONSENT = {"kicked": ConsentWord.STOP, "member": ConsentWord.START}
"""A bot that was blocked cannot write; Telegram tells when it was, and when it is allowed to again."""


def parse(request: WebhookRequest, tenant: str, connection: str, received_at: datetime) -> Parsed:
    """One update. Raises MalformedWebhook when it is none at all.

    An update that is one and yet cannot be read is ``unreadable``, for Telegram would hold back the chat's later
    updates until this one is taken or a day old.
    """
    name = update_name(_number(request.body))
    try:
        update = Update.model_validate_json(request.body)
        event = _event(update, name)
        if event is None or not _is_a_persons(event):
            return Parsed(answer=_answer(update))
        message = _inbound(event, tenant, connection, received_at, name)
    except ValidationError as invalid:
        return Parsed(unreadable=(UnreadablePart(request.body, explained(invalid)),))
    return Parsed(messages=(message,), answer=_answer(update))


def _number(body: bytes) -> int:
    try:
        return Envelope.model_validate_json(body).update_id
    except ValidationError as invalid:
        raise MalformedWebhook(explained(invalid)) from None


@dataclass(frozen=True)
class _Event:
    """What a customer did. ``name`` is how it is named, where not by its update."""

    chat: Chat
    sender: User | None
    content: Content
    seconds: int | None
    name: str | None = None
    reply_to: str | None = None
    consent: ConsentWord | None = None


def _event(update: Update, name: str) -> _Event | None:
    """None of groups, channels, and kinds of updates that are no business of a conversation's."""
    if update.message is not None:
        return _said(update.message)
    if update.edited_message is not None:
        return _edited(update.edited_message)
    if update.callback_query is not None:
        return _pressed(update.callback_query)
    if update.message_reaction is not None:
        return _reacted(update.message_reaction)
    if update.my_chat_member is not None:
        return _blocked(update.my_chat_member, name)
    return None


def _said(message: Message) -> _Event | None:
    name, quoted = str(Reference(message.chat.id, message.message_id)), message.reply_to_message
    content = content_of(message, name)
    if isinstance(content, UnsupportedContent) and not SERVICE.isdisjoint(message.model_extra or {}):
        return None
    reply_to = str(Reference(message.chat.id, quoted.message_id)) if quoted else None
    return _Event(message.chat, message.sender, content, message.date, name, reply_to)


def _edited(message: Message) -> _Event | None:
    """Words only: of a live location that moves nobody is told."""
    text = message.text if message.text is not None else message.caption
    if text is None:
        return None
    content = EditContent(target=str(Reference(message.chat.id, message.message_id)), text=text)
    return _Event(message.chat, message.sender, content, message.edit_date or message.date)


def _pressed(query: CallbackQuery) -> _Event | None:
    """A button without data, and one of a message that was sent through somebody else's chat, are no choices."""
    shown = query.message
    if shown is None or query.data is None:
        return None
    title = shown.reply_markup.title(query.data) if shown.reply_markup else None
    content = ChoiceContent(id=query.data, title=title or query.data)
    under = str(Reference(shown.chat.id, shown.message_id))
    return _Event(shown.chat, query.sender, content, None, reply_to=under)


def _reacted(reaction: MessageReaction) -> _Event:
    """The newest of the customer's reactions; of those with a picture of their own only the type is known."""
    newest = reaction.new_reaction[-1] if reaction.new_reaction else None
    target = str(Reference(reaction.chat.id, reaction.message_id))
    content = ReactionContent(target=target, emoji=(newest.emoji or newest.type) if newest else None)
    return _Event(reaction.chat, reaction.user, content, reaction.date)


def _blocked(change: MyChatMember, name: str) -> _Event | None:
    """The customer blocked the bot, or took it back: as good as STOP and START."""
    consent = _CONSENT.get(change.new_chat_member.status)
    content = UnsupportedContent(vendor_type="my_chat_member", raw_ref=name)
    return _Event(change.chat, change.sender, content, change.date, consent=consent) if consent else None


def _is_a_persons(event: _Event) -> bool:
    return event.chat.private and not (event.sender and event.sender.is_bot)


def _inbound(event: _Event, tenant: str, connection: str, received_at: datetime, update: str) -> Inbound:
    sender = event.sender or User(id=event.chat.id)
    return Inbound(
        tenant=tenant,
        address=Address(connection=connection, channel=CHANNEL, to=str(event.chat.id)),
        vendor_message_id=event.name or update,
        identities=(Identity(scheme="telegram_id", value=str(sender.id)),),
        content=event.content,
        received_at=received_at,
        vendor_time=moment(event.seconds),
        display_name=sender.name[:MAX_NAME] or None,
        language=(sender.language_code or "")[:MAX_LANGUAGE] or None,
        reply_to=event.reply_to,
        consent=event.consent,
        consent_answered=True if event.consent else None,
        trail=(Hop(service="webhooks", did="received", at=received_at),),
    )


def _answer(update: Update) -> Acknowledgement | None:
    """A button waits until its press is answered, whatever becomes of it."""
    query = update.callback_query
    return _method("answerCallbackQuery", callback_query_id=query.id) if query else None


def _method(name: str, **arguments: str) -> Acknowledgement:
    """A call of the Bot API that stands in the webhook's answer instead of being made."""
    return Acknowledgement(orjson.dumps({"method": name, **arguments}).decode(), "application/json")
