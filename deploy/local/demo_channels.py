"""The second part of the demo: one question on each of a tenant's other channels, and the bot's answer."""

import secrets
import time
from typing import Any

import httpx
from rich.console import Console

from deploy.local.demo_site import DemoSite
from deploy.local.problem import Problem

QUESTION = "how much is an e-bike for a day?"
WANTED = "e-bike 32"
ANSWER_WITHIN_S = 30
NAMED = ("messenger", "telegram")
"""Channels whose customers have no number."""


def show_channels(site: DemoSite, console: Console) -> None:
    """Raises Problem when a channel does not answer."""
    console.rule("Acme Bikes on its other channels")
    with httpx.Client(base_url=site.addresses["simulator"], timeout=60, trust_env=False) as simulator:
        for line in simulator.get("/control/lines").json()["lines"]:
            if line["channel"] != "whatsapp_twilio":
                _show(simulator, line, console)


def _show(simulator: httpx.Client, line: dict[str, Any], console: Console) -> None:
    customer = f"Robin{secrets.token_hex(3)}" if line["channel"] in NAMED else f"+1555{secrets.randbelow(10**7):07d}"
    path = f"/control/lines/{line['channel']}/{line['connection']}/customers/{customer}/messages"
    began, after = time.time_ns(), simulator.get("/control/ledger/last").json()["n"]
    said = simulator.post(path, json={"text": QUESTION})
    if said.status_code != 200:
        raise Problem(f"{line['channel_title']}: the customer could not write: {said.text}", remedy="`make logs`")
    answer = _answer(simulator, path, after)
    if answer is None:
        raise Problem(
            f"{line['channel_title']}: no answer within {ANSWER_WITHIN_S} s.", remedy="look into `make logs`."
        )
    took_ms = (answer["at_ns"] - began) / 1e6
    console.print(f"{line['channel_title']:>16} ", style="cyan", end="")
    console.print(QUESTION, markup=False)
    console.print(f"{'':>16} {answer['text'].splitlines()[0]}", style="green", markup=False, end="", soft_wrap=True)
    console.print(f"  [{took_ms:.0f} ms after]", style="dim", markup=False, soft_wrap=True)


def _answer(simulator: httpx.Client, path: str, after: int) -> dict[str, Any] | None:
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while (left_s := deadline - time.monotonic()) > 0:
        found = simulator.get(path, params={"after": after, "wait": min(left_s, 20)}).json()
        after = found["last"]
        for message in found["messages"]:
            if WANTED in message["text"]:
                return message
    return None
