"""Meta's WhatsApp Cloud API as one of the simulator's vendors.

Customers are phone numbers; who is called otherwise has a username, hides the number, and is known by a BSUID alone.
"""

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter

from services.simulator.state import State
from services.simulator.vendors import Line, Said, SaidAnswer
from services.simulator.whatsapp_cloud.api import CHANNEL, Api
from services.simulator.whatsapp_cloud.customer import Customers
from services.simulator.whatsapp_cloud.media import Shelf
from services.simulator.whatsapp_cloud.memory import Memory
from services.simulator.whatsapp_cloud.numbers import Number
from services.simulator.whatsapp_cloud.posting import GAPS_S
from services.simulator.whatsapp_cloud.progress import Progress
from services.simulator.whatsapp_cloud.webhooks import Webhooks


class WhatsAppCloud:
    channel = CHANNEL
    title = "WhatsApp Cloud"

    def __init__(self, state: State, gaps_s: Sequence[float] = GAPS_S) -> None:
        """``gaps_s``: the pauses before a webhook that was not taken is posted again."""
        self._state, self._memory, self._shelf = state, Memory(), Shelf(state.http)
        self._numbers: dict[str, Number] = {}
        self._webhooks = Webhooks(state, self._memory, gaps_s)
        self._customers = Customers(state, self._memory, self._shelf, self._webhooks)
        progress = Progress(state, self._memory, self._webhooks)
        self._api = Api(state, self._memory, self._shelf, progress, self._numbers)

    def routers(self) -> Sequence[APIRouter]:
        return (self._api.router(),)

    def enter(self, line: Line) -> None:
        """Raises ValueError. Meta shakes hands with the address beside it; what comes of that is in the ledger."""
        number = Number.of(line)
        other = self._numbers.get(number.phone_number_id)
        if other is not None and other.line.connection != line.connection:
            raise ValueError(f"settings.phone_number_id: is the number of {other.line.connection!r}")
        for id_, known in tuple(self._numbers.items()):
            if known.line.connection == line.connection:
                del self._numbers[id_]
        self._numbers[number.phone_number_id] = number
        if _running():
            self._state.start(self._webhooks.shake_hands(number))

    def forget(self) -> None:
        self._memory.forget()
        self._shelf.forget()

    async def say(self, line: Line, customer: str, said: Said, base_url: str) -> SaidAnswer:
        return await self._customers.say(Number.of(line), customer, said)


def _running() -> bool:
    """A setup that is restored at the start is entered before anything runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
