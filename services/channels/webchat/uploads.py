"""Files of visitors, straight into the media store."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Protocol

from fastapi import HTTPException, Query, Request
from pydantic import BaseModel

from m2n.media import MediaRecord
from m2n.media_store import MediaStoreUnavailable
from services.channels.webchat.attachments import Upload, bare_type, content_of, is_taken, safe_filename, ticket
from services.channels.webchat.doors import Doors
from services.channels.webchat.lookup import Chat
from services.channels.webchat.tokens import Visitor

AT_ONCE = 8
"""So many uploads are held in memory at the same time; more are asked to come again."""
WITHIN_S = 120.0
LINK_FOR = timedelta(hours=24)
"""A page shows media with links that are good for so long; each time it connects it gets new ones."""


class Library(Protocol):
    """What is needed of ``m2n.media.MediaLibrary``."""

    async def save(
        self, tenant: str, id_: str, content: bytes, *, mime: str, filename: str | None = None
    ) -> MediaRecord: ...
    def link(self, tenant: str, id_: str, valid_for: timedelta) -> str: ...


class UploadAnswer(BaseModel):
    """Answer of POST /webchat/{connection}/attachments. ``id`` is what the message refers to."""

    id: str
    type: str
    mime: str
    filename: str
    size_bytes: int
    url: str | None


@dataclass
class Uploads:
    doors: Doors
    library: Library
    _under_way: int = field(default=0, init=False)

    async def take(
        self,
        connection: str,
        request: Request,
        upload: Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{8,64}$")],
        filename: Annotated[str, Query(max_length=1000)] = "file",
    ) -> UploadAnswer:
        """One file, as the body: 401 no token, 413 too large, 415 another type, 429 too many, 503 not now."""
        chat = await self.doors.opened(connection, request)
        limits = chat.settings.limits
        await self.doors.count_address(chat, "posts", limits.address_posts, request)
        visitor = self.doors.visitor(chat, request)
        await self.doors.count_visitor(chat, "uploads", limits.uploads, visitor)
        mime = _type(request, chat)
        content = await self._read(request, chat.settings.max_attachment_bytes)
        saved = Upload(upload, mime, safe_filename(filename), len(content))
        return await self._save(chat, visitor, saved, content)

    async def _save(self, chat: Chat, visitor: Visitor, upload: Upload, content: bytes) -> UploadAnswer:
        owner = chat.owner(visitor.id)
        id_ = owner.media_id(upload.id)
        try:
            await self.library.save(chat.tenant, id_, content, mime=upload.mime, filename=upload.filename)
        except MediaStoreUnavailable as away:
            raise _not_now("the media store does not answer") from away
        return UploadAnswer(
            id=ticket(upload, chat.connection, visitor.id, chat.key),
            type=content_of(upload, owner, None).type,
            mime=upload.mime,
            filename=upload.filename,
            size_bytes=upload.size_bytes,
            url=self._link(chat.tenant, id_),
        )

    def _link(self, tenant: str, id_: str) -> str | None:
        try:
            return self.library.link(tenant, id_, LINK_FOR)
        except ValueError:
            return None

    async def _read(self, request: Request, most: int) -> bytes:
        """Never more than is allowed, whatever the request says of itself."""
        declared = request.headers.get("content-length", "0")
        if declared.isascii() and declared.isdigit() and int(declared) > most:
            raise _too_large(most)
        if self._under_way >= AT_ONCE:
            raise _not_now("too many uploads at the same time")
        self._under_way += 1
        try:
            async with asyncio.timeout(WITHIN_S):
                return await _body(request, most)
        except TimeoutError as slow:
            raise HTTPException(408, f"body: expected the file within {WITHIN_S:.0f} s") from slow
        finally:
            self._under_way -= 1


async def _body(request: Request, most: int) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            raise _too_large(most)
    if not content:
        raise HTTPException(400, "body: expected the file's bytes")
    return bytes(content)


def _type(request: Request, chat: Chat) -> str:
    mime = bare_type(request.headers.get("content-type", ""))
    if chat.settings.max_attachment_bytes == 0 or not is_taken(mime, chat.settings.attachment_types):
        raise HTTPException(415, "content-type: files of this type are not taken")
    return mime


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"body: expected at most {most} bytes")


def _not_now(why: str) -> HTTPException:
    return HTTPException(503, f"{why}; please try again", headers={"retry-after": "3"})
