"""What is measured of the peers, as pieces of a bench."""

from functools import partial
from pathlib import Path

from bench.figures import Figures
from bench.peers.ground import Ground
from bench.peers.measure import add_light, add_rate, highest_rate, measure_light
from bench.peers.promises import QUICK, add_outcome, killed, quick_messages, same_id_at_once
from bench.peers.running import ECHO_BOT, FASTSTREAM, PEERS, Peer
from bench.schedule import Piece

LIGHT_MESSAGES = 80
SLOW_VENDOR_S = 0.04
WRITERS = 12
"""Customers who write quickly."""
KILLED_AMONG = 200
"""Messages."""
NEAR = {
    (ECHO_BOT, 0.0): 160.0,
    (ECHO_BOT, SLOW_VENDOR_S): 160.0,
    (FASTSTREAM, 0.0): 160.0,
    (FASTSTREAM, SLOW_VENDOR_S): 20.0,
}
"""Where the highest rate was found before, which only saves tries."""


class Peers:
    """``python`` has the peers' packages. Methods raise NotAsPromised and NotRunning."""

    def __init__(self, ground: Ground, python: Path, folder: Path, figures: Figures) -> None:
        self._ground, self._python, self._folder, self._figures = ground, python, folder, figures

    def pieces(self) -> tuple[list[Piece], ...]:
        """In groups that can be measured at different times."""
        light = [Piece(f"{peer.name} at 10/s", 16, partial(self.light, peer)) for peer in PEERS]
        held = [Piece(f"{peer.name}, highest rate", 17, partial(self.held, peer, 0.0)) for peer in PEERS]
        slow = [
            Piece(f"{peer.name}, highest rate, slow vendor", 27, partial(self.held, peer, SLOW_VENDOR_S))
            for peer in PEERS
        ]
        promises = [Piece(f"{peer.name}, promises", 16, partial(self.promises, peer)) for peer in PEERS]
        return light, held, [*slow, *promises]

    async def light(self, peer: Peer) -> None:
        light = await measure_light(self._ground, peer, self._python, self._folder, messages=LIGHT_MESSAGES)
        add_light(self._figures, light)

    async def held(self, peer: Peer, vendor_s: float) -> None:
        near = NEAR[peer, vendor_s]
        rate = await highest_rate(self._ground, peer, self._python, self._folder, vendor_s=vendor_s, near=near)
        add_rate(self._figures, rate)

    async def promises(self, peer: Peer) -> None:
        where = self._ground, peer, self._python, self._folder
        twice = await same_id_at_once(*where)
        add_outcome(self._figures, peer, "the same id twice at once", twice, "accepted", "doubled")
        quick = await quick_messages(*where, customers=WRITERS)
        what = f"{QUICK} quick messages of each of {WRITERS} customers"
        add_outcome(self._figures, peer, what, quick, "accepted", "lost", "customers_out_of_order")
        dead = await killed(*where, insists=True, messages=KILLED_AMONG)
        what = "killed and started again, the vendor repeats"
        add_outcome(self._figures, peer, what, dead, "accepted", "lost", "doubled")
