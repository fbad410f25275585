"""Customers' files: an id that lives 7 days leads to an address that lives 5 minutes; both want the number's token."""

import hashlib
import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx

from services.simulator.vendors import SentMedia

ID_LIVES, URL_LIVES = timedelta(days=7), timedelta(minutes=5)
MOST_BYTES = 100 * 1024 * 1024
_TIMEOUT_S = 10


@dataclass(frozen=True)
class Piece:
    """``content`` is None when the customer's file could not be had from where it is."""

    id: str
    phone_number_id: str
    mime: str
    filename: str | None
    content: bytes | None
    sent_at: datetime

    @property
    def sha256(self) -> str | None:
        return None if self.content is None else hashlib.sha256(self.content).hexdigest()

    @property
    def sha256_base64(self) -> str | None:
        """As webhooks tell it; the API tells it in hexadecimal."""
        return None if self.content is None else b64encode(hashlib.sha256(self.content).digest()).decode()


@dataclass
class Shelf:
    http: httpx.AsyncClient
    pieces: dict[str, Piece] = field(default_factory=dict)
    _addresses: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def forget(self) -> None:
        self.pieces.clear()
        self._addresses.clear()

    async def put(self, phone_number_id: str, sent: SentMedia, now: datetime) -> Piece:
        """The customer sends the file: it is taken from its address now, as a telephone would upload it."""
        id_ = str(10**15 + secrets.randbelow(9 * 10**15))
        content = await self._content(sent.url)
        piece = self.pieces[id_] = Piece(id_, phone_number_id, sent.content_type, sent.filename, content, now)
        return piece

    async def _content(self, url: str) -> bytes | None:
        try:
            answer = await self.http.get(url, timeout=_TIMEOUT_S, follow_redirects=True)
        except httpx.HTTPError:
            return None
        return answer.content if answer.is_success and len(answer.content) <= MOST_BYTES else None

    def by_id(self, id_: str, now: datetime) -> Piece | None:
        piece = self.pieces.get(id_)
        return piece if piece and piece.content is not None and now - piece.sent_at <= ID_LIVES else None

    def address(self, piece: Piece, now: datetime) -> str:
        """Key of a new address of the piece."""
        key = secrets.token_urlsafe(24)
        self._addresses[key] = (piece.id, now + URL_LIVES)
        return key

    def by_address(self, key: str, now: datetime) -> Piece | None:
        id_, until = self._addresses.get(key, ("", now))
        return self.by_id(id_, now) if now < until else None
