"""From a connection's id to all that the chat's routes need of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from m2n.tenant import Connection
from services.channels.webchat.attachments import Owner
from services.channels.webchat.inbox import VisitorKey
from services.channels.webchat.parse import CHANNEL
from services.channels.webchat.settings import WebChatSettings
from services.channels.webchat.tokens import SIGNING_KEY, Visitor, check, issue
from services.channels.webchat.users import IDENTITY_KEY


@dataclass(frozen=True)
class Resolved:
    """A connection with its tenant's id and its secrets' values."""

    tenant: str
    connection: Connection
    secrets: Mapping[str, str] = field(repr=False)


Lookup = Callable[[str], Awaitable[Resolved]]
"""Raises LookupError for an id that is no connection's."""


@dataclass(frozen=True)
class Chat:
    """One tenant's web chat."""

    tenant: str
    connection: str
    settings: WebChatSettings
    key: str = field(repr=False)
    identity_key: str = field(default="", repr=False)
    """Empty: nobody can prove to be a user of the site."""

    def token(self, visitor: str, user: str | None, now: datetime) -> tuple[str, datetime]:
        """A token for the visitor, and when it runs out (whole seconds)."""
        expires_at = now.replace(microsecond=0) + timedelta(seconds=self.settings.token_ttl_s)
        return issue(Visitor(visitor, expires_at, user), self.connection, self.key), expires_at

    def visitor(self, token: str, now: datetime) -> Visitor | None:
        return check(token, self.connection, self.key, now)

    def inbox(self, visitor: str) -> VisitorKey:
        return VisitorKey(self.tenant, self.connection, visitor)

    def owner(self, visitor: str) -> Owner:
        return Owner(self.tenant, self.connection, visitor)


async def find_chat(lookup: Lookup, connection_id: str) -> Chat | None:
    """None for an unknown id, another channel's connection, and one without a signing key."""
    try:
        found = await lookup(connection_id)
    except LookupError:
        return None
    key = found.secrets.get(SIGNING_KEY, "")
    if found.connection.adapter != CHANNEL or not key:
        return None
    settings = WebChatSettings.model_validate(found.connection.settings)
    return Chat(found.tenant, found.connection.id, settings, key, found.secrets.get(IDENTITY_KEY, ""))
