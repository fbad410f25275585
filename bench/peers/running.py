"""A peer's processes: started, killed, started again where they were, and gone for certain at the end."""

import asyncio
import json
import secrets
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil
from redis.asyncio import Redis

from bench.peers.ground import Ground
from deploy.local.parts import inherited_environment
from deploy.local.places import ROOT
from deploy.local.ports import HOST, PortBlock
from deploy.local.private_files import write_private
from deploy.local.supervision import launch_command

READY = "ready"
"""What a program prints that has no address to ask."""
START_LIMIT_S = 20.0
LOOK_EVERY_S = 0.02


@dataclass(frozen=True)
class Peer:
    """``worker`` is the module of a second process, which is started before the first one."""

    name: str
    edge: str
    worker: str = ""
    claim_after_ms: int = 0

    @property
    def modules(self) -> tuple[str, ...]:
        return (self.worker, self.edge) if self.worker else (self.edge,)


ECHO_BOT = Peer("botbuilder", "bench.peers.apps.echo_bot")
FASTSTREAM = Peer("FastStream", "bench.peers.apps.stream_edge", "bench.peers.apps.stream_worker")
FASTSTREAM_CLAIMING = replace(FASTSTREAM, name="FastStream, claiming", claim_after_ms=2000)
"""With the subscriber that takes over what was begun and not ended."""
PEERS = (ECHO_BOT, FASTSTREAM)


class NotRunning(Exception):
    """A peer did not come up, or ended by itself."""


class RunningPeer:
    """A peer below ``folder``, which keeps its address and its stream until it is left.

    async with RunningPeer(FASTSTREAM, python, ground, folder) as peer:
        ...
        peer.kill()
        await peer.start()
    """

    def __init__(self, peer: Peer, python: Path, ground: Ground, folder: Path) -> None:
        self.peer = peer
        self._python, self._ground, self._folder = python, ground, folder
        self._ports = PortBlock(folder / "ports.json")
        self._port = 0
        self._stream = f"peer-{secrets.token_hex(4)}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self._port}"

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._port = self._ports.take(["peer"])["peer"]
        try:
            await self.start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def start(self) -> None:
        """Returns when all processes are ready.

        Raises:
            NotRunning: one ended, or was not ready in time.
        """
        for module in self.peer.modules:
            name = module.rpartition(".")[2]
            self._processes[name] = self._launched(name, module)
            await self._ready(name, asks=module == self.peer.edge)

    def kill(self) -> None:
        """SIGKILL to all of them at once."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        self._processes.clear()

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds used so far, by process, and by Redis if this peer has a use for it."""
        return {name: _cpu_s(psutil.Process(pid)) for name, pid in self._pids(with_redis=True).items()}

    def memory_mb(self) -> dict[str, float]:
        """MiB of each process of its own; pages that several share are divided among them."""
        return {name: _memory_mb(psutil.Process(pid)) for name, pid in self._pids(with_redis=False).items()}

    def _pids(self, with_redis: bool) -> dict[str, int]:
        ended = [name for name, process in self._processes.items() if process.poll() is not None]
        if ended:
            raise NotRunning(f"{self.peer.name}: {ended[0]} has ended. Log: {self._log(ended[0])}")
        redis = {"redis": self._ground.redis_pid} if with_redis and self.peer.worker else {}
        return {name: process.pid for name, process in self._processes.items()} | redis

    def _launched(self, name: str, module: str) -> "subprocess.Popen[bytes]":
        """It ends with this process, also when that is killed."""
        plan = self._folder / f"{name}.json"
        command = [str(self._python), "-m", module]
        document = {"command": command, "environment": self._environment(), "folder": str(ROOT)}
        write_private(plan, json.dumps(document))
        with self._log(name).open("wb") as log:
            return subprocess.Popen(
                launch_command(plan), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def _environment(self) -> Mapping[str, str]:
        return inherited_environment() | {
            "PEER_PORT": str(self._port),
            "PEER_PUBLIC_URL": self.address,
            "PEER_VENDOR": self._ground.simulator,
            "PEER_TOKEN": self._ground.token,
            "PEER_REDIS_URL": self._ground.redis_url,
            "PEER_STREAM": self._stream,
            "PEER_CLAIM_AFTER_MS": str(self.peer.claim_after_ms),
        }

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    async def _ready(self, name: str, asks: bool) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while not (await self._answers() if asks else READY in self._log(name).read_text().split()):
            if self._processes[name].poll() is not None or time.monotonic() > deadline:
                raise NotRunning(f"{self.peer.name}: {name} did not come up. Log: {self._log(name)}")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _answers(self) -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=1) as http:
            try:
                return (await http.get(f"{self.address}/health")).is_success
            except httpx.TransportError:
                return False

    async def _end(self) -> None:
        self.kill()
        self._ports.release()
        if self.peer.worker:
            async with Redis.from_url(self._ground.redis_url) as redis:
                await redis.delete(self._stream)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _memory_mb(process: psutil.Process) -> float:
    figures = process.memory_full_info()
    return getattr(figures, "pss", figures.rss) / 2**20
