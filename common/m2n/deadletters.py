"""Where messages go that could not be handled: kept in MongoDB, whole, until somebody looks."""

import hashlib
from typing import Any

import orjson
from pymongo.errors import DuplicateKeyError

from m2n.clock import now
from m2n.database import Client, open_database
from m2n.message import Model, Moment
from m2n.settings import Settings


class DeadLetter(Model):
    id: str
    origin: str
    topic: str
    tenant: str
    kept_at: Moment


class DeadLetters:
    """The collection ``dead_letters``; connects when the first one comes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None

    async def keep(self, origin: str, body: bytes, topic: str = "", reason: str = "") -> DeadLetter:
        """Store the message once, however often it comes. Raises pymongo.errors.PyMongoError."""
        tenant, found = _describe(body)
        letter = DeadLetter(
            id=hashlib.sha256(body).hexdigest()[:32],
            origin=origin,
            topic=topic or found,
            tenant=tenant,
            kept_at=now(),
        )
        document = letter.model_dump(exclude={"id"}) | {"_id": letter.id, "body": body, "reason": reason}
        try:
            await self._collection().insert_one(document)
        except DuplicateKeyError:
            return letter
        return letter

    def _collection(self) -> Any:
        if self._client is None:
            self._client, _ = open_database(self._settings)
        return self._client[self._settings.mongo_database]["dead_letters"]

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


def _describe(body: bytes) -> tuple[str, str]:
    """Tenant and topic of a message, '' where it does not say."""
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "", ""
    if not isinstance(envelope, dict):
        return "", ""
    data = envelope.get("data", envelope)
    return _tenant_of(data), str(envelope.get("topic", ""))


def _tenant_of(data: Any) -> str:
    if not isinstance(data, dict):
        return ""
    for place in (data, data.get("session"), data.get("receipt")):
        if isinstance(place, dict) and isinstance(place.get("tenant"), str):
            return place["tenant"]
    return ""
