"""How fast a peer is, and what it costs: figures of one repetition, to be taken in turns with M2N's.

python = peers_python(Steps())
for peer in PEERS:
    light = await measure_light(Ground.of(stack), peer, python, folder)
    held = await highest_rate(Ground.of(stack), peer, python, folder, vendor_s=0.04)
    add_light(figures, light)
    add_rate(figures, held)
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import turns
from bench.checked_run import SETTLED_S, NotAsPromised
from bench.figures import Figures, add_times
from bench.held import STEP_S, highest_held, is_held, vendor
from bench.held import add_rate as add_held
from bench.peers.ground import Ground
from bench.peers.playing import play
from bench.peers.running import Peer, RunningPeer
from bench.turns import Turns

LADDER = (10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 70.0, 100.0, 160.0)
"""Messages a second. Who holds the last is faster than M2N, which is all that is asked."""
OVERDUE_S = 4.0
"""A run that is not over so long after the last planned message says enough."""
IDLE_S = 4.0


@dataclass(frozen=True)
class Light:
    """``vendor_s`` is how long the vendor takes to answer a send; ``memory_mb`` is after the run, by process.

    ``turns.cpu_ms`` of Redis is without what others had of it while nobody wrote.
    """

    peer: str
    vendor_s: float
    turns: Turns
    memory_mb: Mapping[str, float]


@dataclass(frozen=True)
class Rate:
    """The highest step of the ladder that was held; 0 when not even the first was."""

    peer: str
    vendor_s: float
    per_s: float


async def measure_light(
    ground: Ground,
    peer: Peer,
    python: Path,
    folder: Path,
    *,
    rate_per_s: float = 10.0,
    messages: int = 120,
    vendor_s: float = 0.0,
    seed: int = 1,
) -> Light:
    """A fresh peer at a rate that it holds easily; takes about 30 seconds.

    Raises:
        NotAsPromised: a message was lost or doubled, so the times say nothing.
        NotRunning: the peer did not come up.
    """
    own = _own_folder(folder, peer)
    async with RunningPeer(peer, python, ground, own) as running, ground.vendor_takes(vendor_s):
        idle = await _idle_cpu_share(running)
        played = await play(ground, running, turns.plan(rate_per_s, messages, seed=seed), own / "light")
        memory = running.memory_mb()
    outcome = played.outcome
    if outcome.lost or outcome.doubled or outcome.given_up or outcome.other:
        raise NotAsPromised(f"{peer.name} at {rate_per_s:g}/s: {outcome}")
    return Light(peer.name, vendor_s, _without_idle_redis(played.turns, idle, messages), memory)


async def highest_rate(
    ground: Ground,
    peer: Peer,
    python: Path,
    folder: Path,
    *,
    ladder: Sequence[float] = LADDER,
    vendor_s: float = 0.0,
    near: float = 0.0,
    seed: int = 1,
) -> Rate:
    """Each try takes 15 seconds, with a fresh peer: two where the rate is ``near`` the right one, else up to five.

    Raises:
        NotRunning: the peer did not come up.
    """

    async def holds(rate: float) -> bool:
        return await _holds(ground, peer, python, _own_folder(folder, peer), rate, seed)

    async with ground.vendor_takes(vendor_s):
        return Rate(peer.name, vendor_s, await highest_held(ladder, holds, near))


async def _holds(ground: Ground, peer: Peer, python: Path, folder: Path, rate: float, seed: int) -> bool:
    wanted = turns.plan(rate, round(rate * STEP_S), seed=seed)
    last_s = wanted.sends()[-1].at_s
    async with RunningPeer(peer, python, ground, folder) as running:
        try:
            async with asyncio.timeout(last_s + OVERDUE_S):
                played = await play(ground, running, wanted, folder / "load")
        except TimeoutError:
            return False
    return is_held(played.turns) and not (played.outcome.lost or played.outcome.given_up)


async def _idle_cpu_share(running: RunningPeer) -> float:
    """How much of a core Redis takes while nobody writes to the peer."""
    before = running.cpu_s().get("redis")
    if before is None:
        return 0.0
    await asyncio.sleep(IDLE_S)
    return (running.cpu_s()["redis"] - before) / IDLE_S


def _without_idle_redis(measured: Turns, idle_share: float, messages: int) -> Turns:
    if "redis" not in measured.cpu_ms:
        return measured
    idle_ms = idle_share * (measured.seconds + SETTLED_S) * 1000 / messages
    own = max(0.0, measured.cpu_ms["redis"] - idle_ms)
    return replace(measured, cpu_ms={**measured.cpu_ms, "redis": own})


def _own_folder(folder: Path, peer: Peer) -> Path:
    return folder / f"{peer.name.replace(', ', '-').lower()}-{secrets.token_hex(3)}"


def add_light(figures: Figures, light: Light) -> None:
    group = f"{light.peer} at {light.turns.rate_per_s:g}/s, {vendor(light.vendor_s)}"
    add_times(figures, group, light.turns.ack_ms, light.turns.reply_ms)
    for part, used in light.turns.cpu_ms.items():
        figures.add(group, f"CPU a message, {part}", "ms", used)
    figures.add(group, "CPU a message", "ms", light.turns.all_cpu_ms)
    figures.add(group, "memory of its own processes", "MiB", sum(light.memory_mb.values()))


def add_rate(figures: Figures, rate: Rate) -> None:
    add_held(figures, rate.peer, rate.vendor_s, rate.per_s)
