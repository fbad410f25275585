"""Load on a stack: customers who write at planned times, whatever the answers, and agents who answer some of them.

async with Load(site, Plan(seed=7), folder) as load:
    running = asyncio.create_task(load.run())
    ...                                # a fault
    await running
    missing = await load.drained(60)
await collect(site, folder)            # tests.faults.records
report = check(folder)                 # tests.faults.checker
"""

import asyncio
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx
import orjson

from tests.faults.agents import Agents
from tests.faults.checked_records import Pair, Serial, answer_of, declared_serials
from tests.faults.customers import Customer, Line, make_customers, make_lines
from tests.faults.journal import Journal
from tests.faults.plan import Plan, Send
from tests.faults.posting import Posted, Vendor
from tests.faults.records import declared
from tests.faults.site import Site
from tests.faults.webhooks import Webhook, batch

__all__ = ["Agents", "Load", "Plan", "Posted", "Send", "Site"]
LOOK_EVERY_S = 0.25
DECLARED_EVERY_S = 2.0


class Load:
    """One run. ``folder`` gets ``run.json``, ``accepted.jsonl`` and ``agents.jsonl``."""

    def __init__(self, site: Site, plan: Plan, folder: Path) -> None:
        self.site, self.plan, self.folder = site, plan, folder
        self.lines: tuple[Line, ...] = ()
        self.customers: tuple[Customer, ...] = ()
        self.accepted = self.given_up = self.refused = self.answered = 0
        self.began_ns = 0
        """When the first message could be sent; planned times count from here."""
        self.planned = len(plan.sends())
        self._opened_at = datetime.now(UTC)
        self.finished = False
        """Whether every planned message was accepted, given up or refused."""
        self._posted: defaultdict[str, int] = defaultdict(int)
        self._turn: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._unanswered: dict[Serial, dict[str, Any]] = {}
        self._seen: set[Serial] = set()
        self._ledger_after = self._ledger_read = 0
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            await self._open()
        except BaseException:
            await self._opened.aclose()
            raise
        return self

    async def _open(self) -> None:
        self.lines = await make_lines(self.site, self.plan)
        self.customers = make_customers(self.plan, self.lines)
        self._names = {(c.line.sender, c.phone): (c.line.tenant, c.label) for c in self.customers}
        self._journal = Journal(self.folder / "accepted.jsonl")
        self._opened.callback(self._journal.close)
        self._vendor = Vendor(self.site)
        self._opened.push_async_callback(self._vendor.close)
        self._simulator = httpx.AsyncClient(base_url=self.site.addresses["simulator"], timeout=60, trust_env=False)
        self._opened.push_async_callback(self._simulator.aclose)
        self._ledger_after = self._ledger_read = await self._last_of_ledger()
        self._write_run(finished=False)
        watching = asyncio.create_task(self._watch())
        self._opened.push_async_callback(_cancelled, watching)
        await self._start_agents()

    async def _start_agents(self) -> None:
        journal = Journal(self.folder / "agents.jsonl")
        self._opened.callback(journal.close)
        self.agents = Agents(self.site, self.lines, journal, self.plan.seed)
        if self.plan.agent_share:
            await self.agents.start()
            self._opened.push_async_callback(self.agents.stop)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Agents end the calls that they began. A run that was broken off is marked as not finished."""
        await self._opened.aclose()
        self._write_run(finished=kind is None and (self.finished or not self.began_ns))

    # -- sending -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send what the plan says; returns when every message was accepted, given up or refused."""
        self.began_ns = time.time_ns()
        by_customer: defaultdict[int, list[Send]] = defaultdict(list)
        for send in self.plan.sends():
            by_customer[send.customer].append(send)
        async with asyncio.TaskGroup() as writing:
            for number, sends in by_customer.items():
                writing.create_task(self._write_all(self.customers[number], sends))
        self.finished = True

    async def _write_all(self, customer: Customer, sends: Sequence[Send]) -> None:
        for send in sends:
            planned_ns = self.began_ns + int(send.at_s * 1e9)
            await asyncio.sleep((planned_ns - time.time_ns()) / 1e9)
            await self.says(customer, send.words, planned_ns=planned_ns)

    async def says(self, customer: Customer, words: str = "", copies: int = 1, planned_ns: int = 0) -> dict[str, Any]:
        """The customer's next message, beside the plan or of it; with ``copies`` the webhook comes so often at once.

        Returns its record, in which ``sid`` is the vendor's id of the message.
        """
        planned_ns = planned_ns or time.time_ns()
        async with self._turn[customer.label]:
            serial, sid, text = self._next(customer, words)
            webhook = customer.webhook(sid, text)
            posts = await asyncio.gather(*(self._vendor.deliver(webhook) for _ in range(copies)))
            return self._note(self._record(customer, serial, sid, text, planned_ns, posts))

    async def repeats(self, customer: Customer, record: dict[str, Any]) -> Posted:
        """The vendor sends a message again, with the same id."""
        return await self._vendor.deliver(customer.webhook(record["sid"], record["text"]))

    async def posts(self, webhook: Webhook) -> int | str:
        """One try of a webhook of one's own, which is not recorded: its HTTP status, or the name of the error."""
        return await self._vendor.post(webhook)

    async def say_together(self, customers: Sequence[Customer], spoiled: Mapping[str, Any]) -> Posted:
        """Messages of these customers of one line in one webhook, in this order, and in the middle one that is spoiled.

        A customer may be there several times. Nobody of them may write otherwise meanwhile.
        """
        planned_ns, said = time.time_ns(), [(customer, *self._next(customer)) for customer in customers]
        entries: list[Mapping[str, Any]] = [customer.entry(sid, text) for customer, _, sid, text in said]
        entries.insert(len(entries) // 2, spoiled)
        line = customers[0].line
        posted = await self._vendor.deliver(batch(line.path, entries, line.token))
        for customer, serial, sid, text in said:
            self._note(self._record(customer, serial, sid, text, planned_ns, [posted]))
        return posted

    def _next(self, customer: Customer, words: str = "") -> tuple[int, str, str]:
        """Number, vendor's id and text of the customer's next message."""
        self._posted[customer.label] += 1
        serial = self._posted[customer.label]
        text = f"{customer.line.tenant} {customer.label} {serial} {words}".rstrip(" ")
        return serial, f"SM{secrets.token_hex(16)}", text

    def _record(
        self, customer: Customer, serial: int, sid: str, text: str, planned_ns: int, posts: Sequence[Posted]
    ) -> dict[str, Any]:
        outcomes = {post.outcome for post in posts}
        what = next(outcome for outcome in ("accepted", "given_up", "refused") if outcome in outcomes)
        accepted = [post.ended_ns for post in posts if post.outcome == "accepted"]
        return {
            "what": what,
            "tenant": customer.line.tenant,
            "connection": customer.line.connection,
            "sender": customer.line.sender,
            "customer": customer.phone,
            "label": customer.label,
            "serial": serial,
            "sid": sid,
            "text": text,
            "planned_ns": planned_ns,
            "sent_ns": min(post.sent_ns for post in posts),
            "accepted_ns": min(accepted, default=None),
            "tries": sum(len(post.statuses) for post in posts),
            "statuses": [status for post in posts for status in post.statuses],
        }

    def _note(self, record: dict[str, Any]) -> dict[str, Any]:
        self._journal.write(record)
        what: str = record["what"]
        setattr(self, what, getattr(self, what) + 1)
        serial = (record["tenant"], record["label"], record["serial"])
        if what == "accepted" and serial not in self._seen:
            self._unanswered[serial] = record
        return record

    # -- waiting -----------------------------------------------------------------------------------------------

    async def drained(self, limit_s: float = 120) -> tuple[dict[str, Any], ...]:
        """Wait until every accepted message is answered at the vendor, or declared; the records of those left over."""
        deadline, declared_at = time.monotonic() + limit_s, time.monotonic() + DECLARED_EVERY_S
        while self._unanswered and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_EVERY_S)
            if time.monotonic() > declared_at:
                await self._take_out_declared()
                declared_at = time.monotonic() + DECLARED_EVERY_S
        return tuple(self._unanswered.values())

    def waits(self, record: dict[str, Any]) -> bool:
        """Whether the customer's message of this record, as says() returns it, has no answer yet."""
        return (record["tenant"], record["label"], record["serial"]) in self._unanswered

    async def _take_out_declared(self) -> None:
        lines = await declared(self.site, [line.tenant for line in self.lines], self._opened_at)
        for serial in declared_serials(lines) | self._left_by_agents():
            self._unanswered.pop(serial, None)

    def _left_by_agents(self) -> set[Serial]:
        calls = [json.loads(line) for line in (self.folder / "agents.jsonl").read_bytes().splitlines()]
        return {(call["tenant"], call["label"], n) for call in calls for n in call.get("unanswered", ())}

    # -- the vendor's ledger -----------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            for entry in await self._news():
                self._ledger_read = entry["n"]
                if entry["kind"] == "outbound":
                    self._take(entry)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _news(self) -> list[dict[str, Any]]:
        """Nothing when the simulator does not answer now."""
        try:
            answer = await self._simulator.get("/control/ledger", params={"after": self._ledger_read})
        except httpx.TransportError:
            return []
        return [orjson.loads(line) for line in answer.content.splitlines()] if answer.is_success else []

    def _take(self, entry: dict[str, Any]) -> None:
        pair: Pair = (entry["sender"], entry["customer"])
        if pair not in self._names:
            return
        for serial in answer_of(entry, self._names).serials:
            if serial[:2] == self._names[pair] and serial not in self._seen:
                self._seen.add(serial)
                self._unanswered.pop(serial, None)
                self.answered += 1

    async def _last_of_ledger(self) -> int:
        return (await self._simulator.get("/control/ledger/last")).json()["n"]

    def _write_run(self, finished: bool) -> None:
        """Before the end, how many messages of a customer are planned; then, how many there were."""
        planned: defaultdict[str, int] = defaultdict(int)
        for send in () if finished else self.plan.sends():
            planned[self.customers[send.customer].label] += 1
        customers = [
            {
                "tenant": c.line.tenant,
                "label": c.label,
                "sender": c.line.sender,
                "customer": c.phone,
                "posted": max(planned[c.label], self._posted[c.label]),
            }
            for c in self.customers
        ]
        run = {
            "seed": self.plan.seed,
            "finished": finished,
            "opened_at": self._opened_at.isoformat(),
            "ledger_after": self._ledger_after,
            "plan": vars(self.plan),
            "tenants": [{"tenant": e.tenant, "connection": e.connection, "sender": e.sender} for e in self.lines],
            "customers": customers,
        }
        (self.folder / "run.json").write_text(json.dumps(run, indent=1))


async def _cancelled(task: asyncio.Task[None]) -> None:
    """End a task; raises what it failed with before."""
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return
