"""How fast a peer is, and what it costs: figures of one repetition, to be taken in turns with M2N's.

python = peers_python(Steps())
for peer in PEERS:
    light = await measure_light(Ground.of(stack), peer, python, folder)
    held = await highest_rate(Ground.of(stack), peer, python, folder, vendor_s=0.04)
    add_light(figures, light)
    add_rate(figures, held)
"""

import asyncio
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import turns
from bench.figures import Figures
from bench.peers.ground import Ground
from bench.peers.judged import collect_at_vendor
from bench.peers.playing import answered, play, reply_times
from bench.peers.running import Peer, RunningPeer
from bench.turns import NotAsPromised, Turns, percentile
from tests.faults.checked_records import Records
from tests.faults.load import Load

LADDER = (10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 120.0, 160.0, 200.0, 250.0, 300.0, 350.0)
"""Messages a second."""
STEP_S = 8.0
HELD_P99_S = 1.0
OVERDUE_S = 2.0
"""Webhooks that are not all acknowledged so long after the last planned one say enough."""
IDLE_S = 5.0


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
    """The highest step of the ladder with p99 of the replies under a second; 0 when not even the first was held."""

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
    seed: int = 1,
) -> Rate:
    """By halving: a ladder of 16 steps takes four or five of them, each about 12 seconds, with a fresh peer each.

    Raises:
        NotRunning: the peer did not come up.
    """

    async def is_held(rate: float) -> bool:
        return await _is_held(ground, peer, python, _own_folder(folder, peer), rate, seed)

    async with ground.vendor_takes(vendor_s):
        return Rate(peer.name, vendor_s, await highest_held(ladder, is_held))


async def highest_held(ladder: Sequence[float], is_held: Callable[[float], Awaitable[bool]]) -> float:
    """The last step that is held; all before it are taken to be held, too. 0: none is."""
    low, high = 0, len(ladder)
    while low < high:
        middle = (low + high) // 2
        if await is_held(ladder[middle]):
            low = middle + 1
        else:
            high = middle
    return ladder[low - 1] if low else 0.0


async def _is_held(ground: Ground, peer: Peer, python: Path, folder: Path, rate: float, seed: int) -> bool:
    wanted = turns.plan(rate, int(rate * STEP_S), seed=seed)
    last_s = wanted.sends()[-1].at_s
    async with RunningPeer(peer, python, ground, folder) as running, ground.site(running.address) as site:
        try:
            async with asyncio.timeout(last_s + OVERDUE_S), Load(site, wanted, folder / "load") as load:
                await load.run()
                await answered(load)
        except TimeoutError:
            return False
        records = await collect_at_vendor(site, folder / "load")
    return not records.given_up and is_within(records)


def is_within(records: Records) -> bool:
    """Whether p99 of the replies is; a message without one took for ever. First messages do not count."""
    replied = reply_times(records)
    known = {serial: fact for serial, fact in records.accepted.items() if serial[2] != 1}
    waits = sorted((replied.get(serial, math.inf) - fact.planned_ns) / 1e9 for serial, fact in known.items())
    return percentile(waits, 0.99) <= HELD_P99_S


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
    idle_ms = idle_share * (measured.seconds + turns.SETTLED_S) * 1000 / messages
    own = max(0.0, measured.cpu_ms["redis"] - idle_ms)
    return replace(measured, cpu_ms={**measured.cpu_ms, "redis": own})


def _own_folder(folder: Path, peer: Peer) -> Path:
    return folder / f"{peer.name.replace(', ', '-').lower()}-{secrets.token_hex(3)}"


def add_light(figures: Figures, light: Light) -> None:
    group = f"{light.peer} at {light.turns.rate_per_s:g}/s, {_vendor(light.vendor_s)}"
    for name, values in (("webhook acknowledged", light.turns.ack_ms), ("webhook to reply", light.turns.reply_ms)):
        for share in (0.5, 0.99):
            figures.add(group, f"{name}, p{share * 100:g}", "ms", percentile(values, share))
    for part, used in light.turns.cpu_ms.items():
        figures.add(group, f"CPU a message, {part}", "ms", used)
    figures.add(group, "CPU a message", "ms", sum(light.turns.cpu_ms.values()))
    figures.add(group, "memory of its own processes", "MiB", sum(light.memory_mb.values()))


def add_rate(figures: Figures, rate: Rate) -> None:
    name = f"highest rate with p99 under {HELD_P99_S * 1000:g} ms, {_vendor(rate.vendor_s)}"
    figures.add(rate.peer, name, "1/s", rate.per_s)


def _vendor(seconds: float) -> str:
    return f"a vendor that takes {seconds * 1000:g} ms" if seconds else "an instant vendor"
