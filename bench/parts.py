"""The parts of the bench in pieces, each with the time that it takes."""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from functools import partial
from itertools import zip_longest
from pathlib import Path

from bench import engine_speed, fairness, growth
from bench.empty_fleet.drive import drive, warm_up
from bench.fairness import Compared
from bench.figures import Figures, add_times
from bench.fleet import BUSY, CPU, EMPTY, LIGHT, SLOW_VENDOR_S, Fleet
from bench.growth import Growth, Point
from bench.schedule import Piece
from deploy.local.stack import Stack


class Part(StrEnum):
    FLEET = "fleet"
    GROWTH = "growth"
    FAIRNESS = "fairness"
    ENGINE = "engine"
    PEERS = "peers"


def engine_pieces(figures: Figures) -> list[Piece]:
    async def measure() -> None:
        for speed in engine_speed.measure():
            speed.enter(figures)

    return [Piece("built-in engine", 10, measure)]


def empty_pieces(stack: Stack, figures: Figures, repeat: int) -> list[Piece]:
    async def measure() -> None:
        for rate, count in ((LIGHT, 60), (BUSY, 150)):
            driven = await drive(stack, rate, count)
            group = f"{EMPTY} at {rate:g}/s"
            add_times(figures, group, driven.ack_ms, driven.reply_ms)
            figures.add(group, CPU, "ms", sum(driven.cpu_ms.values()))

    return [
        Piece("empty fleet, first messages", 2, partial(warm_up, stack)),
        *[Piece("empty fleet", 10, measure)] * repeat,
    ]


def fleet_pieces(fleet: Fleet, repeat: int) -> list[list[Piece]]:
    """By repetition, and then what is measured once."""
    repetition = [
        Piece("M2N idle", 7, fleet.idle),
        Piece("servers alone", 7, fleet.floor),
        Piece("M2N at 10/s", 14, fleet.light),
        Piece("M2N at 50/s", 16, fleet.busy),
        Piece("M2N at 100/s", 20, fleet.full),
        Piece("M2N at 200/s, acknowledgements", 7, fleet.rush),
        Piece("M2N, highest rate", 40, fleet.held),
    ]
    once = [
        Piece("M2N at 50/s, a status of each message", 16, fleet.told),
        Piece("M2N, highest rate, slow vendor", 45, partial(fleet.held, SLOW_VENDOR_S)),
        Piece("memory", 1, fleet.memory),
    ]
    return [[Piece("M2N, first messages", 9, fleet.warm)], *[repetition] * repeat, once]


def fairness_pieces(stack: Stack, folder: Path, figures: Figures) -> list[Piece]:
    async def enter(found: Awaitable[list[Compared]]) -> None:
        fairness.enter(await found, figures)

    return [
        Piece("one customer sends 500 at once", 51, lambda: enter(fairness.flood(stack, folder, repeat=1))),
        Piece("one tenant writes 20 times as much", 45, lambda: enter(fairness.loud_tenant(stack, folder, repeat=1))),
    ]


def growth_pieces(stack: Stack, folder: Path, figures: Figures) -> list[Piece]:
    """The sleeping sessions stay, so they are the last."""
    grows = Growth(stack, folder)

    async def enter(points: Callable[[], Awaitable[list[Point]]]) -> None:
        growth.enter(await points(), figures)

    return [
        Piece("growth: customers known", 48, partial(enter, partial(grows.known, repeat=1))),
        Piece("growth: lengths of sessions", 35, partial(enter, partial(grows.lengths, repeat=1))),
        Piece("growth: tenants", 46, partial(enter, partial(grows.tenants, repeat=1))),
        Piece("growth: sleeping sessions", 32, partial(enter, partial(grows.sleeping, repeat=1, remove=False))),
    ]


def in_turns(*several: Sequence[Sequence[Piece]]) -> list[Piece]:
    """The first group of each, then the second of each, and so on: what is compared is measured close together."""
    rounds = zip_longest(*several, fillvalue=())
    return [piece for groups in rounds for group in groups for piece in group]
