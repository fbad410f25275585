"""The bots, their conversations, and what Telegram keeps of them."""

import asyncio
import re
import time
import zlib
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.simulator.posted import Posted
from services.simulator.vendors import Line

BOT_TOKEN, SECRET_TOKEN = "bot-token", "secret-token"
ALL_UPDATES = ("message", "edited_message", "callback_query", "message_reaction", "my_chat_member")
UNLESS_ASKED = frozenset({"message_reaction"})
"""Kinds of updates that come only if ``allowed_updates`` names them."""
BURST, REFILL_S = 30, 1.0
"""So many messages go to a chat at once, then one in so many seconds."""
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")


@dataclass
class Kept:
    """A message of a chat as Telegram shows it; ``theirs``: the customer wrote it."""

    shown: dict[str, Any]
    theirs: bool
    reaction: str | None = None
    """The customer's."""

    @property
    def id(self) -> int:
        return self.shown["message_id"]

    @property
    def quoted(self) -> dict[str, Any]:
        """As it stands in an answer to it: without what it answers itself."""
        return {name: value for name, value in self.shown.items() if name != "reply_to_message"}

    def title_of(self, data: str) -> str | None:
        """What stands on the button with that data."""
        rows = self.shown.get("reply_markup", {}).get("inline_keyboard", [])
        return next((key["text"] for row in rows for key in row if key.get("callback_data") == data), None)


@dataclass
class Pending:
    """An update that is to be posted. ``answered``: how its first try went."""

    name: str
    update: dict[str, Any]
    since: datetime
    answered: asyncio.Future[Posted]
    tries: int = 0
    gap_s: float = 1.0


@dataclass
class Chat:
    """A person's conversation with a bot, from when that person first wrote."""

    id: int
    customer: str
    messages: dict[int, Kept] = field(default_factory=dict)
    blocked: bool = False
    waiting: deque[Pending] = field(default_factory=deque)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    room: float = BURST
    room_at: datetime | None = None

    def drop_waiting(self, why: str, keep: int = 0) -> None:
        """Nobody waits for those updates any more; the first ``keep`` stay."""
        while len(self.waiting) > keep:
            update = self.waiting.pop()
            if not update.answered.done():
                update.answered.set_result(Posted(None, update.tries, 0, why))

    def wait_s(self, now: datetime) -> float:
        """Seconds until a message more is taken; 0: now, and it counts."""
        past = (now - self.room_at).total_seconds() if self.room_at else 0.0
        self.room, self.room_at = min(BURST, self.room + max(past, 0) / REFILL_S), now
        if self.room < 1:
            return (1 - self.room) * REFILL_S
        self.room -= 1
        return 0


@dataclass
class Webhook:
    url: str
    secret: str
    allowed: tuple[str, ...] | None = ALL_UPDATES
    max_connections: int = 40
    last_error: str = ""
    last_error_at: datetime | None = None

    def wants(self, kind: str) -> bool:
        return kind not in UNLESS_ASKED if self.allowed is None else kind in self.allowed


@dataclass
class File:
    """A customer's file: where it is, and since when it can be downloaded under its path."""

    url: str
    path: str
    content: bytes = b""
    offered: datetime | None = None


@dataclass
class Bot:
    line: Line
    token: str
    webhook: Webhook
    chats: dict[int, Chat] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    """By the id that Telegram gave each."""
    queries: dict[str, str] = field(default_factory=dict)
    """Presses on buttons that wait for their answer: whose each is."""
    repeats: dict[str, Any] = field(default_factory=dict)
    """What a customer did, by name, to do the very same again."""
    _count: int = field(default_factory=lambda: int((time.time() - 1_700_000_000) * 10))

    @property
    def id(self) -> int:
        digits = self.token.partition(":")[0]
        return int(digits[:18]) if digits.isascii() and digits.isdigit() else zlib.crc32(self.token.encode())

    @property
    def user(self) -> dict[str, Any]:
        name = self.line.title or self.line.connection
        return {"id": self.id, "is_bot": True, "first_name": name, "username": self.username}

    @property
    def username(self) -> str:
        return self.line.settings.get("username") or re.sub(r"\W", "_", self.line.connection) + "_bot"

    def next_number(self) -> int:
        """Of a message or update: never the same again, also after a restart, for whoever gets it remembers it."""
        self._count += 1
        return self._count

    def forget(self) -> None:
        for chat in self.chats.values():
            chat.gone.set()
        for kept in (self.chats, self.files, self.queries, self.repeats):
            kept.clear()


def bot_of(line: Line) -> Bot:
    """A bot as the connection has it. Raises ValueError that names what does not fit."""
    token, secret = line.secrets.get(BOT_TOKEN, ""), line.secrets.get(SECRET_TOKEN, "")
    if not token or re.search(r"[/\s]", token):
        raise ValueError(f"secrets.{BOT_TOKEN}: expected a bot's token, as in 6000001:AAExample")
    if not _SECRET.fullmatch(secret):
        raise ValueError(f"secrets.{SECRET_TOKEN}: expected 1 to 256 characters of A-Z, a-z, 0-9, _ and -")
    return Bot(line, token, Webhook(line.webhook_url, secret))


def person_id(customer: str) -> int:
    """Telegram's number of a customer: the digits of a number, else one that is made of the name."""
    digits = customer.removeprefix("+")
    return int(digits) if digits.isdecimal() and len(digits) <= 15 else 5_000_000_000 + zlib.crc32(customer.encode())
