"""Media of customers and agents: what is known of each piece, its bytes, and links to them.

A piece's id follows from what brought it, so that whoever stores it again after a crash stores the same one. Its record
stands in MongoDB's ``media``; the bytes are in the media store under the tenant's name.
"""

import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from m2n import clock
from m2n.database import Database
from m2n.keys import digest
from m2n.media_links import link
from m2n.media_store import MediaStore, mongo_away, open_media_store
from m2n.message import Media, MediaState, Model, Moment, Name
from m2n.settings import Settings

MIB = 1024 * 1024
MAX_BYTES = 100 * MIB
"""The largest piece that is ever taken, whatever a channel allows; it is held in memory once."""


class MediaTooLarge(ValueError):
    """The piece is larger than what is taken."""


class MediaRecord(Model):
    """What is known of a piece."""

    id: str
    tenant: str
    state: MediaState
    mime: str = "application/octet-stream"
    filename: Name | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    problem: Name | None = None
    created_at: Moment


def media_id(tenant: str, *source: str) -> str:
    """Id of the piece that came in this way: the same for every repeat."""
    return digest("media", tenant, *source, length=32)


class MediaLibrary:
    """Methods raise MediaStoreUnavailable when a store is away."""

    def __init__(self, database: Database, store: MediaStore, public_url: str, link_key: str) -> None:
        self._records, self._store = database["media"], store
        self._public_url, self._key = public_url, link_key

    async def prepare(self) -> None:
        await self._records.create_index([("created_at", ASCENDING)], name="age")
        await self._records.create_index(
            [("try_at", ASCENDING)], name="due", partialFilterExpression={"try_at": {"$exists": True}}
        )

    async def save(
        self, tenant: str, id_: str, content: bytes, *, mime: str, filename: str | None = None
    ) -> MediaRecord:
        """Keep the bytes, then say that they are there: a record ``stored`` never lacks them. May be repeated.

        Raises MediaTooLarge.
        """
        if len(content) > MAX_BYTES:
            raise MediaTooLarge(f"expected at most {MAX_BYTES} bytes")
        await self._store.write(_key(tenant, id_), content, mime)
        record = MediaRecord(
            id=id_,
            tenant=tenant,
            state=MediaState.STORED,
            mime=mime,
            filename=filename,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            created_at=clock.now(),
        )
        await self._put(record, forget=("source", "try_at", "tries", "problem"))
        return record

    async def note(self, record: MediaRecord, **more: Any) -> None:
        """Remember a piece that is not stored (yet), unless it is by now."""
        await self._put(record, unless_stored=True, **more)

    async def give_up(self, record: MediaRecord) -> None:
        """Remember that a piece will never be stored; it is not tried any more."""
        await self._put(record, unless_stored=True, forget=("source", "try_at", "tries"))

    async def record(self, tenant: str, id_: str) -> MediaRecord | None:
        return (await self.records(tenant, [id_])).get(id_)

    async def records(self, tenant: str, ids: Iterable[str]) -> dict[str, MediaRecord]:
        """Those that there are of several pieces, by their ids."""
        keys = [_key(tenant, id_) for id_ in ids]
        if not keys:
            return {}
        with mongo_away():
            found = await self._records.find({"_id": {"$in": keys}}).to_list()
        return {record.id: record for record in map(MediaRecord.model_validate, found)}

    async def read(self, tenant: str, id_: str) -> bytes | None:
        return await self._store.read(_key(tenant, id_))

    def link(self, tenant: str, id_: str, valid_for: timedelta) -> str:
        """An address under which anybody can get the piece, for so long."""
        return link(self._public_url, tenant, id_, self._key, clock.now() + valid_for)

    async def due(self, now: datetime, limit: int) -> list[dict[str, Any]]:
        """Pieces that are to be tried again; raw records, with what ``note`` was given."""
        with mongo_away():
            return await self._records.find({"try_at": {"$lte": now}}).sort("try_at", ASCENDING).limit(limit).to_list()

    async def claim(self, raw: dict[str, Any], until: datetime) -> bool:
        """Take a due piece for oneself until then; False when another was faster."""
        with mongo_away():
            done = await self._records.update_one(
                {"_id": raw["_id"], "try_at": raw["try_at"]}, {"$set": {"try_at": until}}
            )
        return done.modified_count == 1

    async def remove_old(self, before: datetime, limit: int = 100) -> int:
        """Remove pieces that are older, bytes first: a crash in between leaves a record that is found again."""
        with mongo_away():
            old = await self._records.find({"created_at": {"$lt": before}}, {"_id": 1}).limit(limit).to_list()
            for found in old:
                await self._store.delete(found["_id"])
                await self._records.delete_one({"_id": found["_id"]})
        return len(old)

    async def _put(
        self, record: MediaRecord, *, unless_stored: bool = False, forget: tuple[str, ...] = (), **more: Any
    ) -> None:
        values = record.model_dump(exclude={"created_at"}, exclude_none=True) | {"state": record.state.value} | more
        change: dict[str, Any] = {"$set": values, "$setOnInsert": {"created_at": record.created_at}}
        if forget:
            change["$unset"] = dict.fromkeys(forget, "")
        where: dict[str, Any] = {"_id": _key(record.tenant, record.id)}
        if unless_stored:
            where["state"] = {"$ne": MediaState.STORED.value}
        with mongo_away():
            try:
                await self._records.update_one(where, change, upsert=True)
            except DuplicateKeyError:
                if not unless_stored:  # two made it at the same time; the other's record is there now
                    await self._records.update_one(where, change)


def with_record(media: Media, record: MediaRecord) -> Media:
    """The piece as a message carries it, with what is known of it."""
    known = {
        "id": record.id,
        "state": record.state,
        "problem": record.problem,
        "mime": record.mime if record.state is MediaState.STORED else media.mime,
        "filename": media.filename or record.filename,
        "size_bytes": record.size_bytes or media.size_bytes,
        "sha256": record.sha256,
    }
    return media.model_copy(update=known)


@asynccontextmanager
async def media_library(settings: Settings, database: Database) -> AsyncIterator[MediaLibrary]:
    async with open_media_store(settings, database) as store:
        yield MediaLibrary(database, store, settings.public_url, settings.link_key.get_secret_value())


def _key(tenant: str, id_: str) -> str:
    return f"{tenant}/{id_}"
