"""The way in: a token for a visitor, who may prove to be a user of the site."""

from typing import Annotated

from fastapi import HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pymongo.errors import PyMongoError

from m2n.message import Moment
from services.channels.webchat.doors import TRY_AGAIN, Doors
from services.channels.webchat.lookup import Chat
from services.channels.webchat.tokens import Visitor, bearer, new_visitor_id
from services.channels.webchat.users import UserVisitors, is_proved


class _User(BaseModel):
    """``hash`` is the hex HMAC-SHA256 of the id that the site's server makes with the identity key."""

    model_config = ConfigDict(extra="forbid", strict=True)
    id: Annotated[str, Field(min_length=1, max_length=128)]
    hash: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{64}$")]


class Entry(BaseModel):
    """Body of POST /webchat/{connection}/visitors, which may be left out."""

    model_config = ConfigDict(extra="forbid", strict=True)
    user: _User | None = None


class Attachable(BaseModel):
    max_bytes: int
    types: tuple[str, ...]


class VisitorAnswer(BaseModel):
    """Answer of POST /webchat/{connection}/visitors."""

    visitor: str
    token: str
    expires_at: Moment
    expires_in_s: float
    """The same, for pages whose clock is wrong."""
    attachments: Attachable


class Entrance:
    def __init__(self, doors: Doors, users: UserVisitors) -> None:
        self._doors, self._users = doors, users

    async def enter(self, connection: str, request: Request) -> VisitorAnswer:
        """A token for a new visitor, or a fresh one for the visitor whose token is sent along and still good."""
        chat = await self._doors.opened(connection, request)
        entry = await _entry(request)
        known = chat.visitor(bearer(request.headers), self._doors.clock())
        if known is None or entry.user:
            await self._doors.count_address(chat, "new visitors", chat.settings.limits.address_visitors, request)
        visitor, user = await self._who(chat, known, entry.user)
        now = self._doors.clock()
        token, expires_at = chat.token(visitor, user, now)
        attachable = Attachable(max_bytes=chat.settings.max_attachment_bytes, types=chat.settings.attachment_types)
        return VisitorAnswer(
            visitor=visitor,
            token=token,
            expires_at=expires_at,
            expires_in_s=(expires_at - now).total_seconds(),
            attachments=attachable,
        )

    async def _who(self, chat: Chat, known: Visitor | None, user: _User | None) -> tuple[str, str | None]:
        """The visitor and the proved user. One who was somebody else before becomes a visitor of their own."""
        if user is None:
            return (known.id, known.user) if known else (new_visitor_id(), None)
        if not is_proved(user.id, user.hash, chat.identity_key):
            raise HTTPException(403, "user.hash: expected the hex HMAC-SHA256 of user.id with the chat's identity-key")
        same = known is not None and known.user in (None, user.id)
        offered = known.id if known is not None and same else new_visitor_id()
        try:
            return await self._users.visitor_of(user.id, chat.inbox(offered)), user.id
        except PyMongoError as away:
            raise TRY_AGAIN from away


async def _entry(request: Request) -> Entry:
    body = await request.body()
    try:
        return Entry.model_validate_json(body) if body.strip() else Entry()
    except ValidationError as wrong:
        places = {".".join(map(str, error["loc"])) or "body" for error in wrong.errors(include_input=False)}
        raise HTTPException(400, f"{', '.join(sorted(places))}: expected user with id and hash, or nothing") from None
