"""The proxy passes on, refuses, holds, and cuts between a request and its answer."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.faults.proxy import FaultProxy


class Upper:
    """A server that answers a line in capitals and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            while text := _received(connection):
                self.asked.append(text)
                connection.sendall(text.upper())


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(100)
    except OSError:
        return b""


@pytest.fixture
def server() -> Iterator[Upper]:
    upper = Upper()
    yield upper
    upper.listening.close()


@pytest.fixture
def proxy(server: Upper) -> Iterator[FaultProxy]:
    with FaultProxy(lambda: server.port) as running:
        yield running


def ask(proxy: FaultProxy, text: bytes, limit_s: float = 5) -> bytes:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=limit_s) as connection:
        connection.sendall(text)
        return _received(connection)


def refused(proxy: FaultProxy) -> bool:
    """The connection breaks at once or before an answer, by the moment."""
    try:
        return ask(proxy, b"hello") == b""
    except OSError:
        return True


def test_it_passes_on(proxy: FaultProxy) -> None:
    assert ask(proxy, b"hello") == b"HELLO"


def test_it_refuses_and_takes_again(proxy: FaultProxy) -> None:
    proxy.refuse(True)
    assert refused(proxy)
    proxy.refuse(False)
    assert ask(proxy, b"hello") == b"HELLO"


def test_a_cut_request_was_heard_and_not_answered(proxy: FaultProxy, server: Upper) -> None:
    proxy.cut_after_request(1)
    assert ask(proxy, b"one") == b""
    assert (server.asked, proxy.cuts_done) == ([b"one"], 1)
    assert ask(proxy, b"two") == b"TWO"


def test_held_answers_come_later(proxy: FaultProxy) -> None:
    proxy.hold(True)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=0.3) as connection:
        connection.sendall(b"hello")
        with pytest.raises(TimeoutError):
            connection.recv(100)
        proxy.hold(False)
        connection.settimeout(5)
        assert connection.recv(100) == b"HELLO"
