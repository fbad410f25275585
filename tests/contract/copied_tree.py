"""A copy of the tree with an environment of its own, in which commands may change files and entry points."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NOT_COPIED = (".git", ".venv", ".m2n", "__pycache__", "*.pyc", ".*_cache", ".hypothesis", "*.egg-info")


@dataclass(frozen=True)
class Tree:
    path: Path

    def run(self, *command: str, expect: int | None = 0) -> str:
        """The command's output, errors included; it must end with that status unless ``expect`` is None."""
        done = subprocess.run(
            command, cwd=self.path, env=_environment(), capture_output=True, text=True, timeout=110, check=False
        )
        said = done.stdout + done.stderr
        assert expect is None or done.returncode == expect, said[-6_000:]
        return said


def copied_tree(path: Path) -> Tree:
    """The packages that are installed here serve there, too; only our own is installed anew."""
    shutil.copytree(ROOT, path, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    environment = path / ".venv"
    venv.create(environment, symlinks=True, with_pip=False)
    packages = sysconfig.get_path("purelib", vars={"base": str(environment)})
    Path(packages, "shared.pth").write_text(sysconfig.get_path("purelib"))
    for program in ("uv", "ruff", "pyright"):
        (environment / "bin" / program).symlink_to(Path(sys.executable).with_name(program))
    for mark in (".uv", ".installed"):
        (environment / mark).touch()
    tree = Tree(path)
    tree.run(".venv/bin/uv", *_INSTALL)
    return tree


_INSTALL = ("pip", "install", "-q", "--offline", "--no-deps", "--no-build-isolation", "-p", ".venv", "-e", ".")


def _environment() -> dict[str, str]:
    """Nothing of the environment that the tests themselves run in."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}
    return kept | {"COLUMNS": "120"}
