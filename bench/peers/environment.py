"""The peers' packages, in an environment of their own: hash-locked, made once below the cache folder."""

from pathlib import Path

from deploy.local import programs
from deploy.local.progress import Steps

LOCKED = Path(__file__).parent / "requirements.txt"
REMEDY = "check that the package index can be reached, then run the command again."


def peers_python(steps: Steps) -> Path:
    """Its Python; a second call takes no time.

    Raises:
        Problem: the packages can be neither found nor fetched.
    """
    locked = str(LOCKED)
    folder = programs._made(locked, "Fetching the peers", lambda into: programs._own_venv(locked, into), REMEDY, steps)
    return folder / "bin" / "python"
