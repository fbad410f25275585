"""A small real stack of stand-ins: what dies comes back, and what ends leaves nothing. Proved by process ids."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.local.left_behind import Identity
from deploy.local.places import ROOT
from deploy.local.programs import find_programs
from deploy.local.progress import Steps
from deploy.local.services import Service
from deploy.local.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

APP = """
import os
from fastapi import FastAPI
app = FastAPI()
@app.get("/health")
def health() -> dict[str, str]:
    return {"app": os.environ["APP_ID"]}
"""
OWNER = """
import json, signal, sys
from pathlib import Path
import typer
from deploy.local.__main__ import exit_on_problem
from deploy.local.services import Service
from deploy.local.stack import Stack
folder, module = Path(sys.argv[1]), sys.argv[2]
# As in a terminal, also when these tests run in the background, where a shell has SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
def run() -> None:
    service = Service("router", module, import_path=folder)
    with Stack(folder / "data", services=[service]) as stack:
        print(json.dumps(stack.pids()), flush=True)
        stack.wait()
app = typer.Typer()
app.command()(lambda: exit_on_problem(run))
app(args=[])
"""


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    find_programs(Steps())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "standin.py").write_text(APP)
    (tmp_path / "broken.py").write_text("raise RuntimeError('the stand-in is broken on purpose')\n")
    (tmp_path / "owner.py").write_text(OWNER)
    return tmp_path


@contextmanager
def owner(folder: Path, module: str) -> Iterator["subprocess.Popen[str]"]:
    """A process of its own that starts a stack and then waits."""
    command = [sys.executable, str(folder / "owner.py"), str(folder), module]
    environment = {"PATH": os.environ["PATH"], "HOME": str(Path.home()), "PYTHONPATH": f"{ROOT}:{ROOT / 'common'}"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def eventually(holds: Callable[[], bool], limit_s: float = 60.0) -> bool:
    limit = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True


def started(process: "subprocess.Popen[str]") -> dict[str, Identity]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    pids: dict[str, int] = json.loads(line)
    return {name: Identity.of(psutil.Process(pid)) for name, pid in pids.items()}


def alive(family: dict[str, Identity]) -> list[str]:
    return [name for name, identity in family.items() if identity.process() is not None]


def test_a_killed_part_comes_back_and_the_end_leaves_nothing(folder: Path) -> None:
    said: list[str] = []
    service = Service("router", "standin", import_path=folder)
    with Stack(folder / "data", services=[service], say=said.append) as stack:
        assert httpx.get(stack.url("router") + "/health").json() == {"app": "router"}
        before = stack.pids()
        assert before.keys() == {"supervisord", *stack.part_names()}
        for part in ("router", "router-dapr", "redis"):
            stack.kill(part)
            stack.wait_ready(part)
        after = stack.pids()
        assert {name for name in before if before[name] != after[name]} == {"router", "router-dapr", "redis"}
        assert eventually(lambda: any("router has ended" in line for line in said))
        family = {name: Identity.of(psutil.Process(pid)) for name, pid in after.items()}
    assert alive(family) == []


def test_a_part_that_has_just_died_can_be_stopped(folder: Path) -> None:
    """At whatever moment of its death and new start that comes."""
    with Stack(folder / "data", services=[Service("router", "standin", import_path=folder)]) as stack:
        for pause_s in (0, 0.02, 0.1, 0.5, 1.1):
            stack.kill("redis")
            time.sleep(pause_s)
            stack.stop_part("redis")
            assert stack.pid("redis") == 0
            stack.start_part("redis")


def test_nothing_outlives_an_owner_that_was_killed(folder: Path) -> None:
    with owner(folder, "standin") as process:
        family = started(process)
        assert len(alive(family)) == len(family) == 8
        process.send_signal(signal.SIGKILL)
        assert eventually(lambda: alive(family) == []), alive(family)


def test_nothing_outlives_a_supervisord_that_was_killed(folder: Path) -> None:
    with owner(folder, "standin") as process:
        family = started(process)
        psutil.Process(family["supervisord"].pid).kill()
        assert eventually(lambda: alive(family) == []), alive(family)
        assert process.wait(timeout=30) == 0


def test_ctrl_c_ends_everything(folder: Path) -> None:
    with owner(folder, "standin") as process:
        family = started(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert alive(family) == []


def test_a_second_ctrl_c_ends_it_at_once(folder: Path) -> None:
    with owner(folder, "standin") as process:
        family = started(process)
        # A stopped process does not react to the gentle signal, so only killing can end it.
        psutil.Process(family["router"].pid).suspend()
        process.send_signal(signal.SIGINT)
        assert eventually(lambda: "router-dapr" not in alive(family))
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert time.monotonic() - begun < 5
        assert alive(family) == []


def test_a_failed_start_names_the_part_and_leaves_nothing(folder: Path) -> None:
    family: dict[str, Identity] = {}
    with owner(folder, "broken") as process:
        while process.poll() is None:
            family |= _children(process.pid)
        assert process.returncode == 1
        error = process.stderr.read() if process.stderr else ""
    assert "router ended while the stack was starting" in error
    assert "the stand-in is broken on purpose" in error
    assert str(folder / "data" / "logs" / "router.log") in error
    assert len(family) >= 6
    assert alive(family) == []


def _children(pid: int) -> dict[str, Identity]:
    found: dict[str, Identity] = {}
    try:
        for child in psutil.Process(pid).children(recursive=True):
            identity = Identity.of(child)
            found[f"{identity.pid}@{identity.created}"] = identity
    except psutil.NoSuchProcess:
        return found
    return found
