"""The demo: two tenants' customers talk with their bots, with an agent, and with the bot again.

Run by `make run`, and again on the running stack by `make demo`.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
from pymongo import MongoClient
from rich.console import Console

from deploy.local.__main__ import exit_on_problem
from deploy.local.demo_channels import show_channels
from deploy.local.demo_site import DemoSite, set_up
from deploy.local.places import DEFAULT_DATA_DIR
from deploy.local.problem import Problem
from deploy.local.stack import Stack

T = TypeVar("T")
REPLY_WITHIN_S = 30
QUIET_S = 0.3
console = Console(highlight=False)


@dataclass(frozen=True)
class Script:
    """One new customer's conversation. ``before`` is with the bot, the last line of it asks for a human."""

    tenant: str
    title: str
    sender: str
    name: str
    country: str
    agent: str
    before: tuple[str, ...]
    with_agent: tuple[tuple[str, str], ...]
    """Pairs of what the agent says and what the customer answers ('' for nothing)."""
    after: tuple[str, ...]


SCRIPTS = (
    Script(
        tenant="acme-bikes",
        title="Acme Bikes, in English",
        sender="whatsapp:+15550100001",
        name="Robin",
        country="+1555",
        agent="Ada",
        before=("Hi", "how much is an e-bike for a day?", "I would like to talk to a real person"),
        with_agent=(
            ("Hello, Ada here. What can I do for you?", "My e-bike has a flat tyre, I am at the old harbour"),
            ("Stay there, a colleague brings you another one in ten minutes.", ""),
        ),
        after=("what are your opening hours?",),
    ),
    Script(
        tenant="nordlicht",
        title="Bäckerei Nordlicht, auf Deutsch",
        sender="whatsapp:+4915550200001",
        name="Frau Petersen",
        country="+491555",
        agent="Jonte",
        before=("Moin", "Wann haben Sie geöffnet?", "Kann ich bitte mit einem Mitarbeiter sprechen?"),
        with_agent=(("Moin, hier ist Jonte. Wie kann ich helfen?", "Meine Torte soll morgen schon um acht fertig sein"),
                    ("Geht klar, wir fangen heute Abend an.", "")),
        after=("Was kostet eine Torte?",),
    ),
)  # fmt: skip


def play(stack: Stack) -> None:
    """Load the demo tenants and play both conversations. Raises Problem when an answer does not come."""
    play_on(DemoSite.of(stack))


def play_on(site: DemoSite) -> None:
    keys = set_up(site)
    for script in SCRIPTS:
        _Performance(site, script, keys[script.tenant]).play()
    show_channels(site, console)
    console.print(f"\nBe the customer yourself: {site.addresses['simulator']}", style="bold")


class _Performance:
    """One script on a stack, shown line by line."""

    def __init__(self, site: DemoSite, script: Script, agent_key: str) -> None:
        self._site, self._script = site, script
        self._simulator = httpx.Client(base_url=site.addresses["simulator"], timeout=60, trust_env=False)
        headers = {"authorization": f"Bearer {agent_key}"}
        self._desk = httpx.Client(
            base_url=f"{site.addresses['handover-desk']}/v1/desk", headers=headers, timeout=20, trust_env=False
        )
        self._customer_phone = f"{script.country}{secrets.randbelow(10**7):07d}"
        self._heard = 0
        self._began = datetime.now(UTC)

    def play(self) -> None:
        console.rule(self._script.title)
        with self._simulator, self._desk:
            for text in self._script.before:
                self._customer(text)
            conversation = self._accept()
            for number, (said, answer) in enumerate(self._script.with_agent):
                self._agent(conversation, f"line-{number}", said)
                if answer:
                    self._customer_to_agent(conversation, answer)
            self._desk.post(f"/conversations/{conversation}/end", json={}).raise_for_status()
            self._hear(time.time_ns())
            for text in self._script.after:
                self._customer(text)
        self._show_ways()

    def _customer(self, text: str) -> None:
        self._hear(self._write(text))

    def _customer_to_agent(self, conversation: str, text: str) -> None:
        self._write(text)
        self._until(lambda: text in _texts(self._desk.get(f"/conversations/{conversation}").json()))

    def _write(self, text: str) -> int:
        """Send as the customer; the time in nanoseconds at which the vendor was told."""
        path = f"/control/whatsapp/customers/{self._customer_phone}/messages"
        written_at = time.time_ns()
        answer = self._simulator.post(
            path, json={"to": self._script.sender, "body": text, "profile_name": self._script.name}
        )
        answer.raise_for_status()
        posted = answer.json()
        if posted["status"] != 200:
            raise Problem(
                f"The webhook was answered with {posted['status']} ({posted['error']}).", remedy="`make logs`"
            )
        self._heard = max(self._heard, posted["n"])
        self._show("customer", text, f"webhook answered in {posted['took_ms']:.0f} ms")
        return written_at

    def _hear(self, since_ns: int) -> None:
        """Show the replies until it is quiet; raises Problem when none comes in time."""
        messages = self._replies(REPLY_WITHIN_S)
        if not messages:
            raise Problem(f"No answer came within {REPLY_WITHIN_S} s.", remedy="look into `make logs`.")
        while messages:
            for message in messages:
                self._show("to customer", message["body"], f"{(message['at_ns'] - since_ns) / 1e6:.0f} ms after")
            messages = self._replies(QUIET_S)

    def _replies(self, wait_s: float) -> list[dict[str, Any]]:
        path = f"/control/whatsapp/customers/{self._customer_phone}/messages"
        found = self._simulator.get(path, params={"after": self._heard, "wait": wait_s}).json()
        self._heard = found["last"]
        return found["messages"]

    def _accept(self) -> str:
        waiting = self._until(
            lambda: self._desk.get("/conversations", params={"status": "waiting"}).json()["conversations"]
        )
        conversation = waiting[-1]["id"]
        self._show("agent", f"({self._script.agent} accepts; reason: {waiting[-1]['reason']})", "desk")
        at = time.time_ns()
        accepted = self._until(lambda: self._accepted(conversation))
        self._hear(at)
        return accepted

    def _waiting(self) -> list[dict[str, Any]]:
        """The key is a moment old: until the desk has heard of it, it may be refused."""
        answer = self._desk.get("/conversations", params={"status": "waiting"})
        return answer.json()["conversations"] if answer.status_code == 200 else []

    def _accepted(self, conversation: str) -> str | None:
        answer = self._desk.post(f"/conversations/{conversation}/accept", json={"agent": self._script.agent})
        return conversation if answer.status_code == 200 else None

    def _agent(self, conversation: str, message_id: str, text: str) -> None:
        at = time.time_ns()
        self._desk.post(
            f"/conversations/{conversation}/messages", json={"id": message_id, "text": text}
        ).raise_for_status()
        self._show("agent", text, "desk")
        self._hear(at)

    def _until(self, look: Callable[[], T | None]) -> T:
        deadline = time.monotonic() + REPLY_WITHIN_S
        while time.monotonic() < deadline:
            if found := look():
                return found
            time.sleep(0.05)
        raise Problem(f"The desk did not show what was expected within {REPLY_WITHIN_S} s.", remedy="see `make logs`.")

    def _show(self, who: str, text: str, note: str) -> None:
        styles = {"customer": "cyan", "to customer": "green", "agent": "magenta"}
        console.print(f"{who:>12} ", style=styles[who], end="")
        console.print(text.replace("\n", "\n" + " " * 13), markup=False, end="", soft_wrap=True)
        console.print(f"  [{note}]", style="dim", markup=False, soft_wrap=True)

    def _show_ways(self) -> None:
        """Which service had each answer when, in milliseconds from the webhook, and why it was given."""
        with MongoClient[dict[str, Any]](self._site.mongo_url, tz_aware=True) as mongo:
            where = {"tenant": self._script.tenant, "at": {"$gte": self._began}, "author": {"$ne": "customer"}}
            answers = list(mongo["m2n"]["messages"].find(where).sort("at", 1))
        console.print("the way of the bot's answers, in ms from the webhook:", style="dim")
        shown: set[str] = set()
        for answer in answers:
            way = _way(answer)
            if answer["author"] == "bot" and way not in shown:
                shown.add(way)
                console.print(f"  {way}  ({answer['because']})", style="dim", markup=False, soft_wrap=True)


def _texts(conversation: dict[str, Any]) -> list[str]:
    return [line["content"].get("text", "") for line in conversation["lines"]]


def _way(answer: dict[str, Any]) -> str:
    hops = [(hop["service"], hop["at"]) for hop in answer["trail"]]
    if "settled_at" in answer:
        hops.append(("delivery", answer["settled_at"]))
    return " > ".join(f"{service} {(at - hops[0][1]).total_seconds() * 1000:.0f}" for service, at in hops)


if __name__ == "__main__":
    exit_on_problem(lambda: play_on(DemoSite.running_in(DEFAULT_DATA_DIR.resolve())))
