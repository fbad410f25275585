"""The local SQS server: ministack on uvicorn, with a long poll that answers as soon as there is something, as SQS does.

Its own looks for messages every 100 ms only. Runs in the server's environment, which has nothing of M2N.
Environment: BIND_HOST, GATEWAY_PORT, LOG_LEVEL, and what ministack reads.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from ministack.app import app  # pyright: ignore[reportMissingImports]
from ministack.services import sqs  # pyright: ignore[reportMissingImports]

LOOK_AGAIN_S = 0.5
"""Time alone makes a message visible again, which nobody tells."""
NEWS = ("SendMessage", "SendMessageBatch", "DeleteMessage", "DeleteMessageBatch", "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch")  # fmt: skip
"""After these a waiting receiver may get something: a message came, or its group is free."""

Request = dict[str, Any]
waiting: set[asyncio.Event] = set()


def tells(handle: Callable[[Request, str], Any]) -> Callable[[Request, str], Any]:
    def handle_and_tell(request: Request, url: str) -> Any:
        answer = handle(request, url)
        for receiver in waiting:
            receiver.set()
        return answer

    return handle_and_tell


def waits(receive: Callable[[Request, str], Awaitable[Request]]) -> Callable[[Request, str], Awaitable[Request]]:
    async def receive_soon(request: Request, url: str) -> Request:
        if not request.get("WaitTimeSeconds"):
            return await receive(request, url)
        deadline = time.monotonic() + int(request["WaitTimeSeconds"])
        news = asyncio.Event()
        waiting.add(news)
        try:
            while True:
                news.clear()
                answer = await receive(request | {"WaitTimeSeconds": 0}, url)
                left_s = deadline - time.monotonic()
                if answer or left_s <= 0:
                    return answer
                await _any(news, min(left_s, LOOK_AGAIN_S))
        finally:
            waiting.discard(news)

    return receive_soon


async def _any(news: asyncio.Event, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await news.wait()
    except TimeoutError:
        pass


sqs._HANDLERS["ReceiveMessage"] = waits(sqs._HANDLERS["ReceiveMessage"])
for name in NEWS:
    sqs._HANDLERS[name] = tells(sqs._HANDLERS[name])

if __name__ == "__main__":
    uvicorn.run(
        app,
        host=os.environ["BIND_HOST"],
        port=int(os.environ["GATEWAY_PORT"]),
        log_level=os.environ.get("LOG_LEVEL", "WARNING").lower(),
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
