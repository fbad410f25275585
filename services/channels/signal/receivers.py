"""One socket for each connection that receives through one: opened, closed and renewed as tenants change theirs.

Each replica of the service holds its own, and the gateway tells them all; a message has one effect however many tell
of it. So there is no leader to be found, and none whose death would lose messages.
"""

import asyncio
from dataclasses import dataclass, field

from fastapi import HTTPException
from pydantic import ValidationError

from m2n.adapters.edge_host import EdgeHost, Resolved
from m2n.dapr import DaprUnavailable
from m2n.guarded_http import PrivateHosts
from m2n.telemetry import log
from services.channels.signal.parse import CHANNEL
from services.channels.signal.receiver import DRAIN_S, Receiver
from services.channels.signal.settings import SignalSettings

LOOK_EVERY_S = 3.0
SUCCESSOR_S = 5.0
"""A socket waits for so long that the one in its place is open."""


@dataclass(frozen=True)
class _Running:
    receiver: Receiver
    task: asyncio.Task[None]


@dataclass
class Receivers:
    host: EdgeHost
    look_every_s: float = LOOK_EVERY_S
    drain_s: float = DRAIN_S
    _running: dict[str, _Running] = field(default_factory=dict)
    """By connection."""
    _ending: set[asyncio.Task[None]] = field(default_factory=set)

    async def follow(self) -> None:
        """Without end."""
        while True:
            await self.look()
            await asyncio.sleep(self.look_every_s)

    async def look(self) -> None:
        """Bring the sockets to what the connections want now."""
        try:
            wanted = {found.connection.id: found for found in await self.host.connections(CHANNEL) if _by_socket(found)}
        except DaprUnavailable as away:
            log().warning("signal connections not known now, sockets stay", error=type(away).__name__)
            return
        for connection_id in [known for known in self._running if known not in wanted]:
            if await self._is_gone(connection_id):
                self._end(self._running.pop(connection_id))
        for connection_id, resolved in wanted.items():
            self._have(connection_id, resolved)

    async def close(self) -> None:
        """End all sockets; what they had read is handed on, as far as time allows."""
        for running in self._running.values():
            self._end(running)
        self._running.clear()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _have(self, connection_id: str, resolved: Resolved) -> None:
        """The new socket opens before the old one closes: nothing is missed in between, and doubles do no harm."""
        known = self._running.get(connection_id)
        if known is not None and not known.task.done() and _same(known.receiver.resolved, resolved):
            known.receiver.resolved = resolved
            return
        receiver = Receiver(resolved, self.host.keep, PrivateHosts.read(self.host.settings.private_hosts))
        self._running[connection_id] = _Running(receiver, asyncio.create_task(receiver.run()))
        if known is not None:
            self._end(known, receiver)

    async def _is_gone(self, connection_id: str) -> bool:
        """A connection may be missing from the list only because its tenant cannot be asked now."""
        try:
            return not _by_socket(await self.host.find(CHANNEL, connection_id))
        except LookupError:
            return True
        except HTTPException:
            return False

    def _end(self, running: _Running, successor: Receiver | None = None) -> None:
        task = asyncio.create_task(self._ended(running, successor))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _ended(self, running: _Running, successor: Receiver | None) -> None:
        if successor is not None:
            await _opened(successor)
        try:
            async with asyncio.timeout(self.drain_s):
                await running.receiver.stop()
                if not running.receiver.is_open:  # it connects or pauses: there is nothing to lose
                    running.task.cancel()
                await asyncio.wait({running.task})
        except TimeoutError:
            connection = running.receiver.resolved.connection.id
            log().error("signal socket ended with frames that were not taken", connection=connection)
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)


async def _opened(receiver: Receiver) -> None:
    try:
        await asyncio.wait_for(receiver.opened.wait(), SUCCESSOR_S)
    except TimeoutError:
        return


def _by_socket(resolved: Resolved) -> bool:
    try:
        return SignalSettings.model_validate(resolved.connection.settings).receive == "websocket"
    except ValidationError:
        return False


def _same(one: Resolved, other: Resolved) -> bool:
    """Whether the same socket serves both."""
    return one.connection == other.connection and one.tenant.id == other.tenant.id and one.secrets == other.secrets
