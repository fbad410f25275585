"""What the gateway and Signal remember: accounts, people, what went to and fro, files."""

import asyncio
import re
import secrets
from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import NAMESPACE_DNS, UUID, uuid5

from pydantic import BaseModel, Field
from starlette.websockets import WebSocket

from services.simulator.vendors import Line, checked

_PEOPLE = uuid5(NAMESPACE_DNS, "people.signal.invalid")
_PHONE = re.compile(r"\+[1-9][0-9]{5,14}")
_EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "audio/aac": ".m4a",
    "video/mp4": ".mp4",
    "text/plain": ".txt",
}
PATH_SECRET, GATEWAY_TOKEN = "path-secret", "gateway-token"


def uuid_of(who: str) -> str:
    """A person's account id: the same for all tenants, and after a restart."""
    return str(uuid5(_PEOPLE, who))


class LineSettings(BaseModel):
    """What of a connection's settings the gateway is set up with; the others are ours alone."""

    number: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
    receive: Literal["webhook", "websocket"] = "webhook"


@dataclass
class Account:
    """A business's number at the gateway. ``turn``: the gateway receives one message after the other."""

    line: Line
    number: str
    receive: Literal["webhook", "websocket"]
    sockets: set[WebSocket] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def uuid(self) -> str:
        return uuid_of(self.number)

    @property
    def token(self) -> str:
        """What the proxy before the gateway wants; '' where there is none."""
        return self.line.secrets.get(GATEWAY_TOKEN, "")

    @property
    def webhook_url(self) -> str:
        """RECEIVE_WEBHOOK_URL, with the secret in it."""
        url, secret = urlsplit(self.line.webhook_url), self.line.secrets.get(PATH_SECRET, "")
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        if secret and "secret" not in query:
            url = url._replace(query=urlencode({**query, "secret": secret}))
        return url.geturl()

    def names(self, author: str) -> bool:
        return author in (self.number, self.uuid, "self")


@dataclass
class Person:
    """A customer: ``who`` is what the control API calls them."""

    who: str
    hides_number: bool = False
    has_new_keys: bool = False
    """The safety number has changed, and nobody has trusted the new one."""
    has_left: bool = False
    name: str = ""

    @property
    def uuid(self) -> str:
        return uuid_of(self.who)

    @property
    def phone(self) -> str | None:
        return self.who if _PHONE.fullmatch(self.who) else None

    @property
    def shown_number(self) -> str | None:
        return None if self.hides_number else self.phone

    def names(self, author: str) -> bool:
        return author in (self.uuid, self.who)


@dataclass(frozen=True)
class StoredFile:
    number: str
    """Of the account that received or sent it."""
    content: bytes
    mime: str
    filename: str | None = None


@dataclass
class Memory:
    accounts: dict[str, Account] = field(default_factory=dict)
    """By number."""
    people: dict[str, Person] = field(default_factory=dict)
    """By account id."""
    texts: dict[tuple[str, str, int], str] = field(default_factory=dict)
    """Of messages either way, by our number, author and moment."""
    sent_to: dict[tuple[str, int], str] = field(default_factory=dict)
    """Who got a message of ours, by our number and its moment."""
    files: dict[str, StoredFile] = field(default_factory=dict)
    challenges: set[str] = field(default_factory=set)
    """Captchas to be solved."""
    _last_ms: int = 0

    def enter(self, line: Line) -> None:
        """Raises ValueError that says what does not fit."""
        settings = _line_settings(line)
        known = self.accounts.get(settings.number)
        if known is not None and known.line.connection != line.connection:
            raise ValueError(f"settings.number: it is the connection {known.line.connection!r}'s already")
        for number, account in list(self.accounts.items()):
            if account.line.connection == line.connection and number != settings.number:
                del self.accounts[number]
        if known is None:
            self.accounts[settings.number] = Account(line, settings.number, settings.receive)
        else:
            known.line, known.receive = line, settings.receive

    def account_of(self, line: Line) -> Account:
        return self.accounts[_line_settings(line).number]

    def person(self, who: str) -> Person:
        """A new one where they are not known yet."""
        return self.people.setdefault(uuid_of(who), Person(who))

    def recipient(self, address: str) -> Person | None:
        """Whoever that address is of: an account id that is known, or any phone number."""
        return self.person(address) if _PHONE.fullmatch(address) else self.people.get(_plain(address))

    def next_ms(self, now_ms: int) -> int:
        """A moment that no other message has."""
        self._last_ms = max(now_ms, self._last_ms + 1)
        return self._last_ms

    def store(self, file: StoredFile) -> str:
        """The id under which it can be got."""
        id_ = secrets.token_urlsafe(15) + _EXTENSIONS.get(file.mime, "")
        self.files[id_] = file
        return id_

    def forget(self) -> None:
        """Accounts and moments stay."""
        for kept in (self.people, self.texts, self.sent_to, self.files, self.challenges):
            kept.clear()


def _plain(address: str) -> str:
    try:
        return str(UUID(address))
    except ValueError:
        return ""


def _line_settings(line: Line) -> LineSettings:
    return checked(LineSettings, line.settings, "settings")
