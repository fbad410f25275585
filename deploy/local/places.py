"""Where things are: the checkout, and the cache that all stacks of this user share."""

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = ROOT / "components"
DAPR_MODULE = ROOT / "deploy" / "dapr"
REQUIREMENTS = ROOT / "deploy" / "requirements"
DEFAULT_DATA_DIR = ROOT / ".m2n"


def cache_dir() -> Path:
    """The cache folder, below XDG_CACHE_HOME if that is set."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "m2n"


def fingerprint(*parts: bytes | str) -> str:
    """A short name for this combination of inputs."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()[:16]
