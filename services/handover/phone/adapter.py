"""The desk adapter: a turn becomes a transfer of the caller's call, which the voice channel carries out."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum
from typing import Protocol

from pydantic import BaseModel

from m2n.adapters.desk import ConversationOver, DeskContext
from m2n.adapters.desk_service import failed
from m2n.clock import Clock, now
from m2n.events import DeskNotice, Reply, Turn
from m2n.lanes import LaneRefused
from m2n.message import Address
from services.handover.phone.replies import ended
from services.handover.phone.settings import PhoneDeskSettings, Target
from services.handover.phone.transfer import Transfer, transfer_id

CHANNEL = "voice"
NOWHERE = "the customer is not in a call, or nothing says where it is to be transferred to"
Publish = Callable[[Reply], Awaitable[None]]


class Asked(Enum):
    """What became of a wish to transfer a call."""

    WAITS = "waits"
    """It is known, and will be carried out or is being carried out."""
    OVER = "over"
    """It has ended, or the call has."""


class Calls(Protocol):
    """The live calls, as the desk needs them."""

    async def target(self, address: Address) -> Target | None:
        """Where the voice connection itself hands callers over to."""
        ...

    async def ask_transfer(self, tenant: str, address: Address, transfer: Transfer) -> tuple[Asked, Transfer]:
        """Enter the transfer unless it is known; how it stands, and as it is kept."""
        ...

    async def recall(self, transfer: str, notice: DeskNotice) -> None:
        """The conversation is not the humans' any more; also for a transfer that was never asked for yet."""
        ...


class PhoneDesk:
    """Hands callers over. ``publish`` tells the lane of an end that it may not have heard of."""

    name: str = "phone"
    settings: type[BaseModel] = PhoneDeskSettings
    secrets: tuple[str, ...] = ()

    def __init__(self, calls: Calls, publish: Publish, clock: Clock = now) -> None:
        self._calls, self._publish, self._clock = calls, publish, clock

    async def take(self, turn: Turn, context: DeskContext) -> None:
        """The first turn of an epoch asks for the transfer; later ones add nothing, the human hears the caller."""
        settings = PhoneDeskSettings.model_validate(context.connection.settings)
        address = turn.session.address
        target = await self._target(address, settings)
        if target is None:
            await self._tell(failed(turn, NOWHERE))
            raise ConversationOver(transfer_id(turn.session.session_id, turn.session.epoch))
        transfer = Transfer.of(turn, target, settings.label, self._clock())
        state, kept = await self._calls.ask_transfer(turn.session.tenant, address, transfer)
        if state is Asked.OVER:
            await self._tell(ended(kept, kept.ended_at or self._clock()))
            raise ConversationOver(kept.id)

    async def _target(self, address: Address, settings: PhoneDeskSettings) -> Target | None:
        if address.channel != CHANNEL:
            return None
        return settings.transfer or await self._calls.target(address)

    async def _tell(self, reply: Reply | None) -> None:
        if reply:
            with suppress(LaneRefused):  # the lane has heard of the end, or has moved on without it
                await self._publish(reply)

    async def notice(self, notice: DeskNotice) -> None:
        await self._calls.recall(transfer_id(notice.session_id, notice.epoch), notice)


desk = PhoneDesk
"""What the entry point names: its settings and secrets are looked at elsewhere, the voice channel makes the one."""
