"""A stack that outlived the process that started it: how it is recognised and ended."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from deploy.local.private_files import write_private
from deploy.local.progress import Say
from deploy.local.supervision import STOP_LIMIT_S, kill_tree

CREATE_TIME_TOLERANCE_S = 0.5


@dataclass(frozen=True)
class Identity:
    """A process, told apart from a later one with the same id by the time it was created (seconds since 1970)."""

    pid: int
    created: float

    @classmethod
    def of(cls, process: psutil.Process) -> "Identity":
        return cls(process.pid, process.create_time())

    def process(self) -> psutil.Process | None:
        """The process, if it still is the same one."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.created) < CREATE_TIME_TOLERANCE_S
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


@dataclass(frozen=True)
class StackRecord:
    """What a running stack writes into its data folder."""

    owner: Identity
    supervisor: Identity
    addresses: dict[str, str]
    socket: str

    def write(self, data_dir: Path) -> None:
        write_private(data_dir / "stack.json", json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, data_dir: Path) -> "StackRecord | None":
        path = data_dir / "stack.json"
        if not path.exists():
            return None
        raw = json.loads(path.read_text())
        return cls(Identity(**raw["owner"]), Identity(**raw["supervisor"]), raw["addresses"], raw["socket"])


def forget(data_dir: Path) -> None:
    (data_dir / "stack.json").unlink(missing_ok=True)


def forget_own(data_dir: Path) -> None:
    """Removes this process's record; leaves another's alone."""
    record = StackRecord.read(data_dir)
    if record is not None and record.owner.pid == os.getpid():
        forget(data_dir)


def stop_left_behind(data_dir: Path, say: Say) -> bool:
    """Ends the stack of this data folder, gently first. False when there is none. Signals no other process."""
    record = StackRecord.read(data_dir)
    supervisor = record.supervisor.process() if record else None
    if supervisor is not None:
        say(f"Stopping the stack in {data_dir} (process {supervisor.pid}) ...")
        supervisor.terminate()
        try:
            supervisor.wait(timeout=3 * STOP_LIMIT_S + 5)
        except psutil.TimeoutExpired:
            kill_tree(supervisor.pid)
    forget(data_dir)
    return supervisor is not None
