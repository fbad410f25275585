"""Holds one connection's socket to the gateway open, and hands on what comes.

The gateway brings nothing twice and keeps nothing for who is not there. So a frame is held until it is taken, and the
next is not looked at before: order is kept, and a store that is away for a while costs nothing but time.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from fastapi import HTTPException
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from m2n import clock
from m2n.adapters.channel import Parsed
from m2n.adapters.edge_host import Resolved
from m2n.guarded_http import PrivateAddress, PrivateHosts
from m2n.telemetry import log, where
from services.channels.signal import gateway
from services.channels.signal.frames import NothingToKeep, read, set_aside
from services.channels.signal.reaching import reach
from services.channels.signal.settings import SignalSettings

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_S = 10.0
"""A socket that was open for so long was a good one: the next attempt comes soon again."""
PING_S = 20.0
OPEN_WITHIN_S = 10.0
CLOSE_WITHIN_S = 2.0
DRAIN_S = 8.0
"""What came before a socket is closed is still handed on, for so long."""
MAX_FRAME = 16 * 1024 * 1024
HELD_FRAMES = 256
"""So many wait in memory behind one that is not taken; then nothing more is read, and the gateway's buffers fill."""
TRIES_UNTIL_SET_ASIDE = 5

Keep = Callable[[Parsed, Resolved], Awaitable[None]]


def jittered(seconds: float) -> float:
    """Between half of it and all of it, so that replicas do not come at once."""
    return seconds * (0.5 + secrets.randbelow(1001) / 2000)


@dataclass
class Pauses:
    """Growing from try to try."""

    first_s: float = FIRST_PAUSE_S
    longest_s: float = LONGEST_PAUSE_S
    _next_s: float = 0

    def start_again(self) -> None:
        self._next_s = 0

    def next(self) -> float:
        self._next_s = min(self._next_s * 2 or self.first_s, self.longest_s)
        return jittered(self._next_s)


@dataclass
class Receiver:
    """One socket, as long as ``run`` is running.

    ``resolved`` may be replaced by a newer one of the same connection. ``opened``: the socket was open once.
    """

    resolved: Resolved
    keep: Keep
    private_hosts: PrivateHosts
    now: Callable[[], datetime] = clock.now
    pauses: Pauses = field(default_factory=Pauses)
    tries: Pauses = field(default_factory=Pauses)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    _socket: ClientConnection | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Until ``stop``: connect, read, and connect again."""
        while not self._stopping.is_set():
            opened_at = clock.monotonic()
            try:
                await self._read_all()
            except PrivateAddress:
                self._log("error", "signal socket not opened: name the gateway's host in M2N_PRIVATE_HOSTS")
            except InvalidStatus as refused:
                self._log("warning", "signal socket refused by the gateway", status=refused.response.status_code)
            except (OSError, WebSocketException, TimeoutError) as lost:
                self._log("warning", "signal socket lost, connects again", error=type(lost).__name__)
            except Exception as failed:
                self._log("error", "signal socket failed", error=type(failed).__name__, where=where(failed))
            finally:
                self._socket = None
            if clock.monotonic() - opened_at >= STEADY_S:
                self.pauses.start_again()
            await self._pause(self.pauses.next())

    @property
    def is_open(self) -> bool:
        """There may be something that was read and not yet taken."""
        return self._socket is not None

    async def stop(self) -> None:
        """No more frames; ``run`` ends when those that came are taken."""
        self._stopping.set()
        if self._socket is not None:
            await self._socket.close()

    async def _read_all(self) -> None:
        settings = SignalSettings.model_validate(self.resolved.connection.settings)
        url = gateway.socket_address(settings)
        async with connect(
            url,
            sock=await reach(url, self.private_hosts),
            additional_headers=gateway.headers(self.resolved.secrets),
            proxy=None,
            open_timeout=OPEN_WITHIN_S,
            close_timeout=CLOSE_WITHIN_S,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            max_size=MAX_FRAME,
            max_queue=HELD_FRAMES,
        ) as self._socket:
            self._log("info", "signal socket open")
            self.opened.set()
            if self._stopping.is_set():
                await self._socket.close()
            await self._take_all(self._socket)

    async def _take_all(self, socket: ClientConnection) -> None:
        """Also what had come when the socket was closed."""
        while True:
            try:
                frame = await socket.recv(decode=False)
            except ConnectionClosed as closed:
                if not self._stopping.is_set():
                    raise closed
                return
            await self._take(frame)

    async def _take(self, frame: bytes) -> None:
        """Hand it on until it is taken."""
        try:
            parsed = read(frame, self.resolved, self.now())
        except NothingToKeep as why:
            self._log("warning", "signal frame passed over", why=str(why))
            return
        self.tries.start_again()
        failures = 0
        while True:
            try:
                return await self.keep(parsed, self.resolved)
            except HTTPException as away:
                self._log("warning", "signal frame not taken, held", status=away.status_code)
            except Exception as failed:
                failures += 1
                self._log("error", "signal frame not taken, held", error=type(failed).__name__, where=where(failed))
                if failures >= TRIES_UNTIL_SET_ASIDE:
                    parsed = set_aside(frame, type(failed).__name__)
            await asyncio.sleep(self.tries.next())

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def _log(self, level: str, event: str, **facts: object) -> None:
        named = {"tenant": self.resolved.tenant.id, "connection": self.resolved.connection.id}
        getattr(log(), level)(event, **named, **facts)
