"""Fetching media: credentials stay with their host, limits hold, failures say whether trying again may help."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp
import orjson
import pytest
import pytest_asyncio

from m2n.adapters.capabilities import MediaLimit
from m2n.adapters.channel import MediaCall, NoMedia
from m2n.guarded_http import GuardedHttp, guarded_http
from m2n.media_fetching import Fetched, MediaProblem, fetch

ANY = MediaLimit(1000)
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Host:
    """A server that answers by path, and keeps the heads of what it was asked."""

    url: str = ""
    heads: list[str] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    silent: bool = False

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        if self.silent:
            await reader.read()
        status, headers, body = self.answers.get(head.split(" ")[1], (404, {}, b""))
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
        if "transfer-encoding" not in headers:
            lines.append(f"content-length: {headers.get('x-claims', len(body))}")
        writer.write("\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body)
        await writer.drain()
        writer.close()


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Callable[[], "asyncio.Future[Host]"]]:
    servers: list[asyncio.Server] = []

    async def begin() -> Host:
        host = Host()
        server = await asyncio.start_server(host.take, "127.0.0.1", 0)
        servers.append(server)
        host.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return host

    yield lambda: asyncio.ensure_future(begin())
    for server in servers:
        server.close()


@pytest_asyncio.fixture
async def host(start: Callable[[], "asyncio.Future[Host]"]) -> Host:
    return await start()


@pytest_asyncio.fixture
async def http() -> AsyncIterator[GuardedHttp]:
    async with guarded_http("127.0.0.1", patience=aiohttp.ClientTimeout(total=None, sock_connect=2)) as made:
        yield made


async def problem(http: GuardedHttp, call: MediaCall, limit: MediaLimit = ANY, within_s: float = 5) -> MediaProblem:
    with pytest.raises(MediaProblem) as failed:
        await fetch(http, call, limit, within_s)
    return failed.value


async def test_bytes_type_and_name(http: GuardedHttp, host: Host) -> None:
    named = {"content-type": "image/png; q=1", "content-disposition": 'attachment; filename="a b.png"'}
    host.answers["/m"] = (200, named, b"\x89PNG")
    fetched = await fetch(http, MediaCall(f"{host.url}/m", auth=("sid", "token")), ANY, 5)
    assert fetched == Fetched(b"\x89PNG", "image/png; q=1", "a b.png")
    assert "authorization: Basic c2lkOnRva2Vu" in host.heads[0]


@pytest.mark.parametrize(("path", "mime"), [("/photos/1.jpg", "image/jpeg"), ("/photos/1", "application/octet-stream")])
async def test_where_the_vendor_names_no_type_the_files_name_does(
    http: GuardedHttp, host: Host, path: str, mime: str
) -> None:
    host.answers[path] = (200, {"content-type": "application/octet-stream"}, b"x")
    assert (await fetch(http, MediaCall(f"{host.url}{path}"), ANY, 5)).mime == mime


@pytest.mark.parametrize("odd", ["image", "image/\udcff", "é/png", "image/png\udc80; x"])
async def test_a_type_that_is_none_is_no_trouble(http: GuardedHttp, host: Host, odd: str) -> None:
    host.answers["/m"] = (200, {"content-type": odd}, b"x")
    assert (await fetch(http, MediaCall(f"{host.url}/m"), ANY, 5)).mime == "application/octet-stream"


async def test_a_name_in_no_encoding_can_be_stored(http: GuardedHttp, host: Host) -> None:
    named = {"content-type": "image/png", "content-disposition": 'attachment; filename="a\udcff.png"'}
    host.answers["/m"] = (200, named, b"x")
    name = (await fetch(http, MediaCall(f"{host.url}/m"), ANY, 5)).filename
    assert name is None or name.encode()


async def test_credentials_do_not_follow_to_another_host(
    http: GuardedHttp, host: Host, start: Callable[[], "asyncio.Future[Host]"]
) -> None:
    storage = await start()
    host.answers["/m"] = (307, {"location": f"{storage.url}/file?sig=1"}, b"")
    storage.answers["/file?sig=1"] = (200, {"content-type": "image/png"}, b"x")
    call = MediaCall(f"{host.url}/m", headers={"X-Token": "secret"}, auth=("sid", "token"))
    assert (await fetch(http, call, ANY, 5)).content == b"x"
    assert "secret" in host.heads[0]
    assert "authorization" not in storage.heads[0].lower()
    assert "secret" not in storage.heads[0]


async def test_they_do_follow_on_the_same_host(http: GuardedHttp, host: Host) -> None:
    host.answers["/m"] = (302, {"location": "/n"}, b"")
    host.answers["/n"] = (200, {"content-type": "image/png"}, b"x")
    await fetch(http, MediaCall(f"{host.url}/m", auth=("sid", "token")), ANY, 5)
    assert "authorization" in host.heads[1]


async def test_an_answer_in_json_says_where_the_bytes_are(http: GuardedHttp, host: Host) -> None:
    host.answers["/id"] = (200, {"content-type": "application/json"}, orjson.dumps({"url": f"{host.url}/m"}))
    host.answers["/m"] = (200, {"content-type": "audio/ogg"}, b"sound")
    call = MediaCall(f"{host.url}/id", then=lambda body: MediaCall(orjson.loads(body)["url"]))
    assert (await fetch(http, call, ANY, 5)).content == b"sound"


async def test_what_the_adapter_cannot_read_is_a_problem_for_good(http: GuardedHttp, host: Host) -> None:
    host.answers["/id"] = (200, {}, b"{}")

    def nowhere(_: bytes) -> MediaCall:
        raise NoMedia("the vendor names no address")

    failed = await problem(http, MediaCall(f"{host.url}/id", then=nowhere))
    assert (str(failed), failed.passes) == ("the vendor names no address", False)


async def test_a_redirect_into_a_private_network_is_not_followed(host: Host) -> None:
    named = host.url.removeprefix("http://")
    async with guarded_http(named, patience=aiohttp.ClientTimeout(total=5)) as http:
        host.answers["/m"] = (302, {"location": "http://127.0.0.1:1/latest/meta-data"}, b"")
        failed = await problem(http, MediaCall(f"{host.url}/m"))
    assert (str(failed), failed.passes) == ("its address leads into a private network", False)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://example.org/x", "gopher://x/", "//"])
async def test_other_kinds_of_addresses_are_refused(http: GuardedHttp, host: Host, location: str) -> None:
    host.answers["/m"] = (302, {"location": location}, b"")
    assert not (await problem(http, MediaCall(f"{host.url}/m"))).passes


async def test_endless_redirects_end(http: GuardedHttp, host: Host) -> None:
    host.answers["/m"] = (302, {"location": "/m"}, b"")
    assert "on and on" in str(await problem(http, MediaCall(f"{host.url}/m")))


async def test_a_piece_that_says_it_is_too_large_is_not_read(http: GuardedHttp, host: Host) -> None:
    host.answers["/m"] = (200, {"content-type": "image/png", "x-claims": "1001"}, b"")
    assert str(await problem(http, MediaCall(f"{host.url}/m"))) == "it is larger than 1000 bytes"


async def test_a_piece_that_does_not_say_so_is_cut_off(http: GuardedHttp, host: Host) -> None:
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
    host.answers["/m"] = (200, {"content-type": "image/png", "transfer-encoding": "chunked"}, chunk * 3 + b"0\r\n\r\n")
    assert str(await problem(http, MediaCall(f"{host.url}/m"))) == "it is larger than 1000 bytes"


async def test_a_type_that_is_not_taken(http: GuardedHttp, host: Host) -> None:
    host.answers["/m"] = (200, {"content-type": "text/html"}, b"<html>")
    failed = await problem(http, MediaCall(f"{host.url}/m"), MediaLimit(1000, ("image/",)))
    assert str(failed) == "its type text/html is not taken on this channel"


@pytest.mark.parametrize(("status", "passes"), [(404, False), (403, False), (410, False), (429, True), (503, True)])
async def test_answers_that_pass_and_that_do_not(http: GuardedHttp, host: Host, status: int, passes: bool) -> None:
    host.answers["/m"] = (status, {}, b"")
    failed = await problem(http, MediaCall(f"{host.url}/m"))
    assert (str(failed), failed.passes) == (f"the vendor answered {status}", passes)


async def test_a_silent_vendor_is_not_waited_for(http: GuardedHttp, host: Host) -> None:
    host.silent = True
    assert (await problem(http, MediaCall(f"{host.url}/m"), within_s=0.05)).passes


async def test_a_vendor_that_is_away_may_come_back(http: GuardedHttp) -> None:
    assert (await problem(http, MediaCall("http://127.0.0.1:1/m"))).passes
