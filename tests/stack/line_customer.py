"""Being a customer on any channel, through the simulator's control API that all channels share."""

import secrets
import time
from typing import Any

import httpx

from tests.stack.world import World, random_phone
from tests.waiting import LIMIT_S, eventually


class LineCustomer:
    """A customer of a demo tenant's line; what they hear is kept until somebody asks for it."""

    def __init__(self, world: World, channel: str, connection: str, name: str | None = None) -> None:
        self.world, self.channel, self.connection = world, channel, connection
        self.name = name or (f"cust{secrets.token_hex(5)}" if channel in ("messenger", "telegram") else random_phone())
        self._path = f"/control/lines/{channel}/{connection}/customers/{self.name}/messages"
        self._heard = 0
        self._waiting: list[dict[str, Any]] = []

    async def does(self, **said: Any) -> dict[str, Any]:
        """One thing that a customer does; what the webhook's receiver answered."""
        answer = await self.world.simulator.post(self._path, json=said)
        assert answer.status_code == 200, answer.text
        done = answer.json()
        assert done["status"] in (200, 201, 204), done
        return done

    async def hears(self, limit_s: float = LIMIT_S) -> dict[str, Any]:
        """The next message; fails when none comes in time."""
        deadline = time.monotonic() + limit_s
        while not self._waiting:
            wait = deadline - time.monotonic()
            assert wait > 0, f"{self.channel}: nothing heard within {limit_s:.0f} s"
            params = {"after": self._heard, "wait": min(wait, 20)}
            found = (await self.world.simulator.get(self._path, params=params)).json()
            self._waiting += found["messages"]
            self._heard = found["last"]
        return self._waiting.pop(0)

    async def hears_text(self, wanted: str, limit_s: float = LIMIT_S) -> dict[str, Any]:
        """The next message that holds the text; what came before it is passed over."""
        while True:
            heard = await self.hears(limit_s)
            if wanted in heard["text"]:
                return heard

    async def asks(self, text: str, wanted: str) -> dict[str, Any]:
        await self.does(text=text)
        return await self.hears_text(wanted)

    async def ledger(self, kind: str) -> list[dict[str, Any]]:
        entries = await self.world.ledger(self.name)
        return [entry for entry in entries if entry["kind"] == kind and entry.get("line") == self.connection]

    async def lines(self) -> list[dict[str, Any]]:
        """The transcript so far."""

        async def known() -> list[dict[str, Any]] | None:
            sent = [entry["id"] for entry in await self.ledger("inbound")]
            where = {"connection": self.connection, "author": "customer"}
            found = await self.world.database["messages"].find(where).to_list()
            ours = [line for line in found if any(id_ in (line["vendor_message_id"] or "") for id_ in sent)]
            return await self.world.messages(profile_id=ours[0]["profile_id"]) if ours else None

        return await eventually(known)


async def picture_at(url: str) -> bytes:
    """What the address of a picture leads to."""
    async with httpx.AsyncClient(follow_redirects=True) as client:
        answer = await client.get(url)
        assert answer.status_code == 200, (url, answer.status_code, answer.text[:200])
        return answer.content
