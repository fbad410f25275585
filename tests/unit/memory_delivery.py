"""What delivery keeps to and looks up beside its records, in memory: rates that are told, and no media."""

from collections.abc import Mapping

from m2n.adapters.capabilities import Capabilities, Rate
from m2n.message import Outbound


class ToldRates:
    """Waits as it is told, by message id; notes which connections are to rest."""

    def __init__(self, **waits_s: float) -> None:
        self.waits_s = waits_s
        self.asked: list[tuple[str, str, int, Rate | None, Rate | None]] = []
        self.resting: dict[str, float] = {}

    async def wait_s(
        self, connection: str, to: str, message: str, calls: int, rate: Rate | None, pair_rate: Rate | None
    ) -> float:
        self.asked.append((connection, message, calls, rate, pair_rate))
        return self.waits_s.get(message.replace(".", "_"), 0.0)

    async def block(self, connection: str, seconds: float) -> None:
        self.resting[connection] = seconds


class NoMediaOut:
    def with_link(self, message: Outbound) -> Outbound:
        return message

    async def files(self, message: Outbound, can: Capabilities) -> Mapping[str, bytes]:
        return {}
