"""The pieces of a bench, one after the other, within a limit of time."""

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from deploy.local.progress import Say


@dataclass(frozen=True)
class Piece:
    """``about_s`` is how long it takes on two cores."""

    name: str
    about_s: float
    measure: Callable[[], Awaitable[None]]


@dataclass
class Schedule:
    """Leaves out, and says so, what would not be over in time; what comes after it may still fit."""

    limit_s: float
    say: Say
    took_s: dict[str, float] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    async def play(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            begun = time.monotonic() - self._began
            if begun + piece.about_s > self.limit_s:
                self.say(f"{begun:4.0f} s  {piece.name}: left out, no time")
                self.left_out.append(piece.name)
                continue
            self.say(f"{begun:4.0f} s  {piece.name}, about {piece.about_s:.0f} s")
            await piece.measure()
            took_s = time.monotonic() - self._began - begun
            self.took_s[piece.name] = self.took_s.get(piece.name, 0.0) + took_s
