"""The other side of a run, into its folder: the vendor's ledger, and what M2N itself declares."""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import aioboto3
import httpx
import orjson
from aiobotocore.config import AioConfig
from pymongo import AsyncMongoClient

from tests.faults.journal import write_all
from tests.faults.site import Site

HIDDEN_S = 30
"""So long a dead letter is not given out again while the others are read; it is shown again at the end."""


async def collect(site: Site, folder: Path) -> None:
    """Write ``vendor.jsonl`` and ``declared.jsonl`` beside the run's other records; again, if need be."""
    run = json.loads((folder / "run.json").read_text())
    (folder / "vendor.jsonl").write_bytes(await ledger(site, run["ledger_after"]))
    opened_at = datetime.fromisoformat(run["opened_at"])
    write_all(folder / "declared.jsonl", await declared(site, [line["tenant"] for line in run["tenants"]], opened_at))


async def ledger(site: Site, after: int = 0) -> bytes:
    """The vendor's ledger after that number, one JSON object a line."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        answer = await http.get(f"{site.addresses['simulator']}/control/ledger", params={"after": after})
    answer.raise_for_status()
    return answer.content


async def declared(site: Site, tenants: Iterable[str], since: datetime) -> list[dict[str, Any]]:
    """What M2N says of these tenants that it could not do, or cannot know; and since then of nobody known."""
    wanted = list(tenants)
    async with AsyncMongoClient[dict[str, Any]](site.mongo_url, tz_aware=True) as mongo:
        database = mongo[site.mongo_database]
        where = {"tenant": {"$in": wanted}, "status": {"$in": ["uncertain", "failed"]}}
        messages = [_message(found) async for found in database["messages"].find(where)]
        nobodys = {"tenant": "", "first_at": {"$gte": since}}
        letters = database["dead_letters"].find({"$or": [{"tenant": {"$in": wanted}}, nobodys]})
        letters = [_letter(found) async for found in letters]
    return [*messages, *letters, *(aside for aside in await _set_aside(site) if aside["tenant"] in (*wanted, ""))]


def _message(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "what": found["status"],
        "tenant": found["tenant"],
        "message_id": found["_id"].partition(":")[2],
        "content": found.get("content"),
        "error": found.get("error"),
        "vendor_message_id": found.get("vendor_message_id"),
    }


def _letter(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "what": "dead_letter",
        "tenant": found["tenant"],
        "letter": str(found["_id"]),
        "origin": found.get("origin", ""),
        "topic": found.get("topic", ""),
        "reason": found.get("reason", ""),
        "body": _readable(found.get("body", b"")),
    }


async def _set_aside(site: Site) -> list[dict[str, Any]]:
    """Everything in the dead-letter queue, which stays there."""
    config = AioConfig(connect_timeout=2, read_timeout=25)
    session = aioboto3.Session("test", "test", region_name="eu-central-1")
    opened: Any = session.client("sqs", endpoint_url=site.sqs_endpoint, config=config)
    async with opened as sqs:
        name = site.sqs_queue.removesuffix(".fifo") + "-dlq.fifo"
        url = (await sqs.get_queue_url(QueueName=name))["QueueUrl"]
        received = await _received(sqs, url)
        for message in received:
            await sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
    return [_aside(message) for message in received]


async def _received(sqs: Any, url: str) -> list[dict[str, Any]]:
    received: list[dict[str, Any]] = []
    while True:
        answer = await sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=HIDDEN_S, MessageAttributeNames=["All"]
        )
        if not answer.get("Messages"):
            return received
        received += answer["Messages"]


def _aside(message: dict[str, Any]) -> dict[str, Any]:
    body = _readable(message["Body"])
    attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
    return {
        "what": "set_aside",
        "tenant": body.get("tenant", "") if isinstance(body, dict) else "",
        "letter": message["MessageId"],
        "reason": attributes.get("reason", ""),
        "tries": attributes.get("tries", ""),
        "body": body,
    }


def _readable(body: bytes | str) -> Any:
    """JSON as what it says, anything else as text."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body if isinstance(body, str) else body.decode(errors="replace")
