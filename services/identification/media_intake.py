"""Customers' media on the way to the lane: fetched before the message goes on, or marked as coming or as failed.

The vendor keeps a piece for minutes or days only, so it is fetched in the order of the customer's messages, before the
lane sees them. A slow or dead vendor does not hold the lane up: after a few seconds the message goes on, the piece is
``pending``, and it is tried again beside. Who looks at it (``m2n.media``) sees what became of it.

If the process dies while it fetches, the queue gives the message again, and the same piece is stored under the same id.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from m2n import clock
from m2n.adapters.channel import Channel, NoMedia
from m2n.adapters.registry import UnknownAdapter, channel
from m2n.dapr import DaprUnavailable, NotTaken
from m2n.guarded_http import GuardedHttp
from m2n.keys import vendor_key
from m2n.media import MediaLibrary, MediaRecord, media_id, with_record
from m2n.media_fetching import UNTYPED, MediaProblem, fetch
from m2n.media_store import MediaStoreUnavailable
from m2n.message import Inbound, Media, MediaState, media_of
from m2n.serialization import from_json, to_json
from m2n.telemetry import log
from m2n.tenant import Connection
from m2n.tenants import TenantDirectory, UnknownConnection, UnknownTenant
from services.identification.intake import Passing

INLINE_S = 8.0
"""So long a message waits for its media."""
BESIDE_S = 60.0
AT_ONCE = 16
"""So many pieces are fetched inline at the same time; the rest of the intake's workers are always free of media."""
AT_ONCE_OF_CONNECTION = 4
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
TRIES = 14
"""About seven hours; vendors' addresses that live longer are rare, and a person can ask the customer again."""
LOOK_EVERY_S = 2.0
TIDY_EVERY_S = 3600.0


@dataclass
class MediaIntake:
    library: MediaLibrary
    http: GuardedHttp
    directory: TenantDirectory
    find: Callable[[str], Channel] = channel
    _inline: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _of_connection: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def with_media(self, message: Inbound) -> Inbound:
        """The message with what is known of its piece of media. Raises Passing when that cannot be kept."""
        media = media_of(message.content)
        if media is None or media.state is not None:
            return message
        try:
            record = await self._settled(message, media)
        except MediaStoreUnavailable as away:
            raise Passing(f"media: {away}") from away
        content = message.content.model_copy(update={"media": with_record(media, record)})
        return message.model_copy(update={"content": content})

    async def _settled(self, message: Inbound, media: Media) -> MediaRecord:
        id_ = media_id(message.tenant, vendor_key(message))
        known = await self.library.record(message.tenant, id_)
        if known is not None:
            return known
        piece = Piece(message.tenant, id_, message.address.connection, message.content.type, media)
        if self._inline.locked() or self._of_connection[piece.connection] >= AT_ONCE_OF_CONNECTION:
            return await self._put_off(piece, "others are being fetched", tries=0)
        self._of_connection[piece.connection] += 1
        try:
            async with self._inline:
                return await self.try_once(piece, INLINE_S, tries=0)
        finally:
            self._of_connection[piece.connection] -= 1
            if not self._of_connection[piece.connection]:
                del self._of_connection[piece.connection]

    async def try_once(self, piece: "Piece", within_s: float, tries: int) -> MediaRecord:
        """Stored, to be tried again, or failed for good. Raises MediaStoreUnavailable when not even that is kept."""
        try:
            found, adapter, secrets = await self._connection(piece)
            limit = adapter.capabilities.received.get(piece.kind)
            if limit is None:
                raise MediaProblem(f"the channel has no media of the kind {piece.kind}")
            fetched = await fetch(self.http, adapter.media_call(piece.media, found, secrets), limit, within_s)
            filename = piece.media.filename or fetched.filename
            mime = (piece.media.mime or UNTYPED) if fetched.mime == UNTYPED else fetched.mime
            return await self.library.save(piece.tenant, piece.id, fetched.content, mime=mime, filename=filename)
        except NoMedia as none:
            return await self._given_up(piece, str(none))
        except MediaProblem as problem:
            if problem.passes and tries + 1 < TRIES:
                return await self._put_off(piece, str(problem), tries + 1)
            return await self._given_up(piece, str(problem))
        except (DaprUnavailable, MediaStoreUnavailable) as away:
            return await self._put_off(piece, type(away).__name__, tries + 1)

    async def _connection(self, piece: "Piece") -> tuple[Connection, Channel, dict[str, str]]:
        try:
            snapshot, found = await self.directory.connection(piece.connection)
            if snapshot.tenant.id != piece.tenant:
                raise MediaProblem("its connection is another tenant's")
            return found, self.find(found.adapter), await self.directory.secrets(found)
        except (UnknownConnection, UnknownTenant, UnknownAdapter, NotTaken) as gone:
            raise MediaProblem("its connection does not exist or is not complete") from gone

    async def _put_off(self, piece: "Piece", why: str, tries: int) -> MediaRecord:
        pause = min(FIRST_PAUSE * 2 ** max(tries - 1, 0), LONGEST_PAUSE) if tries else timedelta(0)
        log().warning("media put off", tenant=piece.tenant, media=piece.id, why=why, tries=tries)
        record = piece.record(MediaState.PENDING, why)
        await self.library.note(record, source=piece.source, try_at=clock.now() + pause, tries=tries)
        return record

    async def _given_up(self, piece: "Piece", why: str) -> MediaRecord:
        log().error("media not to be had", tenant=piece.tenant, media=piece.id, why=why)
        record = piece.record(MediaState.FAILED, why)
        await self.library.give_up(record)
        return record

    # -- beside the intake -------------------------------------------------------------------------------------

    async def try_again(self) -> None:
        """Fetch what was put off, for ever. A process that dies with a piece leaves it to the next after a while."""
        while True:
            for raw in await self.library.due(clock.now(), AT_ONCE):
                if await self.library.claim(raw, clock.now() + timedelta(seconds=BESIDE_S + 30)):
                    await self.try_once(Piece.read(raw), BESIDE_S, int(raw.get("tries", 0)))
            await asyncio.sleep(LOOK_EVERY_S)

    async def remove_old(self, days: int) -> None:
        """Remove what is older than it is kept, for ever."""
        while True:
            while await self.library.remove_old(clock.now() - timedelta(days=days)):
                continue
            await asyncio.sleep(TIDY_EVERY_S)


@dataclass(frozen=True)
class Piece:
    """A piece of media that is to be fetched."""

    tenant: str
    id: str
    connection: str
    kind: str
    media: Media

    @classmethod
    def read(cls, raw: dict[str, Any]) -> "Piece":
        source = raw["source"]
        media = from_json(Media, source["media"])
        return cls(raw["tenant"], raw["id"], source["connection"], source["kind"], media)

    @property
    def source(self) -> dict[str, str]:
        """What it takes to try again. The address may hold a vendor's signature, so it is no secret of ours."""
        return {"connection": self.connection, "kind": self.kind, "media": to_json(self.media).decode()}

    def record(self, state: MediaState, problem: str) -> MediaRecord:
        return MediaRecord(
            id=self.id,
            tenant=self.tenant,
            state=state,
            mime=self.media.mime or "application/octet-stream",
            filename=self.media.filename,
            problem=problem[:300],
            created_at=clock.now(),
        )
