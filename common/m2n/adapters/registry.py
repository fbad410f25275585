"""Adapters by entry point: a new one is a folder and one line in the project file."""

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from m2n.adapters.channel import Channel
from m2n.tenant import ConnectionKind

GROUPS = {
    ConnectionKind.CHANNEL: "m2n.channels",
    ConnectionKind.ENGINE: "m2n.engines",
    ConnectionKind.DESK: "m2n.desks",
}


class UnknownAdapter(LookupError):
    """No adapter of that name is installed; the message lists those that are."""


@cache
def load(kind: ConnectionKind, name: str) -> Any:
    """The adapter of that name. Raises UnknownAdapter."""
    found = {point.name: point for point in entry_points(group=GROUPS[kind])}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise UnknownAdapter(f"there is no {kind.value} adapter {name!r}; installed are: {known}")
    return found[name].load()


def channel(name: str) -> Channel:
    return load(ConnectionKind.CHANNEL, name)
