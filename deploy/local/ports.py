"""Ports on loopback, chosen so that stacks on one machine never meet."""

import json
import os
import random
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil
from filelock import FileLock, Timeout

from deploy.local.places import cache_dir
from deploy.local.problem import Problem
from deploy.local.services import Service

HOST = "127.0.0.1"
# Below 32768, where Linux and macOS take the ports of outgoing connections from.
FIRST_PORT, LAST_PORT, BLOCK = 20_000, 31_999, 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback now, and nobody does on all addresses."""
    return all(_can_bind(host, port) for host in (HOST, ""))


def _can_bind(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def public_ports(services: Iterable[Service], environment: Mapping[str, str] = os.environ) -> dict[str, int]:
    """The fixed ports of the public services, by service name.

    Raises:
        Problem: a variable holds no port, two services have one port, or a port is taken.
    """
    ports: dict[str, int] = {}
    for service in services:
        if service.public_port is not None:
            ports[service.name] = _wanted_port(service, environment)
            _check_available(service, ports)
    return ports


def _wanted_port(service: Service, environment: Mapping[str, str]) -> int:
    text = environment.get(service.port_variable, "") or str(service.public_port)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise Problem(
            f"{service.port_variable} is {text!r}, which is no port.",
            remedy=f"set {service.port_variable} to a number from 1 to 65535, or unset it.",
        )
    return int(text)


def _check_available(service: Service, ports: Mapping[str, int]) -> None:
    port = ports[service.name]
    other = next((name for name, taken in ports.items() if taken == port and name != service.name), None)
    holder = f"by the service {other}" if other else None
    if holder is None and not is_free(port):
        holder = holder_of(port) or "by another program"
    if holder is not None:
        raise Problem(
            f"Port {port}, which {service.name} needs, is taken {holder}.",
            remedy=f"end that program, or choose another port: {service.port_variable}={port + 1000} make run "
            "(a stack left behind is ended by `make stop`).",
        )


def holder_of(port: int) -> str | None:
    """Who listens on this port, as far as this user may know."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and getattr(connection.laddr, "port", 0) == port and connection.pid:
            return _described(connection.pid)
    return None


def _described(pid: int) -> str:
    try:
        return f"by process {pid} ({' '.join(psutil.Process(pid).cmdline()[:4])})"
    except psutil.Error:
        return f"by process {pid}"


class _Choice(NamedTuple):
    """What was chosen in a former run: the block, if there was one, and its ports."""

    blocks: list[int]
    ports: dict[str, int]


class PortBlock:
    """A range of ports that belongs to one stack as long as this object holds its lock file.

    The choice is remembered in the data folder and made again if it is still free: MongoDB and etcd know their own
    address, and a person finds the services where they were.
    """

    def __init__(self, remembered: Path, locks: Path | None = None) -> None:
        self._remembered = remembered
        self._locks = locks or cache_dir() / "ports"
        self._lock: FileLock | None = None

    def take(self, names: Sequence[str]) -> dict[str, int]:
        """A free port for each name.

        Raises:
            Problem: no block has enough free ports.
        """
        before = self._before()
        blocks = list(range(FIRST_PORT, LAST_PORT + 1, BLOCK))
        random.shuffle(blocks)
        for block in [*before.blocks, *blocks]:
            ports = self._try_block(block, names, before.ports)
            if ports is not None:
                self._remembered.write_text(json.dumps({"block": block, "ports": ports}))
                return ports
        raise Problem(f"No free ports between {FIRST_PORT} and {LAST_PORT}.", remedy="end other programs.")

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _before(self) -> "_Choice":
        if not self._remembered.exists():
            return _Choice([], {})
        raw = json.loads(self._remembered.read_text())
        return _Choice([raw["block"]], raw["ports"])

    def _try_block(self, block: int, names: Sequence[str], before: Mapping[str, int]) -> dict[str, int] | None:
        self._locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._locks / f"{block}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        ports = assign(names, range(block, block + BLOCK), before)
        if ports is None:
            lock.release()
            return None
        self._lock = lock
        return ports


def assign(names: Sequence[str], block: range, before: Mapping[str, int]) -> dict[str, int] | None:
    """A free port of the block for each name, the one it had before if that can be; None when too few are free."""
    kept = {name: before[name] for name in names if before.get(name) in block and is_free(before[name])}
    free = iter(port for port in block if port not in kept.values() and is_free(port))
    ports: dict[str, int] = {}
    for name in names:
        port = kept.get(name) or next(free, None)
        if port is None:
            return None
        ports[name] = port
    return ports
