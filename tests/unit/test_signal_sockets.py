"""The sockets through which Signal's messages come: nothing is lost, order stays, and tenants change theirs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
import structlog.testing
from fastapi import HTTPException
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from m2n.adapters.channel import Parsed
from m2n.adapters.edge_host import EdgeHost, Resolved
from m2n.dapr import DaprUnavailable
from m2n.message import TextContent
from m2n.tenant import Connection, ConnectionKind
from services.channels.signal import receiver
from services.channels.signal.adapter import channel
from services.channels.signal.edge import edge
from services.channels.signal.receiver import Pauses
from services.channels.signal.receivers import Receivers
from tests.unit.builders import tenant
from tests.waiting import until

NUMBER, UUID = "+15550100001", "00000000-0000-4000-8000-000000000001"


def frame(text: str, sent_ms: int = 1_772_452_740_000, account: str = NUMBER) -> str:
    envelope = {"sourceUuid": UUID, "timestamp": sent_ms, "dataMessage": {"timestamp": sent_ms, "message": text}}
    return orjson.dumps({"envelope": envelope, "account": account}).decode()


async def still_open(socket: ServerConnection) -> None:
    """The other side has not begun to close it: what it sends before its answer has come."""
    await (await socket.ping())


@dataclass
class Gateway:
    """A gateway's socket: who is connected, with which path and token."""

    port: int = 0
    open: list[ServerConnection] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    refuses: int | None = None
    redirects: str = ""
    waiting: int = 0
    lets_in: asyncio.Event = field(default_factory=asyncio.Event)
    server: Server | None = None

    async def connected(self, socket: ServerConnection) -> None:
        request = cast(Request, socket.request)
        self.paths.append(request.path)
        self.tokens.append(request.headers.get("Authorization", ""))
        self.open.append(socket)
        try:
            await socket.wait_closed()
        finally:
            self.open.remove(socket)

    async def first_look(self, socket: ServerConnection, _: Request) -> Response | None:
        self.waiting += 1
        await self.lets_in.wait()
        self.waiting -= 1
        if self.redirects:
            response = socket.respond(302, "there\n")
            response.headers["Location"] = self.redirects
            return response
        return socket.respond(self.refuses, "no\n") if self.refuses else None

    async def tell(self, *frames: str | bytes) -> None:
        await until(lambda: bool(self.open))
        for each in frames:
            for socket in tuple(self.open):
                await socket.send(each)

    async def start(self) -> None:
        self.lets_in.set()
        self.server = await serve(self.connected, "127.0.0.1", self.port, process_request=self.first_look)
        self.port = next(iter(self.server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        assert self.server is not None
        self.server.close()
        await self.server.wait_closed()


@dataclass
class Host:
    """What the webhooks service offers, of which only this much is asked for."""

    known: dict[str, Resolved] = field(default_factory=dict)
    kept: list[Parsed] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)
    tried: int = 0
    unknown_now: Exception | None = None
    cannot_be_asked: set[str] = field(default_factory=set)
    settings: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(private_hosts="127.0.0.1"))

    async def connections(self, _: str) -> tuple[Resolved, ...]:
        if self.unknown_now is not None:
            raise self.unknown_now
        return tuple(found for name, found in self.known.items() if name not in self.cannot_be_asked)

    async def find(self, _: str, connection_id: str) -> Resolved:
        if connection_id in self.cannot_be_asked:
            raise HTTPException(503)
        return self.known[connection_id]

    async def keep(self, parsed: Parsed, resolved: Resolved) -> None:
        assert resolved.connection.id in self.known or not self.known
        self.tried += 1
        if self.fails:
            raise self.fails.pop(0)
        self.kept.append(parsed)

    @property
    def texts(self) -> list[str]:
        contents = [message.content for parsed in self.kept for message in parsed.messages]
        return [content.text for content in contents if isinstance(content, TextContent)]


def resolved(gateway: Gateway, connection_id: str = "acme-signal", token: str = "", **settings: Any) -> Resolved:
    made = Connection(
        id=connection_id,
        kind=ConnectionKind.CHANNEL,
        adapter="signal",
        settings={"number": NUMBER, "base_url": f"http://127.0.0.1:{gateway.port}", "receive": "websocket", **settings},
    )
    secrets = {"path-secret": "s3cret"} | ({"gateway-token": token} if token else {})
    return Resolved(tenant(), made, channel, secrets)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that a test can wait for."""
    monkeypatch.setattr(Pauses, "next", lambda _: 0.01)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    made = Gateway()
    await made.start()
    yield made
    await made.stop()


@asynccontextmanager
async def running(host: Host, drain_s: float = 5) -> AsyncIterator[Receivers]:
    found = Receivers(cast(EdgeHost, host), look_every_s=0.01, drain_s=drain_s)
    following = asyncio.create_task(found.follow())
    try:
        yield found
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await found.close()


async def test_messages_come_in_order(gateway: Gateway) -> None:
    host = Host({"acme-signal": resolved(gateway, token="t0ken")})
    async with running(host):
        await gateway.tell(*(frame(str(number), 1000 + number) for number in range(50)))
        await until(lambda: len(host.texts) == 50)
    assert host.texts == [str(number) for number in range(50)]
    assert (gateway.paths, gateway.tokens) == (["/v1/receive/+15550100001"], ["Bearer t0ken"])
    assert gateway.open == []


async def test_a_frame_is_held_until_it_is_taken_and_none_overtakes_it(gateway: Gateway) -> None:
    host = Host({"acme-signal": resolved(gateway)}, fails=[HTTPException(503) for _ in range(7)])
    async with running(host):
        await gateway.tell(frame("one", 1), frame("two", 2))
        await until(lambda: len(host.texts) == 2)
    assert host.texts == ["one", "two"]
    assert host.tried == 9


async def test_what_was_read_is_still_taken_when_the_service_ends(gateway: Gateway) -> None:
    host = Host({"acme-signal": resolved(gateway)}, fails=[HTTPException(503) for _ in range(20)])
    async with running(host):
        await gateway.tell(*(frame(str(number), 1000 + number) for number in range(5)))
        await until(lambda: host.tried > 0)
    assert host.texts == ["0", "1", "2", "3", "4"]


async def test_a_frame_that_is_never_taken_does_not_keep_the_service_from_ending(gateway: Gateway) -> None:
    host = Host({"acme-signal": resolved(gateway)}, fails=[HTTPException(503) for _ in range(100_000)])
    with structlog.testing.capture_logs() as logs:
        async with running(host, drain_s=0.1):
            await gateway.tell(frame("one"))
            await until(lambda: host.tried > 0)
    assert host.kept == []
    assert "signal socket ended with frames that were not taken" in [entry["event"] for entry in logs]


async def test_one_that_no_try_can_take_is_set_aside_and_the_others_go_on(gateway: Gateway) -> None:
    host = Host({"acme-signal": resolved(gateway)}, fails=[RuntimeError() for _ in range(5)])
    async with running(host):
        await gateway.tell(frame("poison", 1), frame("two", 2))
        await until(lambda: host.texts == ["two"])
    (part,) = host.kept[0].unreadable
    assert (part.body, part.reason) == (frame("poison", 1).encode(), "RuntimeError")


@pytest.mark.parametrize("bad", ["{", "7", b"\xff\xfe", '{"envelope":{"timestamp":"x"},"account":"+15550100001"}'])
async def test_what_cannot_be_read_is_kept_as_it_came(gateway: Gateway, bad: str | bytes) -> None:
    host = Host({"acme-signal": resolved(gateway)})
    async with running(host):
        await gateway.tell(bad, frame("after"))
        await until(lambda: host.texts == ["after"])
    (part,) = host.kept[0].unreadable
    assert part.body == (bad if isinstance(bad, bytes) else bad.encode())


async def test_errors_and_other_accounts_messages_are_told_in_the_log_without_their_words(gateway: Gateway) -> None:
    host = Host({"acme-signal": resolved(gateway)})
    with structlog.testing.capture_logs() as logs:
        async with running(host):
            await gateway.tell('{"error":"private words"}', frame("private words", account="+15550100009"), frame("ok"))
            await until(lambda: host.texts == ["ok"])
    assert len(host.kept) == 1
    passed_over = [entry["why"] for entry in logs if entry["event"] == "signal frame passed over"]
    assert passed_over == ["the gateway tells of an error of its own", "of another account"]
    assert "private words" not in repr(logs)
    assert "s3cret" not in repr(logs)


async def test_connects_again_when_the_gateway_was_away(gateway: Gateway) -> None:
    host = Host({"acme-signal": resolved(gateway)})
    async with running(host):
        await gateway.tell(frame("before", 1))
        await until(lambda: host.texts == ["before"])
        await gateway.stop()
        await gateway.start()
        await gateway.tell(frame("after", 2))
        await until(lambda: host.texts == ["before", "after"])


async def test_tries_again_when_the_gateway_refuses(gateway: Gateway) -> None:
    host = Host({"acme-signal": resolved(gateway)})
    gateway.refuses = 401
    with structlog.testing.capture_logs() as logs:
        async with running(host):
            await until(lambda: any(entry.get("status") == 401 for entry in logs))
            gateway.refuses = None
            await gateway.tell(frame("in"))
            await until(lambda: host.texts == ["in"])


async def test_a_gateway_within_is_reached_only_if_the_operator_has_named_it(gateway: Gateway) -> None:
    host = Host({"acme-signal": resolved(gateway)}, settings=SimpleNamespace(private_hosts="signal:8080"))
    with structlog.testing.capture_logs() as logs:
        async with running(host):
            await until(lambda: any("M2N_PRIVATE_HOSTS" in entry["event"] for entry in logs))
    assert gateway.paths == []


async def test_the_gateway_leads_nowhere_else(gateway: Gateway) -> None:
    host, elsewhere = Host({"acme-signal": resolved(gateway)}), Gateway()
    await elsewhere.start()
    gateway.redirects = f"ws://127.0.0.1:{elsewhere.port}/"
    with structlog.testing.capture_logs() as logs:
        async with running(host):
            await until(lambda: any(entry["event"] == "signal socket failed" for entry in logs))
    await elsewhere.stop()
    assert elsewhere.paths == []


async def test_sockets_follow_the_connections(gateway: Gateway) -> None:
    host = Host({"acme-signal": resolved(gateway, receive="webhook")})
    async with running(host):
        host.known["acme-other"] = resolved(gateway, "acme-other", number="+15550100002")
        await until(lambda: gateway.paths == ["/v1/receive/+15550100002"])
        host.known["acme-signal"] = resolved(gateway)
        await until(lambda: len(gateway.open) == 2)
        del host.known["acme-other"]
        await until(lambda: len(gateway.open) == 1)
        host.known["acme-signal"] = resolved(gateway, receive="webhook")
        await until(lambda: gateway.open == [])


async def test_changed_settings_open_the_new_socket_before_the_old_one_closes(gateway: Gateway) -> None:
    host = Host({"acme-signal": resolved(gateway)})
    async with running(host):
        await until(lambda: len(gateway.open) == 1)
        (old,) = gateway.open
        gateway.lets_in.clear()
        host.known["acme-signal"] = resolved(gateway, token="new")
        await until(lambda: gateway.waiting == 1)
        await still_open(old)
        gateway.lets_in.set()
        await until(lambda: len(gateway.open) == 1 and old not in gateway.open)
        await gateway.tell(frame("still here"))
        await until(lambda: host.texts == ["still here"])
    assert gateway.tokens == ["", "Bearer new"]


async def test_a_new_rule_of_the_tenants_needs_no_new_socket(gateway: Gateway) -> None:
    host = Host({"acme-signal": resolved(gateway)})
    seen: list[Resolved] = []

    async def keep(parsed: Parsed, found: Resolved) -> None:
        seen.append(found)

    host.keep = keep  # pyright: ignore[reportAttributeAccessIssue]
    async with running(host) as sockets:
        await until(lambda: len(gateway.open) == 1)
        changed = resolved(gateway)
        host.known["acme-signal"] = Resolved(tenant(name="Acme AG"), changed.connection, channel, changed.secrets)
        await sockets.look()
        await gateway.tell(frame("x"))
        await until(lambda: bool(seen))
    assert seen[0].tenant.name == "Acme AG"
    assert len(gateway.paths) == 1


async def test_sockets_stay_while_the_tenants_cannot_be_asked(gateway: Gateway) -> None:
    host = Host({"acme-signal": resolved(gateway)})
    async with running(host) as sockets:
        await until(lambda: len(gateway.open) == 1)
        (only,) = gateway.open
        host.cannot_be_asked.add("acme-signal")
        await sockets.look()
        await still_open(only)
        host.unknown_now = DaprUnavailable("away")
        await sockets.look()
        await still_open(only)
    assert len(gateway.paths) == 1


async def test_the_channels_edge_opens_and_closes_them(gateway: Gateway) -> None:
    host = Host({"acme-signal": resolved(gateway)})
    async with edge.open(cast(EdgeHost, host)):
        await gateway.tell(frame("x"))
        await until(lambda: host.texts == ["x"])
    assert gateway.open == []


def test_pauses_grow_and_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(receiver, "jittered", lambda seconds: seconds)
    pauses = Pauses(first_s=0.5, longest_s=4)
    assert [pauses.next() for _ in range(6)] == [0.5, 1, 2, 4, 4, 4]
    pauses.start_again()
    assert pauses.next() == 0.5


def test_pauses_differ_so_that_replicas_do_not_come_at_once() -> None:
    found = {receiver.jittered(10) for _ in range(200)}
    assert len(found) > 50
    assert min(found) >= 5
    assert max(found) <= 10
