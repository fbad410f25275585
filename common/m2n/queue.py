"""The ordered inbound queue: SQS FIFO, one message group per sender.

Dapr's SQS components cannot carry a message group per customer, so the queue is used directly.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aioboto3
import orjson
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from m2n.gathering import Gathered
from m2n.keys import group_id, vendor_key
from m2n.message import Inbound
from m2n.settings import Settings

VISIBILITY_S = 12
"""So long the customers whose messages a dying process held wait for the next one; while it lives, it holds them on."""
BACKSTOP_RECEIVES = 50
"""SQS's own redrive: catches a message that kills every process that takes it."""
BATCH = 10
DELETES_WAIT_S = 0.05
"""So long a delete waits for others to go with. The customer's next message comes after it, so it is short."""
SEND_WITHIN_S = 3.0
"""Vendors wait for an answer; after this they are asked to come again."""


class QueueUnavailable(Exception):
    """SQS did not take or give; trying again may help."""


class MessageRefused(Exception):
    """SQS does not take this message, however often it is sent."""


class ReceiptGone(Exception):
    """A message was held for too long: SQS gives it, and what came after it in its group, again."""


@dataclass(frozen=True)
class Received:
    body: str
    group: str
    receipt: str
    message_id: str
    receives: int


@dataclass(frozen=True)
class DeadMessage:
    """A message in the dead-letter queue. ``failed_id`` is the message id under which it failed."""

    body: str
    group: str
    receipt: str
    failed_id: str
    reason: str
    tries: int


class InboundQueue:
    """The queue and its dead-letter queue. Methods raise QueueUnavailable."""

    def __init__(self, client: Any, url: str, dead_url: str) -> None:
        self._client, self._url, self._dead_url = client, url, dead_url
        self._deletes = Gathered(self._delete_all, BATCH, DELETES_WAIT_S)

    @property
    def name(self) -> str:
        return self._url.rpartition("/")[2]

    async def send(self, messages: Sequence[Inbound]) -> None:
        """Put messages on the queue in their order; returns when SQS has all of them.

        After a failure some may be there: sending all again is right, a message id counts once.
        """
        for start in range(0, len(messages), BATCH):
            part = messages[start : start + BATCH]
            entries = [_entry(str(number), message) for number, message in enumerate(part)]
            try:
                async with asyncio.timeout(SEND_WITHIN_S):
                    failed = await self._send(entries)
            except TimeoutError as late:
                raise QueueUnavailable(f"no answer within {SEND_WITHIN_S:g} s") from late
            if failed:
                raise QueueUnavailable(f"{failed} of {len(part)} messages were not taken")

    async def _send(self, entries: list[dict[str, Any]]) -> int:
        """How many were not taken. One alone is dearer as a batch."""
        if len(entries) == 1:
            (entry,) = entries
            del entry["Id"]
            await self._call("send_message", QueueUrl=self._url, **entry)
            return 0
        answer = await self._call("send_message_batch", QueueUrl=self._url, Entries=entries)
        return len(answer.get("Failed", ()))

    async def receive(self, wait_s: int = 20) -> list[Received]:
        answer = await self._call(
            "receive_message",
            QueueUrl=self._url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=wait_s,
            VisibilityTimeout=VISIBILITY_S,
            MessageSystemAttributeNames=["MessageGroupId", "ApproximateReceiveCount"],
        )
        return [_received(message) for message in answer.get("Messages", [])]

    async def delete(self, message: Received) -> None:
        """With others that end at the same time. Raises ReceiptGone, too."""
        await self._deletes.send([message.receipt])

    async def _delete_all(self, receipts: Sequence[str]) -> Mapping[int, Exception]:
        if len(receipts) == 1:
            await self._delete(self._url, receipts[0])
            return {}
        entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts)]
        answer = await self._call("delete_message_batch", QueueUrl=self._url, Entries=entries)
        return {int(failed["Id"]): _not_deleted(failed["Code"]) for failed in answer.get("Failed", [])}

    async def _delete(self, url: str, receipt: str) -> None:
        try:
            await self._client.delete_message(QueueUrl=url, ReceiptHandle=receipt)
        except ClientError as refused:
            raise _not_deleted(_code(refused)) from refused
        except (BotoCoreError, OSError) as failed:
            raise QueueUnavailable(f"delete_message: {type(failed).__name__}") from failed

    async def keep_invisible(self, messages: Sequence[Received], seconds: int = VISIBILITY_S) -> None:
        entries = [
            {"Id": str(number), "ReceiptHandle": message.receipt, "VisibilityTimeout": seconds}
            for number, message in enumerate(messages)
        ]
        for start in range(0, len(entries), BATCH):
            part = entries[start : start + BATCH]
            await self._call("change_message_visibility_batch", QueueUrl=self._url, Entries=part)

    async def set_aside(self, message: Received, reason: str, tries: int) -> None:
        """Copy to the dead-letter queue, then delete; a crash in between copies again, which SQS takes once."""
        await self._call(
            "send_message",
            QueueUrl=self._dead_url,
            MessageBody=message.body,
            MessageGroupId=message.group,
            MessageDeduplicationId=message.message_id,
            MessageAttributes={
                "reason": {"DataType": "String", "StringValue": reason[:200]},
                "tries": {"DataType": "Number", "StringValue": str(tries)},
                "failed": {"DataType": "String", "StringValue": message.message_id},
            },
        )
        await self.delete(message)

    async def receive_dead(self, wait_s: int = 20) -> list[DeadMessage]:
        """From the dead-letter queue: what was set aside, and what SQS itself moved there."""
        answer = await self._call(
            "receive_message",
            QueueUrl=self._dead_url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=wait_s,
            MessageSystemAttributeNames=["MessageGroupId"],
            MessageAttributeNames=["All"],
        )
        return [_dead(message) for message in answer.get("Messages", [])]

    async def delete_dead(self, message: DeadMessage) -> None:
        """Raises ReceiptGone, too."""
        await self._delete(self._dead_url, message.receipt)

    async def put_back(self, body: str, group: str, key: str) -> None:
        """Send a message again in its group. ``key`` is the deduplication id: repeats within 5 minutes are one.

        Raises MessageRefused, too.
        """
        try:
            await self._client.send_message(
                QueueUrl=self._url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=key
            )
        except ClientError as refused:
            code = _code(refused)
            if code in ("InvalidMessageContents", "InvalidParameterValue"):
                raise MessageRefused(code) from refused
            raise QueueUnavailable(f"send_message: {code}") from refused
        except (BotoCoreError, OSError) as failed:
            raise QueueUnavailable(f"send_message: {type(failed).__name__}") from failed

    async def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return await getattr(self._client, operation)(**arguments)
        except (BotoCoreError, ClientError, OSError) as failed:
            raise QueueUnavailable(f"{operation}: {type(failed).__name__}") from failed


def dead_letter_queue(queue: str) -> str:
    return queue.removesuffix(".fifo") + "-dlq.fifo"


@asynccontextmanager
async def open_queue(settings: Settings) -> AsyncIterator[InboundQueue]:
    """The queue, made with its dead-letter queue where it does not exist yet."""
    config = AioConfig(
        connect_timeout=1,
        read_timeout=25,
        retries={"max_attempts": 1, "mode": "standard"},
        max_pool_connections=128,
        parameter_validation=False,  # by the SDK, of what the methods above have made
    )
    session = aioboto3.Session(region_name=settings.aws_region)
    opened: Any = session.client("sqs", endpoint_url=settings.sqs_endpoint or None, config=config)
    async with opened as client:
        dead_url = await _create(client, dead_letter_queue(settings.sqs_queue), {"MessageRetentionPeriod": "1209600"})
        wanted = ["QueueArn"]
        attributes = await client.get_queue_attributes(QueueUrl=dead_url, AttributeNames=wanted)
        redrive = {
            "deadLetterTargetArn": attributes["Attributes"]["QueueArn"],
            "maxReceiveCount": str(BACKSTOP_RECEIVES),
        }
        url = await _create(
            client,
            settings.sqs_queue,
            {
                "VisibilityTimeout": str(VISIBILITY_S),
                "MessageRetentionPeriod": "1209600",
                "RedrivePolicy": orjson.dumps(redrive).decode(),
                "DeduplicationScope": "messageGroup",
                "FifoThroughputLimit": "perMessageGroupId",
            },
        )
        yield InboundQueue(client, url, dead_url)


async def _create(client: Any, name: str, attributes: dict[str, str]) -> str:
    """Find the queue, else make it; two services that start at once make the same one."""
    try:
        return (await client.get_queue_url(QueueName=name))["QueueUrl"]
    except client.exceptions.QueueDoesNotExist:
        made = await client.create_queue(QueueName=name, Attributes={"FifoQueue": "true", **attributes})
        return made["QueueUrl"]


def encode(message: Inbound) -> str:
    """JSON in ASCII: SQS refuses some characters (U+FFFE, U+FFFF) that customers can send."""
    return message.model_dump_json(exclude_none=True, ensure_ascii=True)


def _entry(number: str, message: Inbound) -> dict[str, Any]:
    return {
        "Id": number,
        "MessageBody": encode(message),
        "MessageGroupId": group_id(message),
        "MessageDeduplicationId": vendor_key(message),
    }


def _not_deleted(code: str) -> ReceiptGone | QueueUnavailable:
    if code in ("ReceiptHandleIsInvalid", "InvalidParameterValue"):
        return ReceiptGone()
    return QueueUnavailable(f"delete_message: {code}")


def _code(refused: ClientError) -> str:
    return refused.response.get("Error", {}).get("Code", "").rpartition(".")[2]


def _dead(message: dict[str, Any]) -> DeadMessage:
    said = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    moved_by_sqs = f"received {BACKSTOP_RECEIVES} times and never finished"
    return DeadMessage(
        body=message["Body"],
        group=message.get("Attributes", {}).get("MessageGroupId", ""),
        receipt=message["ReceiptHandle"],
        failed_id=said.get("failed", message["MessageId"]),
        reason=said.get("reason", moved_by_sqs),
        tries=int(said.get("tries", BACKSTOP_RECEIVES)),
    )


def _received(message: dict[str, Any]) -> Received:
    attributes = message.get("Attributes", {})
    return Received(
        body=message["Body"],
        group=attributes.get("MessageGroupId", ""),
        receipt=message["ReceiptHandle"],
        message_id=message["MessageId"],
        receives=int(attributes.get("ApproximateReceiveCount", "1")),
    )
