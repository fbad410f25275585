"""The Dapr runtime: an installed one of exactly the pinned version, or one built from the pinned Go modules."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from deploy.local.golang import find_go, go_environment, required_dapr, required_go
from deploy.local.places import DAPR_MODULE, cache_dir, fingerprint
from deploy.local.problem import Problem
from deploy.local.progress import Say, Steps

PROGRAMS = ("daprd", "placement", "scheduler")
PACKAGES = ("./daprd", "github.com/dapr/dapr/cmd/placement", "github.com/dapr/dapr/cmd/scheduler")
BUILD_TAG = "stablecomponents"


@dataclass(frozen=True)
class DaprRuntime:
    """Paths of the three programs."""

    daprd: Path
    placement: Path
    scheduler: Path

    @classmethod
    def in_folder(cls, folder: Path) -> "DaprRuntime":
        return cls(*(folder / name for name in PROGRAMS))


def find_or_build(steps: Steps) -> DaprRuntime:
    """The runtime to use.

    Raises:
        Problem: none is installed and Go is missing, too old, or the build failed.
    """
    go_mod = (DAPR_MODULE / "go.mod").read_text()
    version = required_dapr(go_mod)
    installed = find_installed(version)
    if installed is not None:
        return installed
    go, go_version = find_go(wanted=required_go(go_mod), dapr=version)
    folder = cache_dir() / "dapr" / _cache_key(go_version)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            _build_into(folder, go, version, steps)
    return DaprRuntime.in_folder(folder)


def find_installed(version: str) -> DaprRuntime | None:
    """The runtime on PATH or of the Dapr CLI (~/.dapr/bin), if it is this version and has all three programs."""
    on_path = shutil.which("daprd")
    folders = [Path(on_path).resolve().parent] if on_path else []
    for folder in [*folders, Path.home() / ".dapr" / "bin"]:
        complete = all(os.access(folder / name, os.X_OK) for name in PROGRAMS)
        if complete and _version_of(folder / "daprd") == version:
            return DaprRuntime.in_folder(folder)
    return None


def _version_of(daprd: Path) -> str:
    answer = subprocess.run([daprd, "--version"], capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def _cache_key(go_version: str) -> str:
    inputs = ("go.mod", "go.sum", "daprd/main.go")
    return fingerprint(go_version, BUILD_TAG, *((DAPR_MODULE / name).read_bytes() for name in inputs))


def _build_into(folder: Path, go: Path, version: str, steps: Steps) -> None:
    """Builds beside the target and renames, so that a build cut short leaves nothing that looks finished."""
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix="build-"))
    try:
        with steps.step(f"Building the Dapr runtime {version} (once; about 7 minutes on 2 cores)") as say:
            _build(scratch, go, version, say)
        scratch.chmod(0o755)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _build(scratch: Path, go: Path, version: str, say: Say) -> None:
    listing = [str(go), "list", "-deps", "-tags", BUILD_TAG, *PACKAGES]
    total = len(_run_go(listing, lambda lines: say(f"fetching modules, {lines} so far")))
    flags = f"-s -w -X github.com/dapr/dapr/pkg/buildinfo.version={version}"
    build = [str(go), "build", "-v", "-buildvcs=false", "-tags", BUILD_TAG, "-ldflags", flags, "-o", f"{scratch}/"]
    _run_go([*build, *PACKAGES], lambda lines: say(f"compiled {lines} of at most {total} packages"))


def _run_go(command: list[str], counted: Callable[[int], None]) -> list[str]:
    """Runs Go and returns the lines of its standard output; calls back with the count of lines on its error output."""
    with tempfile.TemporaryFile("w+") as out:
        go = subprocess.Popen(
            command, cwd=DAPR_MODULE, env=go_environment(), stdout=out, stderr=subprocess.PIPE, text=True
        )
        said: list[str] = []
        assert go.stderr is not None
        try:
            for line in go.stderr:
                said.append(line)
                counted(len(said))
            code = go.wait()
        except BaseException:
            go.kill()
            go.wait()
            raise
        if code != 0:
            raise _build_problem("".join(said[-12:]))
        out.seek(0)
        return out.read().splitlines()


def _build_problem(last_lines: str) -> Problem:
    return Problem(
        "The Dapr runtime could not be built.",
        detail=last_lines,
        remedy="check that Go's module proxy can be reached (`go env GOPROXY`) and that 6 GB of disk are free, "
        "then run the command again; what was compiled is kept.",
    )
