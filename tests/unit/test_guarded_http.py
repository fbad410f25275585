"""Requests to addresses that others name never reach into a private network, whatever name or redirect leads there."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from m2n.guarded_http import GuardedHttp, PrivateHosts, blocked, guarded_http, is_public

PATIENCE = aiohttp.ClientTimeout(total=5)


@pytest_asyncio.fixture
async def inside() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server on loopback that must never be asked, and what it was asked."""
    asked: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    server.close()


@pytest_asyncio.fixture
async def http() -> AsyncIterator[GuardedHttp]:
    async with guarded_http("", patience=PATIENCE) as made:
        yield made


async def get(http: GuardedHttp, url: str) -> bytes:
    async with http.session(url).get(url, allow_redirects=False) as answer:
        return await answer.read()


async def test_loopback_is_not_connected_to(http: GuardedHttp, inside: tuple[str, list[bytes]]) -> None:
    with pytest.raises(aiohttp.ClientConnectorError) as refused:
        await get(http, f"http://{inside[0]}/latest/meta-data")
    assert blocked(refused.value)
    assert inside[1] == []


async def test_a_public_name_that_leads_inside_is_not_followed(
    http: GuardedHttp, inside: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is asked for at the moment of connecting: what it said before (rebinding) counts for nothing."""
    port = int(inside[0].rpartition(":")[2])

    async def resolved(*_: Any, **__: Any) -> list[Any]:
        address = ("127.0.0.1", port)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved, raising=False)
    with pytest.raises(aiohttp.ClientConnectorError) as refused:
        await get(http, f"http://media.vendor.example:{port}/a.jpg")
    assert blocked(refused.value)
    assert inside[1] == []


async def test_a_host_that_the_operator_named_is_free(inside: tuple[str, list[bytes]]) -> None:
    async with guarded_http(f"gateway, {inside[0]}", patience=PATIENCE) as http:
        assert await get(http, f"http://{inside[0]}/") == b"secret"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "198.18.0.1", "192.0.2.1",
    ],
)  # fmt: skip
def test_addresses_of_private_networks(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://signal:8080/v2/send", True),
        ("http://signal/v2/send", False),
        ("https://gate.local:8443/x", True),
        ("http://GATE.local/x", True),
        ("http://signal.evil.example:8080/", False),
        ("http://signal:8080@evil.example/", False),
        ("http://[::1]:9/x", True),
        ("http://x:99999/", False),
        ("signal:8080", False),
    ],
)
def test_hosts_that_an_operator_names(url: str, named: bool) -> None:
    assert PrivateHosts.read("signal:8080, gate.local ,[::1]:9").has(url) is named
