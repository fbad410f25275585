"""What every request of a page meets first: which chat, from which site, who, and not too often."""

from dataclasses import dataclass

from fastapi import HTTPException, Request

from m2n.adapters.capabilities import Rate
from m2n.clock import Clock
from services.channels.webchat.limits import Limiter, TooMany
from services.channels.webchat.lookup import Chat, Lookup, find_chat
from services.channels.webchat.origins import is_allowed
from services.channels.webchat.settings import rate
from services.channels.webchat.tokens import Visitor, bearer

TRY_AGAIN = HTTPException(503, "not taken, please try again", headers={"retry-after": "2"})


@dataclass(frozen=True)
class Doors:
    lookup: Lookup
    limiter: Limiter
    clock: Clock

    async def chat(self, connection: str) -> Chat:
        chat = await find_chat(self.lookup, connection)
        if chat is None:
            raise HTTPException(404, "connection: there is no web chat of this id")
        return chat

    async def opened(self, connection: str, request: Request) -> Chat:
        """The chat, for a page that may use it."""
        chat = await self.chat(connection)
        if not is_allowed(request.headers, chat.settings.allowed_origins):
            raise HTTPException(403, "origin: this site is not among the connection's allowed_origins")
        return chat

    def visitor(self, chat: Chat, request: Request, token: str = "") -> Visitor:
        visitor = chat.visitor(bearer(request.headers) or token, self.clock())
        if visitor is None:
            raise HTTPException(401, "token: expected a visitor token that has not run out; ask for a new one")
        return visitor

    async def count_address(self, chat: Chat, what: str, per_minute: int, request: Request) -> None:
        address = request.client.host if request.client else ""
        await self._count(chat, rate(per_minute), f"{what} of address", address)

    async def count_visitor(self, chat: Chat, what: str, per_minute: int, visitor: Visitor) -> None:
        await self._count(chat, rate(per_minute), f"{what} of visitor", visitor.id)

    async def _count(self, chat: Chat, allowed: Rate, what: str, whose: str) -> None:
        """Raises HTTPException 429."""
        try:
            await self.limiter.take(allowed, chat.tenant, chat.connection, what, whose)
        except TooMany as much:
            raise HTTPException(429, f"{what}: {much}", headers={"retry-after": str(much.after_s)}) from much
