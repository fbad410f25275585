"""Files of visitors: which are taken, kept, and by whose messages they can be referred to."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2n.media import media_id
from m2n.message import ImageContent, MediaState
from services.channels.webchat.attachments import Upload, claimed, is_genuine, is_taken, safe_filename, ticket
from services.channels.webchat.settings import WebChatSettings
from tests.unit.webchat_parts import KEY, SHOP, Installation, bearer

UPLOAD = Upload("upload-0001", "image/png", "my bike.png", 3)
TICKET = ticket(UPLOAD, "acme-web", "v1", KEY)


@pytest.fixture
def installation() -> Installation:
    return Installation(max_attachment_bytes=1000)


@pytest.fixture
async def pages(installation: Installation) -> AsyncIterator[httpx.AsyncClient]:
    async with installation.pages() as client:
        yield client


async def send(pages: httpx.AsyncClient, content: Any = b"png", mime: str = "image/png", **more: Any) -> httpx.Response:
    params = {"upload": "upload-0001", "filename": "my bike.png"} | more.pop("params", {})
    headers = bearer() | {"content-type": mime, "origin": SHOP} | more
    return await pages.post("/webchat/acme-web/attachments", content=content, params=params, headers=headers)


async def test_file_is_kept_and_becomes_a_message(installation: Installation, pages: httpx.AsyncClient) -> None:
    answer = (await send(pages)).json()
    id_ = media_id("acme", "webchat", "acme-web", "v1", "upload-0001")
    assert installation.library.saved == {("acme", id_): (b"png", "image/png", "my bike.png")}
    assert (answer["type"], answer["size_bytes"]) == ("image", 3)
    assert f"/media/acme/{id_}" in answer["url"]
    posted = {"echo_id": "e1", "attachment": {"id": answer["id"], "caption": "squeaks"}}
    assert (await pages.post("/webhooks/webchat/acme-web", json=posted, headers=bearer())).status_code == 200
    content = installation.queue.kept[0].messages[0].content
    assert isinstance(content, ImageContent)
    assert content.caption == "squeaks"
    media = content.media
    assert (media.id, media.state, media.mime) == (id_, MediaState.STORED, "image/png")
    assert (media.filename, media.size_bytes, media.url) == ("my bike.png", 3, None)


async def test_same_upload_again_is_the_same_file(installation: Installation, pages: httpx.AsyncClient) -> None:
    assert (await send(pages)).json() == (await send(pages)).json()
    assert len(installation.library.saved) == 1


@pytest.mark.parametrize("whose", ["v2", "v1 of another chat"])
async def test_nobody_refers_to_the_file_of_another(
    installation: Installation, pages: httpx.AsyncClient, whose: str
) -> None:
    chat = "acme-web" if whose == "v2" else "globex-web"
    headers = bearer("v2" if whose == "v2" else "v1", connection=chat)
    posted = {"echo_id": "e1", "attachment": {"id": TICKET}}
    assert (await pages.post(f"/webhooks/webchat/{chat}", json=posted, headers=headers)).status_code == 403
    assert installation.queue.kept == []


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 400


@pytest.mark.parametrize(
    ("content", "mime", "more", "status"),
    [
        (b"x" * 1001, "image/png", {}, 413),
        (chunks(3), "image/png", {}, 413),
        (b"", "image/png", {}, 400),
        (b"x", "text/html", {}, 415),
        (b"x", "image/svg+xml", {}, 415),
        (b"x", "", {}, 415),
        (b"x", "image/png", {"authorization": "Bearer x"}, 401),
        (b"x", "image/png", {"origin": "https://evil.example"}, 403),
        (b"x", "image/png", {"params": {"upload": "../../etc"}}, 422),
    ],
)
async def test_what_is_not_taken(
    installation: Installation, pages: httpx.AsyncClient, content: Any, mime: str, more: Any, status: int
) -> None:
    assert (await send(pages, content, mime, **more)).status_code == status
    assert installation.library.saved == {}


async def test_large_files_are_taken_where_they_are_allowed() -> None:
    """The other routes have a much lower limit."""
    installation = Installation()
    async with installation.pages() as pages:
        assert (await send(pages, b"x" * (9 * 1024 * 1024), "application/pdf")).status_code == 200


async def test_chats_without_attachments() -> None:
    installation = Installation(max_attachment_bytes=0)
    async with installation.pages() as pages:
        assert (await send(pages)).status_code == 415


async def test_store_that_is_away(installation: Installation, pages: httpx.AsyncClient) -> None:
    installation.library.away = True
    answer = await send(pages)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")


async def test_uploads_are_counted() -> None:
    installation = Installation(limits={"uploads": 6})
    async with installation.pages() as pages:
        assert [(await send(pages)).status_code for _ in range(3)] == [200, 200, 429]


def test_ticket_is_for_one_visitor_and_one_file() -> None:
    assert is_genuine(TICKET, "acme-web", "v1", KEY)
    assert claimed(TICKET) == UPLOAD
    for connection, visitor, key in (("globex-web", "v1", KEY), ("acme-web", "v2", KEY), ("acme-web", "v1", "other")):
        assert not is_genuine(TICKET, connection, visitor, key)
    assert not is_genuine(TICKET, "acme-web", "v1", "")
    other = ticket(Upload("upload-0002", "image/png", "x", 3), "acme-web", "v1", KEY)
    assert not is_genuine(f"{other.partition('.')[0]}.{TICKET.partition('.')[2]}", "acme-web", "v1", KEY)
    with pytest.raises(ValueError, match="signing key"):
        ticket(UPLOAD, "acme-web", "v1", "")


@given(st.text())
def test_no_ticket_raises(text: str) -> None:
    assert not is_genuine(text, "acme-web", "v1", KEY)
    assert not is_genuine(f"{text}.{text}", "acme-web", "v1", KEY)
    claimed(text)


@given(st.text(max_size=400))
def test_filenames_are_safe(name: str) -> None:
    safe = safe_filename(name)
    assert 0 < len(safe) <= 150
    assert safe.isprintable()
    assert not set(safe) & set('/\\:*?"<>|')
    assert not safe.startswith(".")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("my bike.png", "my bike.png"),
        ("C:\\Users\\ada\\Rechnung März.pdf", "Rechnung März.pdf"),
        ("../../etc/passwd", "passwd"),
        ("", "file"),
        (".htaccess", "htaccess"),
        ("a\r\nb\x00.txt", "ab.txt"),
        ("x" * 300 + ".pdf", "x" * 146 + ".pdf"),
    ],
)
def test_filename(name: str, safe: str) -> None:
    assert safe_filename(name) == safe


def test_types() -> None:
    allowed = WebChatSettings().attachment_types
    for taken in ("image/png", "audio/ogg", "application/pdf", "application/vnd.ms-excel"):
        assert is_taken(taken, allowed)
    for refused in ("image/svg+xml", "text/html", "application/x-sh", "image/pngx", ""):
        assert not is_taken(refused, allowed)
    sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert is_taken(sheet, allowed)
