"""Customers' media on the way to the lane: stored, put off or given up, and never in the way of the message."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from m2n.adapters.capabilities import Capabilities, MediaLimit
from m2n.adapters.channel import ChannelDefaults, MediaCall, NoMedia
from m2n.adapters.registry import UnknownAdapter
from m2n.dapr import DaprUnavailable
from m2n.media import MediaRecord
from m2n.media_fetching import Fetched, MediaProblem
from m2n.media_store import MediaStoreUnavailable
from m2n.message import ImageContent, Inbound, Media, MediaState, StickerContent, VideoContent, media_of
from m2n.tenant import Connection, ConnectionKind, TenantSnapshot
from services.identification import media_intake
from services.identification.intake import Passing
from services.identification.media_intake import AT_ONCE_OF_CONNECTION, MediaIntake, Piece
from tests.unit.builders import NOON, inbound, tenant

PICTURE = Media(url="https://vendor.example/m/1", mime="image/jpeg")


class Shelf:
    """A media library in memory."""

    def __init__(self) -> None:
        self.records: dict[str, MediaRecord] = {}
        self.more: dict[str, dict[str, Any]] = {}
        self.bytes: dict[str, bytes] = {}
        self.store_away = self.all_away = False
        self.saved = asyncio.Event()

    async def record(self, _: str, id_: str) -> MediaRecord | None:
        if self.all_away:
            raise MediaStoreUnavailable("away")
        return self.records.get(id_)

    async def save(self, tenant: str, id_: str, content: bytes, *, mime: str, filename: str | None) -> MediaRecord:
        if self.store_away:
            raise MediaStoreUnavailable("away")
        made = MediaRecord(
            id=id_, tenant=tenant, state=MediaState.STORED, mime=mime, filename=filename, created_at=NOON
        )
        self.records[id_], self.bytes[id_] = made, content
        self.more.pop(id_, None)
        self.saved.set()
        return made

    async def note(self, record: MediaRecord, **more: Any) -> None:
        self.records[record.id], self.more[record.id] = record, more

    async def give_up(self, record: MediaRecord) -> None:
        self.records[record.id] = record
        self.more.pop(record.id, None)

    async def due(self, now: datetime, limit: int) -> list[dict[str, Any]]:
        found = [(id_, more) for id_, more in self.more.items() if more["try_at"] <= now]
        return [{"_id": id_, **self.records[id_].model_dump(), **more} for id_, more in found[:limit]]

    async def claim(self, raw: dict[str, Any], until: datetime) -> bool:
        self.more[raw["_id"]]["try_at"] = until
        return True


class PictureChannel(ChannelDefaults):
    name = "pictures"
    capabilities = Capabilities(text=100, received={"image": MediaLimit(1000), "sticker": MediaLimit(1000)})

    def media_call(self, media: Media, connection: Connection, secrets: Mapping[str, str]) -> MediaCall:
        if media.url is None:
            raise NoMedia("the vendor gave no address")
        return MediaCall(media.url, auth=("sid", secrets["token"]))


class Directory:
    away = False
    tenant_id = "acme"

    async def connection(self, connection_id: str) -> tuple[TenantSnapshot, Connection]:
        if self.away:
            raise DaprUnavailable("away")
        found = Connection(id=connection_id, kind=ConnectionKind.CHANNEL, adapter="pictures")
        return TenantSnapshot(tenant=tenant(id=self.tenant_id), version=1), found

    async def secrets(self, _: Connection) -> dict[str, str]:
        return {"token": "t"}


class Bench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shelf, self.directory, self.calls = Shelf(), Directory(), list[MediaCall]()
        self.gives: Fetched | MediaProblem = Fetched(b"jpeg", "image/jpeg")
        self.gate, self.asked = asyncio.Event(), asyncio.Semaphore(0)
        self.gate.set()
        self.intake = MediaIntake(self.shelf, None, self.directory, lambda _: PictureChannel())  # pyright: ignore[reportArgumentType]
        monkeypatch.setattr(media_intake, "fetch", self._fetch)
        monkeypatch.setattr(media_intake.clock, "now", lambda: self.now)
        self.now = NOON

    async def _fetch(self, _: object, call: MediaCall, limit: MediaLimit, within_s: float) -> Fetched:
        assert limit.max_bytes == 1000
        self.calls.append(call)
        self.asked.release()
        await self.gate.wait()
        if isinstance(self.gives, MediaProblem):
            raise self.gives
        return self.gives

    async def takes(self, media: Media = PICTURE, number: int = 1) -> Media:
        found = media_of((await self.intake.with_media(picture(media, number))).content)
        assert found is not None
        return found

    async def tries_again(self) -> None:
        """One look of the job beside."""
        for raw in await self.shelf.due(self.now, 10):
            await self.shelf.claim(raw, self.now + timedelta(minutes=2))
            await self.intake.try_once(Piece.read(raw), 60, int(raw["tries"]))


def picture(media: Media = PICTURE, number: int = 1) -> Inbound:
    return inbound(number=number, content=ImageContent(media=media, caption="look"))


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


async def test_a_piece_is_stored_before_the_message_goes_on(bench: Bench) -> None:
    media = await bench.takes()
    assert (media.state, media.mime) == (MediaState.STORED, "image/jpeg")
    assert bench.shelf.bytes == {media.id: b"jpeg"}
    assert bench.calls[0].auth == ("sid", "t")


async def test_the_same_message_again_fetches_nothing_again(bench: Bench) -> None:
    first = await bench.takes()
    assert await bench.takes() == first
    assert len(bench.calls) == 1


async def test_two_messages_are_two_pieces(bench: Bench) -> None:
    assert (await bench.takes(number=1)).id != (await bench.takes(number=2)).id


async def test_a_text_and_a_piece_that_is_stored_already_pass_untouched(bench: Bench) -> None:
    stored = picture(PICTURE.model_copy(update={"id": "x" * 32, "state": MediaState.STORED}))
    for message in (inbound("hello"), stored):
        assert await bench.intake.with_media(message) is message
    assert bench.calls == []


async def test_a_vendor_that_is_away_does_not_hold_the_message(bench: Bench) -> None:
    bench.gives = MediaProblem("the vendor answered 503", passes=True)
    media = await bench.takes()
    assert (media.state, media.problem) == (MediaState.PENDING, "the vendor answered 503")
    bench.gives, bench.now = Fetched(b"jpeg", "image/jpeg"), NOON + timedelta(seconds=29)
    await bench.tries_again()
    assert len(bench.calls) == 1, "not before its time"
    bench.now = NOON + timedelta(seconds=31)
    await bench.tries_again()
    assert bench.shelf.records[str(media.id)].state is MediaState.STORED


async def test_pauses_grow_and_end(bench: Bench) -> None:
    bench.gives = MediaProblem("the vendor answered 503", passes=True)
    media = await bench.takes()
    pauses: list[float] = []
    while bench.shelf.more:
        pauses.append((bench.shelf.more[str(media.id)]["try_at"] - bench.now).total_seconds())
        bench.now += timedelta(seconds=pauses[-1])
        await bench.tries_again()
    assert pauses[:4] == [30, 60, 120, 240]
    assert (max(pauses), len(pauses)) == (3600, media_intake.TRIES - 1)
    assert bench.shelf.records[str(media.id)].state is MediaState.FAILED


@pytest.mark.parametrize(
    ("media", "gives", "why"),
    [
        (PICTURE, MediaProblem("it is larger than 1000 bytes"), "it is larger than 1000 bytes"),
        (PICTURE.model_copy(update={"url": None}), Fetched(b"", ""), "the vendor gave no address"),
    ],
)
async def test_what_can_never_be_had_is_marked_and_the_message_goes_on(
    bench: Bench, media: Media, gives: Fetched | MediaProblem, why: str
) -> None:
    bench.gives = gives
    taken = await bench.takes(media)
    assert (taken.state, taken.problem) == (MediaState.FAILED, why)
    assert bench.shelf.more == {}


async def test_a_kind_that_the_channel_does_not_have(bench: Bench) -> None:
    found = media_of((await bench.intake.with_media(inbound(content=VideoContent(media=PICTURE)))).content)
    assert found is not None
    assert found.problem == "the channel has no media of the kind video"


async def test_another_tenants_connection_gives_nothing(bench: Bench) -> None:
    bench.directory.tenant_id = "other"
    assert (await bench.takes()).problem == "its connection is another tenant's"
    assert bench.calls == []


async def test_a_bucket_that_is_away_does_not_hold_the_message(bench: Bench) -> None:
    bench.shelf.store_away = True
    assert (await bench.takes()).state is MediaState.PENDING


async def test_tenants_that_cannot_be_asked_do_not_hold_the_message(bench: Bench) -> None:
    bench.directory.away = True
    assert (await bench.takes()).state is MediaState.PENDING


async def test_a_message_waits_when_nothing_can_be_noted_of_its_piece(bench: Bench) -> None:
    bench.shelf.all_away = True
    with pytest.raises(Passing):
        await bench.takes()


async def test_a_slow_vendor_of_one_connection_takes_few_places(bench: Bench) -> None:
    bench.gate.clear()
    waiting = [asyncio.create_task(bench.takes(number=number)) for number in range(AT_ONCE_OF_CONNECTION)]
    await asyncio.gather(*(bench.asked.acquire() for _ in waiting))
    media = await bench.takes(number=99)
    assert (media.state, media.problem) == (MediaState.PENDING, "others are being fetched")
    bench.gate.set()
    assert {media.state for media in await asyncio.gather(*waiting)} == {MediaState.STORED}
    await bench.tries_again()
    assert bench.shelf.records[str(media.id)].state is MediaState.STORED


async def test_the_job_beside_does_what_is_due(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.gives = MediaProblem("the vendor answered 503", passes=True)
    media = await bench.takes()
    bench.gives, bench.now = Fetched(b"jpeg", "image/jpeg"), NOON + timedelta(minutes=1)
    job = asyncio.create_task(bench.intake.try_again())
    await bench.shelf.saved.wait()
    assert bench.shelf.records[str(media.id)].state is MediaState.STORED
    job.cancel()
    with suppress(asyncio.CancelledError):
        await job


async def test_a_sticker_is_a_piece_too(bench: Bench) -> None:
    message = await bench.intake.with_media(inbound(content=StickerContent(media=PICTURE, emoji="👍")))
    found = media_of(message.content)
    assert found is not None
    assert found.state is MediaState.STORED


async def test_a_channel_that_is_not_installed_gives_no_media_and_holds_nothing_up(bench: Bench) -> None:
    def find(name: str) -> Any:
        raise UnknownAdapter(name)

    bench.intake.find = find
    found = await bench.takes()
    assert (found.state, found.problem) == (
        MediaState.FAILED,
        "its connection does not exist or is not complete",
    )
    assert bench.calls == []
