"""Calls of vendors: what arrives there, and which failures leave open whether it did."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import pytest_asyncio

from m2n.adapters.channel import VendorCall
from m2n.dapr import DaprClient
from services.delivery.sending import NoAnswer, NotReached
from services.delivery.vendor_calls import VendorCalls, vendor_calls


class Vendor:
    """A server that is told, byte by byte, how to answer; it keeps what it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[bytes] = []
        self.answer = b"HTTP/1.1 201 Created\r\nX-Kind: test\r\nContent-Length: 2\r\n\r\n{}"
        self.silent = False

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        self.requests.append(head + await reader.readexactly(length))
        if self.silent:
            await reader.read()
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@pytest_asyncio.fixture
async def vendor() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    server = await asyncio.start_server(vendor.take, "127.0.0.1", 0)
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield vendor
    server.close()


@pytest_asyncio.fixture
async def calls() -> AsyncIterator[VendorCalls]:
    async with vendor_calls(cast(DaprClient, None), "127.0.0.1") as made:
        yield made


def call(vendor: Vendor, **more: Any) -> VendorCall:
    return VendorCall("POST", f"{vendor.url}/messages", **more)


async def test_a_form_with_name_and_password(vendor: Vendor, calls: VendorCalls) -> None:
    answer = await calls(call(vendor, form=(("Body", "a&b é"), ("To", "+1")), auth=("sid", "token")))
    (request,) = vendor.requests
    assert request.endswith(b"\r\n\r\nBody=a%26b+%C3%A9&To=%2B1")
    assert re.search(rb"(?i:authorization): Basic c2lkOnRva2Vu\r\n", request)
    assert (answer.status_code, answer.headers["x-kind"], answer.json()) == (201, "test", {})


async def test_json_with_headers(vendor: Vendor, calls: VendorCalls) -> None:
    await calls(call(vendor, json=b'{"a":1}', headers={"x-key": "k"}))
    (request,) = vendor.requests
    assert request.endswith(b'\r\n\r\n{"a":1}')
    assert b"content-type: application/json\r\n" in request.lower()
    assert b"x-key: k\r\n" in request.lower()


async def test_a_compressed_answer_is_read(vendor: Vendor, calls: VendorCalls) -> None:
    body = gzip.compress(b'{"sid": "SM1"}')
    head = f"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    vendor.answer = head.encode() + body
    assert (await calls(call(vendor))).json() == {"sid": "SM1"}


async def test_a_redirect_is_not_followed(vendor: Vendor, calls: VendorCalls) -> None:
    vendor.answer = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    assert (await calls(call(vendor))).status_code == 307
    assert len(vendor.requests) == 1


async def test_a_refused_connection_was_not_reached(vendor: Vendor, calls: VendorCalls) -> None:
    server = await asyncio.start_server(vendor.take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(NotReached):
        await calls(VendorCall("POST", f"http://127.0.0.1:{port}/"))


async def test_a_name_that_does_not_exist_was_not_reached(calls: VendorCalls) -> None:
    with pytest.raises(NotReached):
        await calls(VendorCall("POST", "http://nobody.invalid/"))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{}", b"no HTTP\r\n\r\n"])
async def test_a_cut_answer_leaves_it_open_and_is_not_repeated(
    vendor: Vendor, calls: VendorCalls, answer: bytes
) -> None:
    vendor.answer = answer
    with pytest.raises(NoAnswer):
        await calls(call(vendor))
    assert len(vendor.requests) == 1


async def test_silence_leaves_it_open(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.delivery.vendor_calls.CALL_S", 2.05)
    vendor.silent = True
    async with vendor_calls(cast(DaprClient, None), "127.0.0.1") as calls:
        with pytest.raises(NoAnswer):
            await calls(call(vendor))


async def test_a_name_that_nobody_resolves_in_time_was_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has gone out, so the message may be sent again."""

    async def silent(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("aiohttp.TCPConnector._resolve_host", silent)
    monkeypatch.setattr("services.delivery.vendor_calls.CONNECT_S", 0.05)
    monkeypatch.setattr("services.delivery.vendor_calls.CALL_S", 2.5)
    async with vendor_calls(cast(DaprClient, None), "127.0.0.1") as calls:
        with pytest.raises(NotReached):
            await calls(VendorCall("POST", "http://vendor.test/"))
