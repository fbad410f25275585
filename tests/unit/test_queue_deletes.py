"""Deletes that go together: each caller hears what became of its own message."""

import asyncio
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from m2n.queue import InboundQueue, QueueUnavailable, ReceiptGone, Received


class Sqs:
    """Receipts in ``gone`` have run out, those in ``refused`` fail for reasons of the server's own."""

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.gone: set[str] = set()
        self.refused: set[str] = set()
        self.away = False

    async def delete_message(self, QueueUrl: str, ReceiptHandle: str) -> None:
        answer = await self.delete_message_batch(QueueUrl, [{"Id": "0", "ReceiptHandle": ReceiptHandle}])
        for failed in answer["Failed"]:
            raise ClientError({"Error": {"Code": failed["Code"]}}, "DeleteMessage")

    async def delete_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> Any:
        if self.away:
            raise EndpointConnectionError(endpoint_url=QueueUrl)
        self.requests.append([entry["ReceiptHandle"] for entry in Entries])
        codes = dict.fromkeys(self.gone, "ReceiptHandleIsInvalid")
        codes |= dict.fromkeys(self.refused, "InternalError")
        failed = [entry for entry in Entries if entry["ReceiptHandle"] in codes]
        return {"Failed": [{"Id": each["Id"], "Code": codes[each["ReceiptHandle"]]} for each in failed]}


async def deleted(sqs: Sqs, *receipts: str) -> list[type]:
    queue = InboundQueue(sqs, "http://sqs/q.fifo", "http://sqs/dead.fifo")
    messages = [Received("{}", "group", receipt, receipt, 1) for receipt in receipts]
    told = await asyncio.gather(*(queue.delete(message) for message in messages), return_exceptions=True)
    return [type(each) for each in told]


async def test_deletes_at_the_same_time_are_one_request() -> None:
    sqs = Sqs()
    assert await deleted(sqs, "a", "b", "c") == [type(None)] * 3
    assert sqs.requests == [["a", "b", "c"]]


async def test_a_request_has_at_most_ten() -> None:
    sqs = Sqs()
    await deleted(sqs, *map(str, range(23)))
    assert [len(request) for request in sqs.requests] == [10, 10, 3]


async def test_a_receipt_that_has_run_out_is_its_owners_matter() -> None:
    sqs = Sqs()
    sqs.gone, sqs.refused = {"b"}, {"c"}
    assert await deleted(sqs, "a", "b", "c") == [type(None), ReceiptGone, QueueUnavailable]
    assert await deleted(sqs, "b") == [ReceiptGone]
    assert await deleted(sqs, "c") == [QueueUnavailable]


async def test_a_queue_that_is_away_is_everybodys_matter() -> None:
    sqs = Sqs()
    sqs.away = True
    assert await deleted(sqs, "a", "b") == [QueueUnavailable, QueueUnavailable]
