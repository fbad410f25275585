"""How the vendor brings a customer's message: signed, and again until it gets its 2xx."""

import asyncio
import time
from dataclasses import dataclass
from typing import Literal

import aiohttp

from tests.faults.site import Site
from tests.faults.webhooks import Webhook

ANSWER_WITHIN_S = 15.0
"""Twilio waits so long for an answer."""
TRY_FOR_S = 90.0
PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)

Outcome = Literal["accepted", "given_up", "refused"]


@dataclass(frozen=True)
class Posted:
    """``statuses`` has the HTTP status of each try, or the name of the error."""

    outcome: Outcome
    sent_ns: int
    ended_ns: int
    statuses: tuple[int | str, ...]


class Vendor:
    """Posts webhooks to the edge, many at once."""

    def __init__(self, site: Site, try_for_s: float = TRY_FOR_S) -> None:
        self._site, self._try_for_s = site, try_for_s
        self._http = aiohttp.ClientSession(
            site.addresses["webhooks"],
            connector=aiohttp.TCPConnector(limit=200, keepalive_timeout=2),
            timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S, sock_connect=5),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._http.close()

    async def post(self, webhook: Webhook) -> int | str:
        """One try: the HTTP status, or the name of the error."""
        headers = dict(webhook.sign(f"{self._site.public_url}{webhook.path}"))
        try:
            async with self._http.post(webhook.path, data=webhook.body, headers=headers) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as broken:
            return type(broken).__name__
        return answer.status

    async def deliver(self, webhook: Webhook) -> Posted:
        """The same webhook until it is accepted or refused, or the time is over."""
        sent_ns, deadline = time.time_ns(), time.monotonic() + self._try_for_s
        statuses: list[int | str] = []
        while True:
            statuses.append(await self.post(webhook))
            outcome = outcome_of(statuses[-1])
            if outcome is None and time.monotonic() > deadline:
                outcome = "given_up"
            if outcome:
                return Posted(outcome, sent_ns, time.time_ns(), tuple(statuses))
            await asyncio.sleep(PAUSES_S[min(len(statuses), len(PAUSES_S)) - 1])


def outcome_of(status: int | str) -> Outcome | None:
    """None: the vendor tries again."""
    if isinstance(status, str) or status >= 500 or status == 429:
        return None
    return "accepted" if 200 <= status < 300 else "refused"
