"""Puts a customer's dead letter back on the queue, for the service that redrives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from m2n.api_errors import ApiError
from m2n.dead_letter_returns import ROUTE, letter_under_way
from m2n.deadletters import DeadLetters, Source
from m2n.queue import InboundQueue, MessageRefused, QueueUnavailable

router = APIRouter()


@dataclass(frozen=True)
class Returns:
    """``queue`` gives the queue while it is open."""

    letters: DeadLetters
    queue: Callable[[], InboundQueue | None]


def _returns(request: Request) -> Returns:
    return request.app.state.returns


@router.post(ROUTE, status_code=204)
async def put_back(letter_id: str, redrive_id: str, returns: Annotated[Returns, Depends(_returns)]) -> Response:
    """Send the letter's message in its old group. May be repeated: letter and redrive name it for deduplication.

    409 when that redrive is over, 422 when SQS does not take the message, 503 when it does not answer.
    """
    letter = await letter_under_way(returns.letters, Source.QUEUE, letter_id, redrive_id)
    queue = returns.queue()
    if queue is None:
        raise ApiError(503, "not connected to the queue", headers={"retry-after": "2"})
    try:
        await queue.put_back(letter.body.decode(), letter.group or letter.id, f"{letter.id}.{redrive_id}")
    except QueueUnavailable as down:
        raise ApiError(503, "the queue does not answer", headers={"retry-after": "2"}) from down
    except MessageRefused as refused:
        raise ApiError(422, f"the queue does not take it: {refused}") from refused
    return Response(status_code=204)
