"""How Meta posts webhooks: to an endpoint that passed the handshake, signed, and again until one succeeds."""

import asyncio
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from services.simulator.ledger import Kind
from services.simulator.messenger.memory import Memory, Person
from services.simulator.messenger.page import Page
from services.simulator.meta_webhooks import webhook_headers
from services.simulator.posted import Posted
from services.simulator.vendors import facts

GAPS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Between the tries of a webhook that was not taken; Meta's own go on for hours."""
_TIMEOUT = httpx.Timeout(20, connect=5)
"""Meta waits 20 seconds for an answer."""


def written(page: Page, event: dict[str, Any], now_ms: int, *, key: str = "messaging") -> bytes:
    """The webhook of one event: PHP's JSON, in which slashes and all that is not ASCII are escaped."""
    body = {"object": "page", "entry": [{"time": now_ms, "id": page.id, key: [event]}]}
    return json.dumps(body, separators=(",", ":")).replace("/", "\\/").encode()


@dataclass
class Webhooks:
    memory: Memory
    gaps_s: tuple[float, ...] = GAPS_S
    _proven: set[tuple[str, str]] = field(default_factory=set)
    """Endpoints that passed the handshake, each with the token that it knew."""

    async def tell(self, person: Person, id_: str, body: bytes, kind: Kind, **more: Any) -> Posted:
        """Post it. What is not taken is tried again beside, with growing gaps, until conversations are forgotten."""
        posted = await self._post(person.page, body, 1)
        self._note(person, id_, kind, posted, more)
        if not posted.taken:
            self.memory.state.start(self._again(person, id_, body, kind, more))
        return posted

    async def _again(self, person: Person, id_: str, body: bytes, kind: Kind, more: dict[str, Any]) -> None:
        generation = self.memory.generation
        for tries, gap_s in enumerate(self.gaps_s, start=2):
            await asyncio.sleep(gap_s)
            if generation != self.memory.generation:
                return
            posted = await self._post(person.page, body, tries)
            self._note(person, id_, kind, posted, more)
            if posted.taken:
                return

    def _note(self, person: Person, id_: str, kind: Kind, posted: Posted, more: dict[str, Any]) -> None:
        noted = facts(person.page.line, id_, **more) | vars(posted)
        self.memory.state.ledger.add(kind, person.customer, **noted)

    async def _post(self, page: Page, body: bytes, tries: int) -> Posted:
        began = time.perf_counter()
        try:
            status, error = await self._answered(page, body)
        except httpx.HTTPError as failed:
            status, error = None, type(failed).__name__
        return Posted(status, tries, (time.perf_counter() - began) * 1000, error)

    async def _answered(self, page: Page, body: bytes) -> tuple[int | None, str | None]:
        if not await self._is_proven(page):
            return None, "HandshakeFailed"
        headers = webhook_headers(page.app_secret, body)
        answer = await self.memory.state.http.post(
            page.line.webhook_url, content=body, headers=headers, timeout=_TIMEOUT
        )
        return answer.status_code, None

    async def _is_proven(self, page: Page) -> bool:
        """The handshake, before the first webhook to an endpoint."""
        endpoint = (page.line.webhook_url, page.verify_token)
        if endpoint not in self._proven:
            challenge = str(10**9 + secrets.randbelow(9 * 10**9))
            asked = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": page.verify_token}
            answer = await self.memory.state.http.get(page.line.webhook_url, params=asked, timeout=_TIMEOUT)
            if answer.status_code != 200 or answer.text != challenge:
                return False
            self._proven.add(endpoint)
        return True
