"""How a send meets a fault that was asked for, at any vendor."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.simulator.settings import Fault


async def meet(fault: Fault, take: Callable[[], Awaitable[Response]], refuse: Callable[[], Response]) -> Response:
    """``take`` is the vendor's usual answer to the send, ``refuse`` what it says in place of it."""
    await asyncio.sleep(fault.delay_s)
    if not fault.takes:
        return refuse()
    answer = await take()
    if fault.drop:
        return _BrokenOff(answer)
    return answer if fault.status is None or not 200 <= answer.status_code < 300 else refuse()


def retry_after(fault: Fault) -> dict[str, str]:
    """The header, where the fault has it."""
    return {} if fault.retry_after_s is None else {"retry-after": f"{fault.retry_after_s:g}"}


class _BrokenOff(Response):
    """An answer whose connection breaks before its body: the server closes what the app leaves unfinished."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.body, answer.status_code, dict(answer.headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
