"""The floor with sidecars: a fleet of the same shape as M2N's whose handlers do nothing but pass on.

The same hops, the same saves of the lane and records of the sender; no tenants, no decisions, no transcript.
"""

import shutil
from pathlib import Path

import yaml

from deploy.local.places import COMPONENTS
from deploy.local.services import Service
from deploy.local.stack import Stack

EDGE = "empty-edge"
NAMES = (EDGE, "empty-intake", "empty-lanes", "empty-router", "empty-engine", "empty-sender")
FLEET = tuple(Service(name, "bench.empty_fleet.app") for name in NAMES)


def empty_fleet(folder: Path) -> Stack:
    """A stack of it on free ports below ``folder``, not started yet."""
    components = folder / "components"
    shutil.copytree(COMPONENTS, components)
    for path in (components / f"{name}.yaml" for name in ("pubsub", "secrets", "state")):
        document = yaml.safe_load(path.read_text())
        document["scopes"] += NAMES
        path.write_text(yaml.safe_dump(document))
    return Stack(folder / "stack", services=FLEET, components=components)
