"""A stack left behind is ended; a process that only has its number is not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.left_behind import Identity, StackRecord, forget_own, stop_left_behind
from deploy.local.progress import silent


@pytest.fixture
def bystander() -> Iterator[psutil.Process]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield psutil.Process(process.pid)
        process.kill()


def record(supervisor: Identity) -> StackRecord:
    return StackRecord(Identity(1, 0.0), supervisor, {"webhooks": "http://127.0.0.1:8000"}, "/run/s.sock")


def test_the_recorded_process_is_ended(tmp_path: Path, bystander: psutil.Process) -> None:
    record(Identity.of(bystander)).write(tmp_path)
    assert stop_left_behind(tmp_path, silent)
    assert not bystander.is_running() or bystander.status() == psutil.STATUS_ZOMBIE
    assert StackRecord.read(tmp_path) is None


def test_a_later_process_with_the_same_number_is_left_alone(tmp_path: Path, bystander: psutil.Process) -> None:
    record(Identity(bystander.pid, bystander.create_time() - 60)).write(tmp_path)
    assert not stop_left_behind(tmp_path, silent)
    assert bystander.status() != psutil.STATUS_ZOMBIE
    assert StackRecord.read(tmp_path) is None


def test_no_record_and_a_process_that_is_gone(tmp_path: Path, bystander: psutil.Process) -> None:
    assert not stop_left_behind(tmp_path, silent)
    gone = Identity.of(bystander)
    bystander.kill()
    bystander.wait()
    record(gone).write(tmp_path)
    assert not stop_left_behind(tmp_path, silent)


def test_only_the_owner_removes_the_record(tmp_path: Path) -> None:
    record(Identity(1, 0.0)).write(tmp_path)
    forget_own(tmp_path)
    assert StackRecord.read(tmp_path) is not None
    assert (tmp_path / "stack.json").stat().st_mode & 0o077 == 0
