"""What the processes of a stack use: CPU time and memory, by part."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

from deploy.local.stack import Stack


@dataclass(frozen=True)
class CpuSeconds:
    """CPU time that each part had used at a moment. A part that was started anew meanwhile counts from its start."""

    of: Mapping[str, float]

    @classmethod
    def now(cls, stack: Stack) -> "CpuSeconds":
        return cls({name: _used(psutil.Process(pid)) for name, pid in stack.pids().items()})

    def since(self, before: "CpuSeconds") -> dict[str, float]:
        return {name: used - before.of.get(name, 0.0) for name, used in self.of.items()}


def memory_mb(stack: Stack) -> dict[str, float]:
    """Memory of each part in MiB; pages that several share are divided among them."""
    return {name: used / 2**20 for name, used in stack.memory().items()}


def _used(process: psutil.Process) -> float:
    """Its own and that of its children, but for supervisord, whose children are the parts."""
    own = process.cpu_times()
    used = own.user + own.system
    if "supervisord" in " ".join(process.cmdline()):
        return used
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            used += times.user + times.system
    return used
