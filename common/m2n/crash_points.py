"""Named points at which a test can make a process die or fail; they do nothing in a normal run.

With M2N_CRASH_POINTS naming a folder, the file ``<folder>/<point>`` is an order for whoever comes by next: the order
is taken (removed), and the process kills itself, or raises when the file says ``raise``.
"""

import os
import signal
from pathlib import Path

_FOLDER = os.environ.get("M2N_CRASH_POINTS", "")


class AskedFor(Exception):
    """A failure that a test asked for."""


def crash_point(name: str) -> None:
    """Die or fail here if that was ordered."""
    if _FOLDER:
        _carry_out(Path(_FOLDER) / name)


def _carry_out(order: Path) -> None:
    taken = order.with_name(f"{order.name}.{os.getpid()}.taken")
    try:
        order.rename(taken)
    except FileNotFoundError:
        return
    if taken.read_text().strip() == "raise":
        raise AskedFor(order.name)
    os.kill(os.getpid(), signal.SIGKILL)
