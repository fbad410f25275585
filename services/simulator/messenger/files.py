"""Customers' files at Messenger's CDN: links that anybody can open, signed, and only for a while."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import quote, urlencode, urlsplit

import httpx
from fastapi import Request
from starlette.responses import PlainTextResponse, Response

from services.simulator.messenger.memory import Memory
from services.simulator.vendors import SentMedia

LINK_LIVES = timedelta(hours=1)
PATH = "/messenger/cdn"


@dataclass(frozen=True)
class Files:
    memory: Memory
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def link(self, media: SentMedia, base_url: str) -> str:
        """A new link to the file, ending in its name; ``oe`` is when it ends, ``oh`` the signature."""
        id_ = secrets.token_hex(8)
        self.memory.files[id_] = (media.url, media.content_type)
        name = media.filename or urlsplit(media.url).path.rpartition("/")[2] or "file"
        ends = f"{int((self.memory.state.now() + LINK_LIVES).timestamp()):x}"
        asked = urlencode({"oh": self._signature(id_, ends), "oe": ends})
        return f"{base_url}{PATH}/{id_}/{quote(name, safe='')}?{asked}"

    async def give(self, id_: str, request: Request) -> Response:
        """The file's bytes. No credentials: who has the link has the file, until it ends."""
        ends, signature = request.query_params.get("oe", ""), request.query_params.get("oh", "")
        known = self.memory.files.get(id_)
        genuine = hmac.compare_digest(self._signature(id_, ends).encode(), signature.encode())
        if known is None or not genuine:
            return PlainTextResponse("Bad URL hash", 403)
        if self.memory.state.now().timestamp() > int(ends, 16):
            return PlainTextResponse("URL signature expired", 403)
        return await self._fetched(*known)

    async def _fetched(self, url: str, content_type: str) -> Response:
        try:
            found = await self.memory.state.http.get(url, follow_redirects=True)
        except httpx.HTTPError:
            return PlainTextResponse("the customer's file cannot be fetched", 502)
        if found.status_code != 200:
            return PlainTextResponse("the customer's file cannot be fetched", 502)
        return Response(found.content, media_type=content_type)

    def _signature(self, id_: str, ends: str) -> str:
        return hmac.new(self._key, f"{id_}:{ends}".encode(), hashlib.sha256).hexdigest()[:32]
