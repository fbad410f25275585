"""Users who are logged in at the site: the proof of who they are, and which visitor each of them is.

A user is the same visitor on every device, and so sees the same conversation. The first device's visitor becomes the
user's, unless it is another user's already; it is remembered in MongoDB for as long as an inbox lives.
"""

import hashlib
import hmac
from typing import Any

from pymongo import ReturnDocument, WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from m2n.clock import Clock, now
from m2n.keys import digest
from services.channels.webchat.inbox import KEPT_FOR_S, VisitorKey
from services.channels.webchat.tokens import new_visitor_id

IDENTITY_KEY = "identity-key"
"""Name of the optional secret with which a site proves its users."""
COLLECTION = "webchat_users"


def proof(user: str, key: str) -> str:
    """What the site's server gives a page of a user who is logged in: hex HMAC-SHA256 of the user's id."""
    return hmac.new(key.encode(), user.encode(), hashlib.sha256).hexdigest()


def is_proved(user: str, hash_: str, key: str) -> bool:
    """In constant time; never with an empty key."""
    return bool(key) and hmac.compare_digest(proof(user, key).encode(), hash_.lower().encode("utf-8", "replace"))


class UserVisitors:
    """Raises pymongo's errors when the database cannot be reached."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]], clock: Clock = now) -> None:
        self._clock = clock
        self._users = database.get_collection(COLLECTION, write_concern=WriteConcern("majority"))

    async def prepare(self) -> None:
        await self._users.create_index("used_at", expireAfterSeconds=KEPT_FOR_S)
        await self._users.create_index("inbox", unique=True)

    async def visitor_of(self, user: str, offered: VisitorKey) -> str:
        """The user's visitor; ``offered`` if there is none yet and it is no other user's."""
        try:
            return await self._claimed(user, offered)
        except DuplicateKeyError:  # the visitor is another user's, or the user came from two places at once
            fresh = VisitorKey(offered.tenant, offered.connection, new_visitor_id())
            return await self._claimed(user, fresh)

    async def _claimed(self, user: str, offered: VisitorKey) -> str:
        found: Any = await self._users.find_one_and_update(
            {"_id": digest(offered.tenant, offered.connection, user)},
            {
                "$set": {"used_at": self._clock()},
                "$setOnInsert": {
                    "tenant": offered.tenant,
                    "connection": offered.connection,
                    "visitor": offered.visitor,
                    "inbox": offered.id,
                },
            },
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return str(found["visitor"])
