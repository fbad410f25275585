"""Media in the real stores: MongoDB's GridFS, and a bucket that speaks S3; links, and who may open them."""

import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aioboto3
import httpx
import pytest
import pytest_asyncio

from deploy.local.health import http_answers
from deploy.local.programs import find_programs
from deploy.local.progress import Steps
from m2n import clock
from m2n.media import MediaLibrary, MediaRecord, MediaTooLarge, media_id
from m2n.media_links import link
from m2n.media_store import GridFsStore, MediaStore, open_media_store
from m2n.message import MediaState
from tests.stack.tenant_documents import unused_id
from tests.stack.world import World
from tests.waiting import eventually

pytestmark = pytest.mark.stack
KEY = "a long random text"
REGION = "eu-central-1"


@pytest.fixture(scope="module")
def s3_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 server of one's own."""
    folder, port = tmp_path_factory.mktemp("s3"), _free_port()
    environment = os.environ | {
        "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SERVICES": "s3", "S3_DATA_DIR": str(folder),
        "STATE_DIR": str(folder), "TMPDIR": str(folder), "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    server = subprocess.Popen(
        [str(find_programs(Steps()).sqs_python), "-m", "ministack"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest_asyncio.fixture(params=["gridfs", "s3"])
async def store(
    request: pytest.FixtureRequest, database: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MediaStore]:
    if request.param == "gridfs":
        yield GridFsStore(database)
        return
    address = request.getfixturevalue("s3_address")

    async def answers() -> bool:
        return http_answers(f"{address}/_ministack/health")

    await eventually(answers)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    bucket = unused_id("media")
    async with AsyncExitStack() as opened:
        made: Any = aioboto3.Session(region_name=REGION).client("s3", endpoint_url=address)
        client = await opened.enter_async_context(made)
        await client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    settings: Any = SimpleNamespace(media_bucket=bucket, media_endpoint=address, aws_region=REGION)
    async with open_media_store(settings, database) as store:
        yield store


@pytest_asyncio.fixture
async def library(store: MediaStore, database: Any) -> MediaLibrary:
    made = MediaLibrary(database, store, "https://m2n.example", KEY)
    await made.prepare()
    return made


def pending(id_: str) -> MediaRecord:
    return MediaRecord(id=id_, tenant="acme", state=MediaState.PENDING, problem="not yet", created_at=clock.now())


async def test_bytes_come_back_as_they_were(library: MediaLibrary) -> None:
    content, id_ = os.urandom(700_000), media_id("acme", "1")
    saved = await library.save("acme", id_, content, mime="image/png", filename="a.png")
    assert await library.read("acme", id_) == content
    found = await library.record("acme", id_)
    assert found is not None
    assert found.model_dump(exclude={"created_at"}) == saved.model_dump(exclude={"created_at"})
    assert (saved.size_bytes, saved.filename, saved.state) == (700_000, "a.png", MediaState.STORED)


async def test_saved_again_it_is_the_same_piece(library: MediaLibrary, database: Any) -> None:
    id_ = media_id("acme", "1")
    for content in (b"half", b"whole"):
        await library.save("acme", id_, content, mime="image/png")
    assert await library.read("acme", id_) == b"whole"
    assert await database["media"].count_documents({}) == 1


async def test_another_tenant_has_none_of_it(library: MediaLibrary) -> None:
    id_ = media_id("acme", "1")
    await library.save("acme", id_, b"x", mime="image/png")
    assert await library.read("other", id_) is None
    assert await library.record("other", id_) is None


async def test_what_is_not_there_yet_never_hides_what_is(library: MediaLibrary) -> None:
    id_ = media_id("acme", "1")
    await library.note(pending(id_), source={"kind": "image"}, try_at=clock.now(), tries=1)
    await library.save("acme", id_, b"x", mime="image/png")
    await library.note(pending(id_), source={}, try_at=clock.now(), tries=2)
    record = await library.record("acme", id_)
    assert record is not None
    assert (record.state, record.problem) == (MediaState.STORED, None)
    assert await library.due(clock.now() + timedelta(days=1), 10) == []


async def test_a_due_piece_is_claimed_by_one(library: MediaLibrary) -> None:
    await library.note(pending("p" * 32), source={}, try_at=clock.now() - timedelta(seconds=1), tries=1)
    (raw,) = await library.due(clock.now(), 10)
    later = clock.now() + timedelta(minutes=1)
    assert [await library.claim(raw, later), await library.claim(raw, later)] == [True, False]
    assert await library.due(clock.now(), 10) == []


async def test_given_up_it_is_not_due_any_more(library: MediaLibrary) -> None:
    await library.note(pending("p" * 32), source={}, try_at=clock.now() - timedelta(seconds=1), tries=1)
    failed = pending("p" * 32).model_copy(update={"state": MediaState.FAILED, "problem": "gone"})
    await library.give_up(failed)
    assert await library.due(clock.now(), 10) == []
    record = await library.record("acme", "p" * 32)
    assert record is not None
    assert record.problem == "gone"


async def test_old_pieces_go_with_their_bytes(library: MediaLibrary) -> None:
    id_ = media_id("acme", "1")
    await library.save("acme", id_, b"x", mime="image/png")
    assert await library.remove_old(clock.now() - timedelta(days=1)) == 0
    assert await library.remove_old(clock.now() + timedelta(seconds=1)) == 1
    assert await library.read("acme", id_) is None
    assert await library.record("acme", id_) is None


async def test_a_piece_above_the_bound_is_not_taken(library: MediaLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("m2n.media.MAX_BYTES", 10)
    with pytest.raises(MediaTooLarge):
        await library.save("acme", "p" * 32, b"x" * 11, mime="image/png")


# -- links ---------------------------------------------------------------------------------------------------------


class Opened:
    def __init__(self, world: World) -> None:
        self.world, self.key = world, _link_key(world)

    async def get(
        self, tenant: str, id_: str, seconds: float = 60, key: str | None = None, **change: str
    ) -> httpx.Response:
        until = clock.now() + timedelta(seconds=seconds)
        url = httpx.URL(link(self.world.stack.url("webhooks"), tenant, id_, key or self.key, until))
        return await self.world.edge.get(url.copy_merge_params(change))

    async def save(self, content: bytes, mime: str, filename: str | None = None) -> str:
        id_ = media_id("acme-bikes", os.urandom(8).hex())
        library = MediaLibrary(self.world.database, GridFsStore(self.world.database), "http://x", self.key)
        await library.save("acme-bikes", id_, content, mime=mime, filename=filename)
        return id_


def _link_key(world: World) -> str:
    credentials = json.loads((Path(world.stack.data_dir) / "credentials.json").read_text())
    return credentials["link_key"]


async def test_a_good_link_opens_a_piece_that_nothing_runs_in(world: World) -> None:
    opened = Opened(world)
    id_ = await opened.save(b"<svg onload='alert(1)'>", "image/svg+xml", 'a"\r\nb é.svg')
    answer = await opened.get("acme-bikes", id_)
    assert (answer.status_code, answer.content) == (200, b"<svg onload='alert(1)'>")
    assert answer.headers["content-disposition"] == 'attachment; filename="a___b__.svg"'
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_picture_is_shown(world: World) -> None:
    opened = Opened(world)
    answer = await opened.get("acme-bikes", await opened.save(b"\x89PNG", "image/png"))
    assert answer.headers["content-disposition"].startswith("inline")


async def test_links_that_are_not_good(world: World) -> None:
    opened = Opened(world)
    id_ = await opened.save(b"x", "image/png")
    refused = [
        await opened.get("acme-bikes", id_, seconds=-1),
        await opened.get("acme-bikes", id_, key="another key"),
        await opened.get("acme-bikes", id_, sig="x"),
        await opened.get("acme-bikes", id_, until="99999999999"),
        await opened.get("acme-bikes", id_, until="²"),
        await world.edge.get(f"/media/acme-bikes/{id_}"),
    ]
    assert {answer.status_code for answer in refused} == {403}
    assert (await opened.get("nordlicht", id_)).status_code == 404, "another tenant's link leads to nothing"
