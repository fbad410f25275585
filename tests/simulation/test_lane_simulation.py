"""A thousand seeds of the lane under faults; that a seed repeats exactly; that each safeguard's loss is found."""

import os
import subprocess
import sys

import pytest

from tests.simulation.safeguards import SAFEGUARDS, Safeguard
from tests.simulation.simulation import Run, simulate

BASE = int(os.environ.get("M2N_SIM_SEED", "0"))
CHUNKS, SEEDS_EACH = 20, 50
FOUND_WITHIN = 400


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_promises_hold_under_faults(chunk: int) -> None:
    first = BASE + chunk * SEEDS_EACH
    failed = [run for run in map(simulate, range(first, first + SEEDS_EACH)) if run.violations]
    assert not failed, f"{len(failed)} of {SEEDS_EACH} seeds; the first is\n{failed[0].told()}"


@pytest.mark.parametrize("safeguard", SAFEGUARDS)
def test_a_safeguard_that_is_off_is_found(safeguard: Safeguard, monkeypatch: pytest.MonkeyPatch) -> None:
    safeguard.switch_off(monkeypatch)
    assert any(_found(simulate(seed), safeguard) for seed in range(FOUND_WITHIN))


def _found(run: Run, safeguard: Safeguard) -> bool:
    return any(violation.kind in safeguard.found_as for violation in run.violations)


def test_a_seed_repeats_exactly() -> None:
    assert simulate(BASE).trace == simulate(BASE).trace


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_repeats_exactly_in_another_process(hash_seed: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.simulation", str(BASE)]
    printed = subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout
    assert tuple(printed.splitlines()) == simulate(BASE).trace
