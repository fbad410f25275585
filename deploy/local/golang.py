"""The Go toolchain that builds the Dapr runtime."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from deploy.local.problem import Problem

Version = tuple[int, ...]
REMEDY = (
    "install Go {wanted} or newer (https://go.dev/dl) and put it first on PATH, "
    "or install the Dapr CLI and run `dapr init --slim --runtime-version {dapr}`."
)


def required_go(go_mod: str) -> Version:
    """The Go version that a go.mod asks for."""
    found = re.search(r"^go (\d+(?:\.\d+)*)\s*$", go_mod, re.MULTILINE)
    if found is None:
        raise ValueError("go.mod has no `go` line")
    return parse_version(found.group(1))


def required_dapr(go_mod: str) -> str:
    """The version of Dapr that a go.mod pins, without the `v`."""
    found = re.search(r"^\s*github\.com/dapr/dapr v(\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise ValueError("go.mod does not require github.com/dapr/dapr")
    return found.group(1)


def parse_version(text: str) -> Version:
    """`1.26.5` as numbers."""
    return tuple(int(part) for part in text.split("."))


def installed_version(output: str) -> Version | None:
    """The version in the answer of `go version`; None when it is not a release (`go1.27-devel`)."""
    found = re.search(r"\bgo(\d+(?:\.\d+)*)(?=[\s-]|$)", output)
    return parse_version(found.group(1)) if found else None


def version_problem(output: str | None, *, wanted: Version, dapr: str) -> Problem | None:
    """What is wrong with the Go whose `go version` says `output` (None: there is no Go)."""
    needed = ".".join(map(str, wanted))
    remedy = REMEDY.format(wanted=needed, dapr=dapr)
    if output is None:
        return Problem(f"Go is missing: the Dapr runtime {dapr} is built with Go {needed} or newer.", remedy=remedy)
    have = installed_version(output)
    if have is None or have < wanted:
        name = ".".join(map(str, have)) if have else output.strip()
        return Problem(f"Go {name} is too old: the Dapr runtime {dapr} needs Go {needed} or newer.", remedy=remedy)
    return None


def find_go(*, wanted: Version, dapr: str) -> tuple[Path, str]:
    """The `go` on PATH and its version line.

    Raises:
        Problem: there is none, or it is too old. Go's own download of a newer toolchain is switched off.
    """
    found = shutil.which("go")
    output = go_version_line(Path(found)) if found else None
    problem = version_problem(output, wanted=wanted, dapr=dapr)
    if problem is not None:
        raise problem
    return Path(found or ""), (output or "").strip()


def go_version_line(go: Path) -> str:
    """The answer of `go version`, whatever it is."""
    answer = subprocess.run([go, "version"], capture_output=True, text=True, cwd="/", env=go_environment(), check=False)
    return answer.stdout or answer.stderr or "of an unknown version"


def go_environment() -> dict[str, str]:
    """This process's environment, but Go must not fetch another Go by itself."""
    return {**os.environ, "GOTOOLCHAIN": "local"}
