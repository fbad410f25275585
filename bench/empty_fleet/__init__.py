"""The floor with sidecars: a fleet of the same shape as M2N's whose handlers do nothing but pass on.

The same hops, the same saves of the lane and records of the sender, by the same classes; no tenants, no decisions, no
transcript.
"""

from pathlib import Path

from deploy.local.services import Service
from deploy.local.stack import Stack
from tests.faults.echo.deployment import components_with

EDGE = "empty-edge"
NAMES = (EDGE, "empty-intake", "empty-lanes", "empty-engine", "empty-sender")
FLEET = tuple(Service(name, "bench.empty_fleet.app") for name in NAMES)


def empty_fleet(folder: Path) -> Stack:
    """A stack of it on free ports below ``folder``, not started yet."""
    return Stack(folder / "stack", services=FLEET, components=components_with(folder / "components", NAMES))
