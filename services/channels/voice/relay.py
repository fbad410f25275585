"""The socket of a call in mode ``relay``: the caller's words come as text, ours go out as text.

One loop does all of it, frame by frame and look by look, so that an interruption never meets a message half sent.
Should the socket break, Twilio asks ``relay-end``, and the call goes on sentence by sentence.
"""

import asyncio
import hmac
from contextlib import suppress
from dataclasses import dataclass, field

from fastapi import HTTPException, WebSocket
from pymongo.errors import PyMongoError
from starlette.websockets import WebSocketDisconnect

from m2n.adapters.edge_host import EdgeHost, as_received
from m2n.service import where
from m2n.telemetry import log
from m2n.wake_ups import Waiter
from services.channels.twilio_core.form import pairs
from services.channels.twilio_core.signature import HEADER, is_genuine, signature
from services.channels.voice import relay_frames
from services.channels.voice.calls import Calls
from services.channels.voice.incoming import Line, find_line
from services.channels.voice.relay_frames import Frame, Setup
from services.channels.voice.relay_talk import RelayTalk
from services.channels.voice.telling import Telling

NOT_ALLOWED = 1008
TRY_AGAIN = 1013
SETUP_WITHIN_S = 10.0
LOOK_AGAIN_S = 2.0
"""A look into the call, also when nothing woke it."""
MOST_WAITING = 100
"""Frames that are read ahead."""


def add_socket(host: EdgeHost, calls: Calls, telling: Telling) -> None:
    async def relay(websocket: WebSocket, connection: str) -> None:
        """Refused before the handshake is over unless it is Twilio's; closed with 1008 when it is not the account's."""
        try:
            line = await find_line(host, connection)
        except HTTPException as refused:
            return await websocket.close(TRY_AGAIN if refused.status_code == 503 else NOT_ALLOWED)
        if not is_twilios(websocket, line):
            log().warning("voice socket refused: signature", tenant=line.resolved.tenant.id, connection=connection)
            return await websocket.close(NOT_ALLOWED)
        await websocket.accept()
        await _Session(websocket, line, calls, telling).run()

    host.app.add_api_websocket_route("/voice/{connection}/relay", relay)


def is_twilios(websocket: WebSocket, line: Line) -> bool:
    """The handshake's signature is over the address with ``wss``; parameters of a query count as a form's."""
    site = "ws" + line.script.site.removeprefix("http")
    request = as_received(site, websocket, "GET", b"")
    if is_genuine(request, line.token):
        return True
    address, _, asked = request.url.partition("?")
    wanted = signature(line.token, address, pairs(asked.encode("latin-1", "replace")))
    claimed = request.headers.get(HEADER, "")
    return bool(asked and line.token) and hmac.compare_digest(wanted.encode(), claimed.encode("utf-8", "replace"))


@dataclass
class _Session:
    websocket: WebSocket
    line: Line
    calls: Calls
    telling: Telling
    _frames: asyncio.Queue[Frame | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    """None: the socket is closed."""

    async def run(self) -> None:
        reading = asyncio.create_task(self._read())
        try:
            setup = await self._setup()
            if setup is None:
                return await self._close(NOT_ALLOWED)
            await self._talk(RelayTalk(self.line, setup, self.calls, self.telling, self._send))
        except Exception as failed:
            log().error("a call's socket met a failure", error=type(failed).__name__, where=where(failed))
            await self._close(1011)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _talk(self, talk: RelayTalk) -> None:
        with self.calls.wakeups.waiter(talk.key.id) as waiter:
            while not talk.over:
                try:
                    await talk.look()
                except PyMongoError as away:
                    log().warning("a call's messages cannot be read now", error=type(away).__name__)
                if not await self._next_event(talk, waiter):
                    return
        await self._close(1000)

    async def _next_event(self, talk: RelayTalk, waiter: Waiter) -> bool:
        """Waits for a frame, for news or for what is due by time; false when the socket is closed."""
        getting = asyncio.create_task(self._frames.get())
        woken = asyncio.create_task(waiter.wait(min(LOOK_AGAIN_S, talk.due_in())))
        try:
            await asyncio.wait((getting, woken), return_when=asyncio.FIRST_COMPLETED)
            if not getting.done():
                return True
            frame = getting.result()
            if frame is not None:
                await self._take(talk, frame)
            return frame is not None
        finally:
            for task in (getting, woken):
                task.cancel()
            await asyncio.gather(getting, woken, return_exceptions=True)

    async def _take(self, talk: RelayTalk, frame: Frame) -> None:
        try:
            await talk.take(frame)
        except PyMongoError as away:
            log().warning("what a caller did is not noted", error=type(away).__name__)

    async def _setup(self) -> Setup | None:
        """The first frame, if it is of a call of this account."""
        try:
            async with asyncio.timeout(SETUP_WITHIN_S):
                first = await self._frames.get()
        except TimeoutError:
            return None
        if isinstance(first, Setup) and first.account == self.line.settings.account_sid:
            return first
        return None

    async def _read(self) -> None:
        """Frames of a kind that is not known are left out."""
        try:
            while True:
                frame = relay_frames.read(await self.websocket.receive_text())
                if frame is not None:
                    await self._frames.put(frame)
        except (WebSocketDisconnect, KeyError, RuntimeError):  # closed, or a frame that is no text
            await self._frames.put(None)

    async def _send(self, frame: str) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):  # the reader hears of it, too
            await self.websocket.send_text(frame)

    async def _close(self, code: int) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            await self.websocket.close(code)
