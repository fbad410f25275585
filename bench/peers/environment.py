"""The peers' packages, in an environment of their own."""

from pathlib import Path

from deploy.local.programs import own_python
from deploy.local.progress import Steps

LOCKED = Path(__file__).parent / "requirements.txt"


def peers_python(steps: Steps) -> Path:
    """Its Python; a second call takes no time.

    Raises:
        Problem: the packages can be neither found nor fetched.
    """
    return own_python("peers", LOCKED, "Fetching the peers", steps)
