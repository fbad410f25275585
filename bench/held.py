"""The highest rate that is held: replies come within a second, and one to each message."""

from collections.abc import Awaitable, Callable, Sequence

from bench.figures import Figures, percentile
from bench.turns import Turns

STEP_S = 6.0
P99_MS = 1000.0
REPLIES_A_MESSAGE = 0.97
"""Fewer: customers' messages shared turns, which is less work."""


def is_held(turns: Turns) -> bool:
    return percentile(turns.reply_ms, 0.99) < P99_MS and turns.replies_a_message >= REPLIES_A_MESSAGE


async def highest_held(ladder: Sequence[float], holds: Callable[[float], Awaitable[bool]], near: float = 0.0) -> float:
    """The last step that is held, by halving; all before it are taken to be held, too. 0: none is.

    ``near`` is where it may be: that step and the one after it are tried first.
    """
    likely = [ladder.index(near), ladder.index(near) + 1] if near in ladder else []
    low, high = 0, len(ladder)
    while low < high:
        tried = next((place for place in likely if low <= place < high), (low + high) // 2)
        if await holds(ladder[tried]):
            low = tried + 1
        else:
            high = tried
    return ladder[low - 1] if low else 0.0


def add_rate(figures: Figures, whose: str, vendor_s: float, per_s: float) -> None:
    figures.add(whose, f"highest rate with p99 under {P99_MS:g} ms, {vendor(vendor_s)}", "1/s", per_s)


def vendor(seconds: float) -> str:
    """What the vendor is like that takes so long for a send."""
    return f"a vendor that takes {seconds * 1000:g} ms" if seconds else "an instant vendor"
