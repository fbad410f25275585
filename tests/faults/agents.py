"""Human agents at the built-in desk: they accept, answer, and end or give back."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.faults.checked_records import answered_in, written_in
from tests.faults.customers import Line, agent_key
from tests.faults.journal import Journal
from tests.faults.site import Site

LOOK_EVERY_S = 0.4
IDLE_S = 5.0
"""An agent who has answered ends a conversation in which the customer says nothing more for so long."""
TRY_FOR_S = 120.0
PAUSE_S = 0.5
AGENT = "Ada"


@dataclass(frozen=True)
class Shown:
    """What an agent sees of a conversation that is open to them."""

    id: str
    tenant: str
    label: str
    status: str
    unanswered: tuple[int, ...]


@dataclass
class Agents:
    """One agent a tenant, who works on all that waits; every call goes into the journal."""

    site: Site
    lines: Sequence[Line]
    journal: Journal
    seed: int
    joined: int = 0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        keys = {line.tenant: await agent_key(self.site, line.tenant) for line in self.lines}
        self._tasks = [asyncio.create_task(self._work_for(tenant, key)) for tenant, key in keys.items()]

    async def stop(self) -> None:
        """Ends when every call that was begun has its record. Raises what an agent failed with."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def _work_for(self, tenant: str, key: str) -> None:
        base, headers = f"{self.site.addresses['handover-desk']}/v1/desk", {"authorization": f"Bearer {key}"}
        async with (
            httpx.AsyncClient(base_url=base, headers=headers, timeout=30, trust_env=False) as http,
            asyncio.TaskGroup() as conversations,
        ):
            known: set[str] = set()
            while not self._stopping.is_set():
                for id_ in await self._waiting(http):
                    if id_ not in known:
                        known.add(id_)
                        conversations.create_task(self._attend(http, tenant, id_))
                await self._pause(LOOK_EVERY_S)

    async def _waiting(self, http: httpx.AsyncClient) -> list[str]:
        answer = await _once(http, "GET", "/conversations?status=waiting&limit=200")
        found = answer.json()["conversations"] if answer is not None and answer.is_success else []
        return [conversation["id"] for conversation in found]

    async def _attend(self, http: httpx.AsyncClient, tenant: str, id_: str) -> None:
        """One conversation from the acceptance to its end; 2 or 3 answers."""
        attending = _Attending(self, http, tenant, id_, random.Random(f"{self.seed} {self.joined}"))
        self.joined += 1
        while not self._stopping.is_set():
            shown = await attending.look()
            if shown is not None and (shown.status == "closed" or not await attending.go_on(shown)):
                return
            await self._pause(LOOK_EVERY_S)

    async def _pause(self, seconds: float) -> None:
        """Not longer than until the end."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


@dataclass
class _Attending:
    agents: Agents
    http: httpx.AsyncClient
    tenant: str
    id: str
    chance: random.Random
    answers: int = 0
    heard_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.enough = self.chance.choice((2, 3))
        self.closing = self.chance.choice(("end", "return"))

    async def look(self) -> Shown | None:
        """None when the desk does not answer, or has nothing to show yet."""
        answer = await _once(self.http, "GET", f"/conversations/{self.id}")
        return shown_of(self.tenant, answer.json()) if answer is not None and answer.is_success else None

    async def go_on(self, shown: Shown) -> bool:
        """The next thing to do; False when it was the last."""
        if shown.status == "waiting":
            await self._does(shown, "accept", "agent_joined", {"agent": AGENT})
        elif shown.unanswered:
            await self._answer(shown)
        elif self.answers >= self.enough or (self.answers and time.monotonic() - self.heard_at > IDLE_S):
            return not await self._does(shown, self.closing, f"agent_{self.closing}ed", {})
        return True

    async def _answer(self, shown: Shown) -> None:
        self.answers, self.heard_at = self.answers + 1, time.monotonic()
        text = f"agent {shown.tenant} {shown.label}: {' '.join(map(str, shown.unanswered))}"
        body = {"id": f"a{self.answers}", "text": text}
        await self._does(shown, "messages", "agent_said", body, serials=shown.unanswered, message_id=body["id"])

    async def _does(self, shown: Shown, action: str, what: str, body: Mapping[str, str], **facts: Any) -> bool:
        """The same call until the desk answers; True when it was done."""
        began_ns, began, statuses = time.time_ns(), time.monotonic(), []
        while True:
            answer = await _once(self.http, "POST", f"/conversations/{self.id}/{action}", body)
            statuses.append(answer.status_code if answer is not None else 0)
            done = answer is not None and answer.status_code < 500
            if done or time.monotonic() - began > TRY_FOR_S:
                break
            await asyncio.sleep(PAUSE_S)
        if answer is None or answer.status_code >= 500:
            what = "agent_gave_up"
        elif not answer.is_success:
            what = "agent_refused"
        elif action in ("end", "return"):
            facts["unanswered"] = shown_of(self.tenant, answer.json()).unanswered
        self._record(shown, what, action=action, began_ns=began_ns, statuses=statuses, **facts)
        return not what.endswith(("gave_up", "refused"))

    def _record(self, shown: Shown, what: str, **facts: Any) -> None:
        names = {"what": what, "tenant": shown.tenant, "label": shown.label, "conversation": self.id}
        self.agents.journal.write({**names, "at_ns": time.time_ns(), **facts})


async def _once(http: httpx.AsyncClient, method: str, path: str, body: Any = None) -> httpx.Response | None:
    """None when the connection broke."""
    try:
        return await http.request(method, path, json=body)
    except httpx.TransportError:
        return None


def shown_of(tenant: str, conversation: Mapping[str, Any]) -> Shown:
    """What the customer said since the last answer that the conversation shows, of a bot or an agent."""
    texts = [(line["author"], line["content"].get("text", "")) for line in conversation["lines"]]
    answered = [n for author, text in texts if author in ("bot", "agent") for _, _, n in answered_in(text) if n]
    written = [serial for author, text in texts if author == "customer" and (serial := written_in(text))]
    last = max(answered, default=0)
    open_ = tuple(sorted({n for _, _, n in written if n is not None and n > last}))
    label = written[0][1] if written else ""
    return Shown(conversation["id"], tenant, label, conversation["status"], open_)
