"""Whether a part works, asked of the part itself. No answer within half a second counts as no."""

import contextlib
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.local.ports import HOST

PROBE_LIMIT_S = 0.5
REPLICA_SET = "m2n"
NOT_YET_INITIALIZED = 94


def http_answers(url: str) -> bool:
    """Whether a GET is answered with a 2xx."""
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or HOST, address.port, timeout=PROBE_LIMIT_S)
    with contextlib.closing(connection):
        try:
            connection.request("GET", address.path)
            return connection.getresponse().status // 100 == 2
        except (OSError, HTTPException):
            return False


def redis_answers(port: int, password: str) -> bool:
    """Whether Redis answers a PING (while it loads its data it does not)."""
    client = redis.Redis(host=HOST, port=port, password=password, socket_timeout=PROBE_LIMIT_S, protocol=2)
    with contextlib.closing(client):
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def mongo_url(port: int) -> str:
    """The address for the services; actors need the replica set named in it."""
    return f"mongodb://{HOST}:{port}/?replicaSet={REPLICA_SET}"


def mongo_is_primary(port: int) -> bool:
    """Whether MongoDB takes writes. Makes it a one-node replica set first if it is none or its port has changed."""
    client: MongoClient[dict[str, Any]]
    limit_ms = int(PROBE_LIMIT_S * 1000)
    with MongoClient(
        HOST, port, directConnection=True, serverSelectionTimeoutMS=limit_ms, socketTimeoutMS=10 * limit_ms
    ) as client:
        try:
            if client.admin.command("hello").get("isWritablePrimary"):
                return True
            _ensure_replica_set(client, port)
        except PyMongoError:
            return False
    return False


def _ensure_replica_set(client: MongoClient[dict[str, Any]], port: int) -> None:
    member = {"_id": 0, "host": f"{HOST}:{port}"}
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
        return
    if config["members"][0]["host"] != member["host"]:
        moved = {**config, "version": config["version"] + 1, "members": [member]}
        client.admin.command("replSetReconfig", moved, force=True)


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log file, at most 4 KB of it."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 4096))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
