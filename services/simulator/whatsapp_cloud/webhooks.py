"""Webhooks on their way: told in the ledger, and posted again beside the requests until they are taken."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx

from services.simulator.ledger import Kind
from services.simulator.state import State
from services.simulator.whatsapp_cloud.memory import Memory
from services.simulator.whatsapp_cloud.numbers import VERIFY_TOKEN, Number
from services.simulator.whatsapp_cloud.posting import GAPS_S, Posted, body_of, post

META = "meta"
"""Who the ledger says it was when Meta does something of its own accord."""


@dataclass(frozen=True)
class Webhooks:
    state: State
    memory: Memory
    gaps_s: Sequence[float] = GAPS_S

    async def post(
        self, number: Number, customer: str, id_: str, payload: Mapping[str, Any], kind: Kind, **more: Any
    ) -> Posted:
        """How the first try went; further ones follow beside it."""
        body = body_of(payload)
        posted = await post(self.state.http, number.app_secret, number.line.webhook_url, body)
        self._note(number, customer, id_, kind, posted, more)
        if posted.status != 200:
            again = self._again(number, customer, id_, body, kind, more, self.memory.generation)
            self.state.start(again)
        return posted

    async def _again(
        self,
        number: Number,
        customer: str,
        id_: str,
        body: bytes,
        kind: Kind,
        more: Mapping[str, Any],
        generation: int,
    ) -> None:
        """The same bytes until they are taken, the gaps are used up, or conversations are forgotten."""
        for tries, gap_s in enumerate(self.gaps_s, start=2):
            await asyncio.sleep(gap_s)
            if self.memory.generation != generation:
                return
            posted = await post(self.state.http, number.app_secret, number.line.webhook_url, body, tries)
            self._note(number, customer, id_, kind, posted, more)
            if posted.status == 200:
                return

    def _note(
        self, number: Number, customer: str, id_: str, kind: Kind, posted: Posted, more: Mapping[str, Any]
    ) -> None:
        line = number.line
        self.state.ledger.add(
            kind, customer, channel=line.channel, line=line.connection, id=id_, **more, **vars(posted)
        )

    async def shake_hands(self, number: Number) -> None:
        """What Meta does when the address is entered: it must answer with the challenge."""
        line, challenge = number.line, str(1158201444 + int(number.phone_number_id) % 10**6)
        asked = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": line.secrets[VERIFY_TOKEN]}
        status, error = None, None
        try:
            answer = await self.state.http.get(f"{line.webhook_url}?{urlencode(asked)}", timeout=20)
            status, error = answer.status_code, None if answer.text == challenge else "another answer"
        except httpx.HTTPError as broken:
            error = type(broken).__name__
        self.state.ledger.add(
            Kind.CALLBACK,
            META,
            channel=line.channel,
            line=line.connection,
            told="handshake",
            status=status,
            error=error,
        )
