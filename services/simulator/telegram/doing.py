"""What a customer does, as the update that Telegram posts of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.simulator.telegram.bots import Bot, Chat, File, Kept
from services.simulator.vendors import PressedChoice, Said, SentEdit, SentLocation, SentMedia, SentReaction

EXTRAS = frozenset({"block", "language", "message"})


@dataclass(frozen=True)
class Event:
    """An update with the name that our webhook is expected to know it by, and what the ledger is to have of it."""

    name: str
    kind: str
    update: dict[str, Any]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Customer:
    """One person at one bot, at one moment."""

    bot: Bot
    chat: Chat
    said: Said
    now: datetime

    def events(self) -> Iterator[Event]:
        """What the person did, one update for each thing. Raises ValueError for what Telegram does not have."""
        self._refuse()
        if "block" in self.said.extra:
            yield self._membership(bool(self.said.extra["block"]))
        if self.said.choice:
            yield self._press(self.said.choice)
        if self.said.reaction:
            yield self._react(self.said.reaction)
        if self.said.edit:
            yield self._edit(self.said.edit)
        yield from self._messages()

    def _refuse(self) -> None:
        said = self.said
        strange = set(said.extra) - EXTRAS
        if strange:
            raise ValueError(f"extra.{min(strange)}: expected one of {', '.join(sorted(EXTRAS))}")
        if said.digits is not None or said.hang_up:
            raise ValueError("digits, hang_up: Telegram is no telephone here")
        if said.delete is not None:
            raise ValueError("delete: Telegram tells a bot nothing of messages that a person deletes")
        if self.chat.blocked and "block" not in said.extra:
            raise ValueError('extra: the customer has blocked the bot; {"block": false} takes that back')
        if not (said.model_fields_set - {"name", "reply_to", "message_id"}):
            raise ValueError("expected one of text, choice, location, media, reaction, edit and extra")

    @property
    def person(self) -> dict[str, Any]:
        first, _, last = (self.said.name or self.chat.customer).partition(" ")
        return {"id": self.chat.id, "first_name": first} | ({"last_name": last} if last else {})

    @property
    def sender(self) -> dict[str, Any]:
        return self.person | {"is_bot": False, "language_code": self.said.extra.get("language", "en")}

    @property
    def place(self) -> dict[str, Any]:
        return self.person | {"type": "private"}

    def _event(self, kind: str, what: dict[str, Any], name: str = "", **facts: Any) -> Event:
        number = self.bot.next_number()
        return Event(name or f"update:{number}", kind, {"update_id": number, kind: what}, facts)

    def _messages(self) -> Iterator[Event]:
        said = self.said
        if said.location:
            yield self._message(_location(said.location), place=said.location.model_dump())
        for number, media in enumerate(said.media):
            caption = {"caption": said.text} if number == 0 and said.text else {}
            group = {"media_group_id": str(self.bot.next_number())} if len(said.media) > 1 else {}
            yield self._message(self._media(media) | caption | group, text=said.text or "", **_shown(media))
        if said.text is not None and not said.media:
            yield self._message(_text(said.text), text=said.text)
        if "message" in said.extra:
            content = dict(said.extra["message"])
            yield self._message(content, text=", ".join(content))

    def _message(self, content: dict[str, Any], **facts: Any) -> Event:
        number = self.bot.next_number()
        about = {"message_id": number, "from": self.sender, "chat": self.place, "date": int(self.now.timestamp())}
        quoted = self._kept(self.said.reply_to, "reply_to").quoted if self.said.reply_to else None
        shown = about | content | ({"reply_to_message": quoted} if quoted else {})
        self.chat.messages[number] = Kept(shown, theirs=True)
        return self._event("message", shown, f"{self.chat.id}:{number}", **facts)

    def _media(self, media: SentMedia) -> dict[str, Any]:
        kind, mime = _kind_of(media), media.content_type.partition(";")[0].strip()
        file_id = f"AgAC{self.bot.next_number():016d}"
        ending = (media.filename or media.url).rpartition(".")[2]
        path = f"{kind}s/file_{self.bot.next_number()}.{ending if ending.isalnum() and len(ending) < 6 else 'bin'}"
        self.bot.files[file_id] = File(media.url, path)
        piece = {"file_id": file_id, "file_unique_id": file_id[-12:]}
        if kind == "photo":
            small = {"file_id": f"{file_id}s", "file_unique_id": f"{file_id[-11:]}s", "width": 90, "height": 67}
            return {"photo": [small, piece | {"width": 1280, "height": 960}]}
        if kind == "sticker":
            about = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
            return {"sticker": piece | about}
        named = {"file_name": media.filename} if media.filename and kind != "voice" else {}
        length = {} if kind == "document" else {"duration": 1}
        return {kind: piece | {"mime_type": mime} | named | length}

    def _press(self, choice: PressedChoice) -> Event:
        """A press on the newest button of that id that the bot has offered."""
        kept = (message for message in reversed(self.chat.messages.values()) if not message.theirs)
        offered = next((message for message in kept if message.title_of(choice.id) is not None), None)
        if offered is None:
            raise ValueError("choice.id: the bot has offered no button of that id")
        query = str(self.bot.next_number())
        self.bot.queries[query] = self.chat.customer
        what = {
            "id": query,
            "from": self.sender,
            "message": offered.shown,
            "chat_instance": str(self.chat.id),
            "data": choice.id,
        }
        return self._event("callback_query", what, text=offered.title_of(choice.id), query=query)

    def _react(self, reaction: SentReaction) -> Event:
        target = self._kept(reaction.target, "reaction.target")
        old, target.reaction = target.reaction, reaction.emoji
        what = {
            "chat": self.place,
            "message_id": target.id,
            "user": self.sender,
            "date": int(self.now.timestamp()),
            "old_reaction": _reactions(old),
            "new_reaction": _reactions(reaction.emoji),
        }
        return self._event("message_reaction", what, reaction=reaction.model_dump())

    def _edit(self, edit: SentEdit) -> Event:
        target = self._kept(edit.target, "edit.target")
        field = next((name for name in ("text", "caption") if name in target.shown), None)
        if not target.theirs or field is None:
            raise ValueError("edit.target: expected a message of the customer's own that has text")
        target.shown = target.shown | {field: edit.text, "edit_date": int(self.now.timestamp())}
        return self._event("edited_message", target.shown, edit=edit.model_dump())

    def _membership(self, block: bool) -> Event:
        self.chat.blocked = block
        old, new = ("member", "kicked") if block else ("kicked", "member")
        what = {
            "chat": self.place,
            "from": self.sender,
            "date": int(self.now.timestamp()),
            "old_chat_member": {"user": self.bot.user, "status": old},
            "new_chat_member": {"user": self.bot.user, "status": new} | ({"until_date": 0} if block else {}),
        }
        return self._event(
            "my_chat_member", what, by="Telegram", text="blocked the bot" if block else "unblocked the bot"
        )

    def _kept(self, reference: str, field: str) -> Kept:
        """A message of this chat, by ``<chat>:<message id>`` or by the latter alone."""
        number = reference.removeprefix(f"{self.chat.id}:")
        found = self.chat.messages.get(int(number)) if number.isdecimal() and len(number) < 20 else None
        if found is None:
            raise ValueError(f"{field}: there is no such message in this chat")
        return found


def _reactions(emoji: str | None) -> list[dict[str, str]]:
    return [{"type": "emoji", "emoji": emoji}] if emoji else []


def _text(text: str) -> dict[str, Any]:
    command = text.split(maxsplit=1)[0] if text.startswith("/") and text.strip("/ ") else ""
    if not command:
        return {"text": text}
    return {"text": text, "entities": [{"offset": 0, "length": len(command), "type": "bot_command"}]}


def _location(place: SentLocation) -> dict[str, Any]:
    at = {"latitude": place.latitude, "longitude": place.longitude}
    if not (place.label or place.address):
        return {"location": at}
    return {"location": at, "venue": {"location": at, "title": place.label, "address": place.address}}


def _kind_of(media: SentMedia) -> str:
    mime = media.content_type.lower()
    if mime.startswith("image/webp"):
        return "sticker"
    if mime.startswith(("image/jpeg", "image/png")):
        return "photo"
    if media.voice or mime.startswith("audio/ogg"):
        return "voice"
    return next((kind for kind in ("audio", "video") if mime.startswith(f"{kind}/")), "document")


def _shown(media: SentMedia) -> dict[str, Any]:
    picture = media.content_type.lower().startswith("image/")
    return {"pictures": [media.url]} if picture else {"files": [media.url]}
