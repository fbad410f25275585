"""How long a customer waits on the running stack: from the vendor's webhook to the reply at the vendor's API.

Open loop: the times of sending are planned and do not wait for answers. One clock, the simulator's ledger.
Start the stack with `make run`, then: .venv/bin/python -m bench.reply_latency
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Annotated, Any

import httpx
import orjson
import typer

from deploy.local.demo_site import DemoSite
from deploy.local.places import DEFAULT_DATA_DIR

SENDER = "whatsapp:+15550100001"
QUESTIONS = ("what are your opening hours?", "how much is an e-bike for a day?", "where are you?")
ANSWERED_WITHIN_S = 30.0
Complete = Callable[[list[dict[str, Any]]], bool]


def main(
    count: Annotated[int, typer.Option(min=10, max=100_000, help="messages in all")] = 200,
    rate: Annotated[float, typer.Option(min=0.1, max=500, help="messages a second")] = 5.0,
    customers: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    data_dir: Annotated[Path, typer.Option(help="data folder of the running stack")] = DEFAULT_DATA_DIR,
) -> None:
    """Print p50, p99 and the worst of both figures; exit code 1 when a message stays without an answer."""
    unanswered = asyncio.run(_measure(DemoSite.running_in(data_dir.resolve()), count, rate, customers))
    raise typer.Exit(1 if unanswered else 0)


async def _measure(site: DemoSite, count: int, rate: float, customers: int) -> int:
    phones = [f"+1555{secrets.randbelow(10**7):07d}" for _ in range(customers)]
    async with httpx.AsyncClient(base_url=site.addresses["simulator"], timeout=60, trust_env=False) as simulator:
        # First messages, whose answers begin with a greeting, are not what is measured.
        greeted = [await _write(simulator, phone, "hi") for phone in phones]
        greetings = await _ledger(simulator, greeted[0].n, set(phones), lambda seen: _replies(seen) >= 2 * customers)
        start = greetings[-1]["n"]
        acks = await asyncio.gather(
            *(_planned(simulator, phones[number % customers], number, rate) for number in range(count))
        )
        entries = await _ledger(simulator, start, set(phones), lambda seen: len(_waits(seen)) >= count)
    waits = _waits(entries)
    _show("webhook answered", [ack.took_ms for ack in acks])
    _show("webhook to reply", waits)
    typer.echo(f"{count} messages, {len(waits)} answered, {rate:g} a second, {customers} customers")
    return count - len(waits)


async def _planned(simulator: httpx.AsyncClient, phone: str, number: int, rate: float) -> "Posted":
    await asyncio.sleep(number / rate)
    return await _write(simulator, phone, QUESTIONS[number % len(QUESTIONS)])


@dataclass(frozen=True)
class Posted:
    """``n``: the ledger's last number before the message; ``took_ms``: until the webhook was answered."""

    n: int
    took_ms: float


async def _write(simulator: httpx.AsyncClient, phone: str, text: str) -> Posted:
    """Send as a customer."""
    answer = await simulator.post(f"/control/whatsapp/customers/{phone}/messages", json={"to": SENDER, "body": text})
    answer.raise_for_status()
    return Posted(answer.json()["n"], answer.json()["took_ms"])


async def _ledger(
    simulator: httpx.AsyncClient, after: int, phones: set[str], complete: Complete
) -> list[dict[str, Any]]:
    """These customers' part of the ledger, once it is complete, or when the time is over."""
    entries: list[dict[str, Any]] = []
    for _ in range(int(ANSWERED_WITHIN_S * 4)):
        text = (await simulator.get("/control/ledger", params={"after": after})).text
        entries = [entry for line in text.splitlines() if (entry := orjson.loads(line))["customer"] in phones]
        if complete(entries):
            break
        await asyncio.sleep(0.25)
    return entries


def _replies(entries: list[dict[str, Any]]) -> int:
    return sum(entry["kind"] == "outbound" for entry in entries)


def _waits(entries: list[dict[str, Any]]) -> list[float]:
    """Milliseconds from each message to the customer's next reply that belongs to it, in order."""
    waiting: dict[str, list[int]] = {}
    waits: list[float] = []
    for entry in entries:
        if entry["kind"] == "inbound":
            waiting.setdefault(entry["customer"], []).append(entry["at_ns"])
        elif entry["kind"] == "outbound" and waiting.get(entry["customer"]):
            waits.append((entry["at_ns"] - waiting[entry["customer"]].pop(0)) / 1e6)
    return waits


def _show(name: str, values: list[float]) -> None:
    cuts = quantiles(values, n=100)
    typer.echo(f"{name}: p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms, worst {max(values):.0f} ms")


if __name__ == "__main__":
    typer.run(main)
