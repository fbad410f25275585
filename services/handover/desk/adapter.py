"""The desk adapter: conversations go into the database that the agents' API reads."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from pydantic import BaseModel

from m2n.adapters.desk import ConversationOver, DeskContext
from m2n.clock import Clock, now
from m2n.events import DeskNotice, Reply, Turn
from m2n.lanes import LaneRefused
from m2n.tenant import Config
from services.handover.desk.conversation import conversation_id, desk_line, opened_by
from services.handover.desk.replies import closing
from services.handover.desk.store import Conversations

Publish = Callable[[Reply], Awaitable[None]]


class BuiltinDeskSettings(Config):
    """The built-in desk needs no account and has no settings."""


class BuiltinDesk:
    """Takes turns into ``conversations``; ``publish`` tells the lane of an end that it may not have heard of."""

    name: str = "builtin"
    settings: type[BaseModel] = BuiltinDeskSettings
    secrets: tuple[str, ...] = ()

    def __init__(self, conversations: Conversations, publish: Publish, clock: Clock = now) -> None:
        self._conversations, self._publish, self._clock = conversations, publish, clock

    async def take(self, turn: Turn, context: DeskContext) -> None:
        session, at = turn.session, self._clock()
        conversation = conversation_id(session.session_id, session.epoch)
        if await self._conversations.open(opened_by(turn, at)):
            return
        lines = tuple(desk_line(line) for line in turn.lines)
        if not await self._conversations.append(session.tenant, conversation, lines, at):
            await self._say_end_again(session.tenant, conversation)
            raise ConversationOver(conversation)

    async def _say_end_again(self, tenant: str, conversation: str) -> None:
        """A turn of an ended epoch may mean that the end never left this service."""
        closed = await self._conversations.get(tenant, conversation)
        reply = closing(closed) if closed else None
        if reply:
            with suppress(LaneRefused):  # the lane has heard of the end, or has moved on without it
                await self._publish(reply)

    async def notice(self, notice: DeskNotice) -> None:
        await self._conversations.close_by_lane(notice)


desk = BuiltinDesk
"""What the entry point names: its settings and secrets are looked at elsewhere, only this service makes one."""
