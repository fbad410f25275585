"""MongoDB as the services use it beside Dapr: read models, and what needs queries or transactions of its own."""

from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from m2n.settings import Settings

Document = dict[str, Any]
Client = AsyncMongoClient[Document]
Database = AsyncDatabase[Document]


def open_database(settings: Settings) -> tuple[Client, Database]:
    """MongoDB with majority writes and reads, so that an acknowledged write survives a fail-over."""
    client: Client = AsyncMongoClient(
        settings.mongo_url.get_secret_value(),
        w="majority",
        readConcernLevel="majority",
        serverSelectionTimeoutMS=5000,
        timeoutMS=10_000,
        tz_aware=True,
    )
    return client, client[settings.mongo_database]
