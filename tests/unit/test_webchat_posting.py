"""What a page posts: into the inbox, onto the queue, counted, and nobody else's."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import HTTPException

from m2n.message import Author, TextContent
from services.channels.webchat.browser import BrowserMessage
from tests.unit.webchat_parts import NOW, SHOP, Installation, bearer


@pytest.fixture
def installation() -> Installation:
    return Installation()


@pytest.fixture
async def pages(installation: Installation) -> AsyncIterator[httpx.AsyncClient]:
    async with installation.pages() as client:
        yield client


async def post(pages: httpx.AsyncClient, body: Any, visitor: str = "v1", **headers: str) -> httpx.Response:
    return await pages.post("/webhooks/webchat/acme-web", json=body, headers=bearer(visitor) | headers)


async def test_message_is_queued_and_stands_in_the_inbox(installation: Installation, pages: httpx.AsyncClient) -> None:
    answer = await post(pages, {"echo_id": "e1", "text": "hello", "name": "Ada"})
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
    (kept,) = installation.queue.kept
    assert [message.vendor_message_id for message in kept.messages] == ["v1:e1"]
    (line,) = installation.box()
    assert (line.id, line.author, line.author_name, line.status) == ("own:e1", Author.CUSTOMER, "Ada", "sent")
    assert line.content == TextContent(text="hello")


async def test_repeat_is_one_message(installation: Installation, pages: httpx.AsyncClient) -> None:
    for _ in range(2):
        assert (await post(pages, {"echo_id": "e1", "text": "hello"})).status_code == 200
    assert [line.id for line in installation.box()] == ["own:e1"]


async def test_message_that_the_queue_did_not_take_waits(installation: Installation, pages: httpx.AsyncClient) -> None:
    """It keeps its place above what is said meanwhile, and says that it is not sent."""
    installation.queue.fails = HTTPException(503, "not taken")
    assert (await post(pages, {"echo_id": "e1", "text": "hello"})).status_code == 503
    assert [line.status for line in installation.box()] == ["sending"]
    installation.queue.fails = None
    await post(pages, {"echo_id": "e2", "text": "there"})
    await post(pages, {"echo_id": "e1", "text": "hello"})
    assert [(line.id, line.status) for line in installation.box()] == [("own:e1", "sent"), ("own:e2", "sent")]


async def test_nothing_is_taken_without_the_inbox(installation: Installation, pages: httpx.AsyncClient) -> None:
    installation.inbox.away = True
    answer = await post(pages, {"echo_id": "e1", "text": "hello"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert installation.queue.kept == []


async def test_typing_is_passed_on_and_not_kept(installation: Installation, pages: httpx.AsyncClient) -> None:
    assert (await post(pages, {"echo_id": "e1", "typing": True})).status_code == 200
    assert [message.content.type for kept in installation.queue.kept for message in kept.messages] == ["typing"]
    assert installation.box() == []


async def test_visitors_say_only_of_their_own_messages_what_they_saw(
    installation: Installation, pages: httpx.AsyncClient
) -> None:
    for visitor, number in (("v1", 1), ("v2", 2)):
        message = BrowserMessage(id=f"s.{number}", author=Author.BOT, content=TextContent(text="x"), at=NOW)
        installation.box(visitor).append(message)
    seen = [{"id": f"s.{number}", "status": "read"} for number in (1, 2, 3)]
    assert (await post(pages, {"receipts": seen})).status_code == 200
    (kept,) = installation.queue.kept
    assert [receipt.message_id for receipt in kept.receipts] == ["s.1"]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"authorization": "Bearer x"}, {"echo_id": "e", "text": "x"}, 403),
        ({"authorization": bearer(connection="globex-web")["authorization"]}, {"echo_id": "e", "text": "x"}, 403),
        ({"authorization": bearer(ttl_s=0)["authorization"]}, {"echo_id": "e", "text": "x"}, 403),
        ({"origin": "https://evil.example"}, {"echo_id": "e", "text": "x"}, 403),
        ({"origin": SHOP}, {"echo_id": "e"}, 400),
    ],
)
async def test_what_is_not_taken(
    installation: Installation, pages: httpx.AsyncClient, headers: dict[str, str], body: Any, status: int
) -> None:
    assert (await post(pages, body, **headers)).status_code == status
    assert installation.queue.kept == []
    assert installation.box() == []


async def test_unknown_chat(pages: httpx.AsyncClient) -> None:
    for connection in ("nobody", "acme-whatsapp", "without-key"):
        assert (await pages.post(f"/webhooks/webchat/{connection}", headers=bearer())).status_code == 404


async def test_huge_posts_are_refused(installation: Installation, pages: httpx.AsyncClient) -> None:
    answer = await pages.post("/webhooks/webchat/acme-web", content=b" " * (1024 * 1024 + 1), headers=bearer())
    assert answer.status_code == 413


async def test_one_visitor_is_slowed_down_and_others_are_not() -> None:
    installation = Installation(limits={"messages": 6, "notes": 30})
    async with installation.pages() as pages:
        answers = [await post(pages, {"echo_id": f"e{n}", "text": "x"}) for n in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        assert answers[-1].headers["retry-after"] == "3"
        assert "messages" in answers[-1].json()["detail"]
        assert (await post(pages, {"echo_id": "t1", "typing": True})).status_code == 200
        assert (await post(pages, {"echo_id": "e1", "text": "x"}, visitor="v2")).status_code == 200
    assert [line.id for line in installation.box()] == ["own:e0", "own:e1"]


async def test_one_address_is_slowed_down_whoever_posts() -> None:
    installation = Installation(limits={"address_posts": 9})
    async with installation.pages() as pages:
        statuses = [
            (await post(pages, {"echo_id": "e", "text": "x"}, visitor=f"v{n}", authorization="Bearer x")).status_code
            for n in range(4)
        ]
    assert statuses == [403, 403, 403, 429]
