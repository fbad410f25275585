"""In which order the bench measures, what it leaves out, and how it finds the highest rate that is held."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import parts
from bench.figures import Figures
from bench.fleet import LADDER, Fleet
from bench.held import highest_held, is_held
from bench.peers.measure import LADDER as PEERS_LADDER
from bench.peers.pieces import NEAR, Peers
from bench.schedule import Piece, Schedule
from bench.turns import Turns

NOT_THERE: Any = None
STARTS_AND_STOPS_S = 30
TURNS = Turns(50, (1.0,) * 100, (40.0,) * 100, 1.0, 2.0, {})


async def test_what_would_not_be_over_in_time_is_left_out_and_said() -> None:
    measured: list[str] = []
    said: list[str] = []

    def piece(name: str, about_s: float) -> Piece:
        async def measure() -> None:
            measured.append(name)

        return Piece(name, about_s, measure)

    schedule = Schedule(limit_s=60, say=said.append)
    await schedule.play([piece("short", 50), piece("long", 70), piece("short", 50)])
    assert measured == ["short", "short"]
    assert schedule.left_out == ["long"]
    assert list(schedule.took_s) == ["short"]
    assert "left out" in said[1]


def test_everything_has_room_in_a_quarter_of_an_hour() -> None:
    figures, nowhere = Figures(), Path()
    fleet = parts.fleet_pieces(Fleet(NOT_THERE, nowhere, figures), repeat=3)
    peers = Peers(NOT_THERE, nowhere, nowhere, figures).pieces()
    pieces = [
        *parts.engine_pieces(figures),
        *parts.empty_pieces(NOT_THERE, figures, repeat=3),
        *parts.in_turns(fleet, peers),
        *parts.fairness_pieces(NOT_THERE, nowhere, figures),
        *parts.growth_pieces(NOT_THERE, nowhere, figures),
    ]
    assert len(pieces) > 30
    assert sum(piece.about_s for piece in pieces) + STARTS_AND_STOPS_S < 15 * 60


def test_groups_come_by_turns() -> None:
    one, two, three = (Piece(name, 1, NOT_THERE) for name in "abc")
    assert parts.in_turns([[one], [one]], [[two, three]]) == [one, two, three, one]
    assert parts.in_turns([], []) == []


@pytest.mark.parametrize(("capacity", "held"), [(0, 0.0), (10, 10.0), (29, 20.0), (1000, 50.0)])
@pytest.mark.parametrize("near", [0.0, 10.0, 20.0, 50.0, 77.0])
async def test_the_highest_step_that_is_held_is_found(capacity: float, held: float, near: float) -> None:
    tried: list[float] = []

    async def holds(rate: float) -> bool:
        tried.append(rate)
        return rate <= capacity

    assert await highest_held((10.0, 20.0, 30.0, 40.0, 50.0), holds, near) == held
    assert len(tried) == len(set(tried)) <= 4
    if near == held > 0:
        assert len(tried) <= 2


def test_a_rate_is_held_when_replies_come_soon_and_to_each_message() -> None:
    assert is_held(TURNS)
    assert not is_held(replace(TURNS, reply_ms=(*(40.0,) * 97, *(1001.0,) * 3)))
    assert not is_held(replace(TURNS, replies_a_message=0.96))


def test_the_search_begins_on_the_ladder() -> None:
    assert set(NEAR.values()) <= set(PEERS_LADDER)
    assert tuple(sorted(LADDER)) == LADDER
    assert (LADDER[0], LADDER[-1]) == (55, 140)
