"""A TCP proxy between two parts of a stack that can refuse, cut and hold connections on order."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

CHUNK = 65536
T = TypeVar("T")


@dataclass
class _Orders:
    refuse: bool = False
    passing: asyncio.Event = field(default_factory=asyncio.Event)
    cuts: int = 0
    """So many requests are passed on whole; then their connection breaks before the answer."""
    cuts_done: int = 0


@dataclass
class FaultProxy:
    """Listens on a port of loopback and passes on to the port that ``target`` names at that time.

    It runs in a thread of its own, so that the code of a test may block. A context manager.
    """

    target: Callable[[], int]
    port: int = 0
    _orders: _Orders = field(default_factory=_Orders)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def __enter__(self) -> Self:
        self._orders.passing.set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def refuse(self, refused: bool) -> None:
        """Cut what is open and take no new connection, or take them again."""
        self._do(self._refuse(refused))

    def hold(self, held: bool) -> None:
        """Nothing passes in either direction, with the connections open, or all of it passes again."""
        self._do(self._hold(held))

    def cut_after_request(self, count: int) -> None:
        """Pass on the next ``count`` requests and break each connection before its answer."""
        self._orders.cuts, self._orders.cuts_done = count, 0

    @property
    def cuts_done(self) -> int:
        return self._orders.cuts_done

    def _do(self, job: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(10)

    async def _hold(self, held: bool) -> None:
        if held:
            self._orders.passing.clear()
        else:
            self._orders.passing.set()

    async def _refuse(self, refused: bool) -> None:
        self._orders.refuse = refused
        if refused:
            self._cut_all()

    def _cut_all(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        self._cut_all()
        await self._server.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._orders.refuse:
            writer.transport.abort()
            return
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.target())
        except OSError:
            writer.transport.abort()
            return
        both = {writer, to_writer}
        self._open |= both
        there = asyncio.create_task(self._pass(reader, to_writer, both, asks=True))
        back = asyncio.create_task(self._pass(to_reader, writer, both, asks=False))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.cancel()
            back.cancel()
            for each in both:
                each.transport.abort()
            self._open -= both

    async def _pass(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, both: set[asyncio.StreamWriter], asks: bool
    ) -> None:
        try:
            while chunk := await source.read(CHUNK):
                await self._orders.passing.wait()
                if not asks and self._orders.cuts:
                    self._orders.cuts -= 1
                    self._orders.cuts_done += 1
                    for each in both:
                        each.transport.abort()
                    return
                to.write(chunk)
                await to.drain()
        except OSError:
            return
