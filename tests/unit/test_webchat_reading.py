"""What a page is told over a long poll, and how others' news gets there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from m2n.message import Author, ImageContent, Media, TextContent
from services.channels.webchat.browser import BrowserMessage
from services.channels.webchat.inbox import VisitorKey
from services.channels.webchat.reading import with_fresh_links
from services.channels.webchat.routes import MAX_READERS
from tests.unit.webchat_parts import NOW, SHOP, Installation, bearer

INTERNAL = "/internal/webchat/acme-web/visitors/v1"


@pytest.fixture
def installation() -> Installation:
    return Installation()


@pytest.fixture
async def pages(installation: Installation) -> AsyncIterator[httpx.AsyncClient]:
    async with installation.pages() as client:
        yield client


def message(number: int, author: Author = Author.BOT, content: Any = None) -> BrowserMessage:
    id_ = f"own:e{number}" if author is Author.CUSTOMER else f"s.{number}"
    return BrowserMessage(id=id_, author=author, content=content or TextContent(text=f"text {number}"), at=NOW)


async def poll(pages: httpx.AsyncClient, last: str = "", **params: Any) -> list[dict[str, Any]]:
    headers = bearer() | {"origin": SHOP} | ({"last-event-id": last} if last else {})
    answer = await pages.get("/webchat/acme-web/messages", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["events"]


async def test_what_is_there_comes_at_once(installation: Installation, pages: httpx.AsyncClient) -> None:
    installation.box().extend([message(1), message(2, Author.CUSTOMER), message(3)])
    events = await poll(pages, wait=20, both=True)
    assert [event["id"] for event in events] == ["s.1", "own:e2", "s.3"]
    assert [event["id"] for event in await poll(pages, "s.1", both=True)] == ["own:e2", "s.3"]
    assert await poll(pages, "s.3", both=True) == []


async def test_pages_that_do_not_ask_for_it_hear_nothing_of_their_own(
    installation: Installation, pages: httpx.AsyncClient
) -> None:
    installation.box().extend([message(1), message(2, Author.CUSTOMER), message(3)])
    assert [event["id"] for event in await poll(pages)] == ["s.1", "s.3"]


async def waiting(pages: httpx.AsyncClient, **params: Any) -> "asyncio.Task[list[dict[str, Any]]]":
    task = asyncio.create_task(poll(pages, wait=20, both=True, **params))
    await asyncio.sleep(0)  # so that it has begun
    return task


async def test_news_end_the_wait(installation: Installation, pages: httpx.AsyncClient) -> None:
    task = await waiting(pages)
    sent = message(1).model_dump(mode="json", exclude_none=True)
    assert (await pages.post(f"{INTERNAL}/messages", json=sent)).json() == {"new": True}
    async with asyncio.timeout(2):
        assert [event["id"] for event in await task] == ["s.1"]


async def test_typing_is_told_to_who_waits_and_to_nobody_later(pages: httpx.AsyncClient) -> None:
    body = {"typing": {"on": True, "author": "agent", "author_name": "Kim"}}
    assert (await pages.post(f"{INTERNAL}/signals", json=body)).status_code == 204
    task = await waiting(pages)
    while not task.done():
        assert (await pages.post(f"{INTERNAL}/signals", json=body)).status_code == 204
        await asyncio.sleep(0.01)  # until it waits
    (event, *_) = await task
    assert (event["event"], event["data"]) == ("typing", body["typing"])
    assert await poll(pages, both=True) == []


async def test_what_was_read_is_told_and_remembered(installation: Installation, pages: httpx.AsyncClient) -> None:
    installation.box().append(message(1, Author.CUSTOMER))
    await pages.post(f"{INTERNAL}/signals", json={"read": "v1:e1"})
    (_, status) = await poll(pages, both=True)
    assert (status["event"], status["data"]) == ("status", {"read_to": "own:e1"})
    assert await poll(pages, "own:e1", both=True, read_to="own:e1") == []


async def test_readers_are_bounded(installation: Installation, pages: httpx.AsyncClient) -> None:
    key = VisitorKey("acme", "acme-web", "v1").id
    with ExitStack() as readers:
        for _ in range(MAX_READERS):
            readers.enter_context(installation.inbox.wakeups.waiter(key))
        for path in ("events", "messages"):
            answer = await pages.get(f"/webchat/acme-web/{path}", headers=bearer())
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
        assert (await pages.get("/webchat/acme-web/messages", headers=bearer("v2"))).status_code == 200
    assert (await pages.get("/webchat/acme-web/messages", headers=bearer())).status_code == 200


async def test_reads_are_counted_by_address() -> None:
    installation = Installation(limits={"address_reads": 6})
    async with installation.pages() as pages:
        asked = [(await pages.get("/webchat/acme-web/messages", headers=bearer(f"v{n}"))).status_code for n in range(3)]
    assert asked == [200, 200, 429]


async def test_waits_are_bounded(pages: httpx.AsyncClient) -> None:
    answer = await pages.get("/webchat/acme-web/messages", params={"wait": 26}, headers=bearer())
    assert answer.status_code == 422


async def test_links_to_stored_media_are_made_anew(installation: Installation, pages: httpx.AsyncClient) -> None:
    stored = ImageContent(media=Media(id="m" * 32, url="https://hooks.example/media/acme/old?until=1"))
    elsewhere = ImageContent(media=Media(url="https://cdn.example/cat.png"))
    installation.box().extend([message(1, content=stored), message(2, content=elsewhere)])
    links = [event["data"]["content"]["media"]["url"] for event in await poll(pages)]
    assert links == [f"https://hooks.example/media/acme/{'m' * 32}?for=3600", "https://cdn.example/cat.png"]


def test_without_a_key_for_links_there_are_none() -> None:
    def link(_: str) -> str:
        raise ValueError("no key")

    stored = message(1, content=ImageContent(media=Media(id="m" * 32)))
    assert with_fresh_links(link)(stored) == stored
