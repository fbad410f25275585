"""Stored media for whoever has a good link: desks, vendors, customers' pages."""

from fastapi import APIRouter, HTTPException, Response

from m2n import clock
from m2n.media import MediaLibrary
from m2n.media_links import is_good
from m2n.media_store import MediaStoreUnavailable
from m2n.message import MediaState

SHOWN_INLINE = ("image/png", "image/jpeg", "image/gif", "image/webp", "audio/", "video/")
"""Types that a browser shows without running anything; every other is offered as a download."""


def router(library: MediaLibrary, key: str) -> APIRouter:
    made = APIRouter()

    @made.get("/media/{tenant}/{media_id}")
    async def get_media(tenant: str, media_id: str, until: str = "", sig: str = "") -> Response:  # pyright: ignore[reportUnusedFunction]
        """403: the link is not good any more; 404: the piece is not there; 202: it is being fetched."""
        if not is_good(tenant, media_id, until, sig, key, clock.now()):
            raise HTTPException(403, "the link is not good or has run out; ask for a new one")
        try:
            record = await library.record(tenant, media_id)
            content = await library.read(tenant, media_id) if record and record.state is MediaState.STORED else None
        except MediaStoreUnavailable as away:
            raise HTTPException(503, "the media store does not answer", headers={"retry-after": "2"}) from away
        if record and record.state is MediaState.PENDING:
            return Response("not here yet", 202, {"retry-after": "2"}, "text/plain")
        if record is None or content is None:
            raise HTTPException(404, (record and record.problem) or "there is no such piece of media")
        return Response(content, 200, _headers(record.mime, record.filename), record.mime)

    return made


def _headers(mime: str, filename: str | None) -> dict[str, str]:
    """Nothing of a customer's file may run in the page of whoever opens it."""
    shown = mime.partition(";")[0].strip().lower().startswith(SHOWN_INLINE)
    name = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in filename or "file"
    )
    return {
        "content-disposition": f'{"inline" if shown else "attachment"}; filename="{name[:100]}"',
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
        "cache-control": "private, max-age=600",
    }
