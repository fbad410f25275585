"""What becomes of an accepted message: its statuses one after the other, and the webhooks that tell of them."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.simulator.ledger import Kind
from services.simulator.settings import StatusPlan
from services.simulator.state import State
from services.simulator.whatsapp_cloud.customer import number_webhook
from services.simulator.whatsapp_cloud.memory import Memory
from services.simulator.whatsapp_cloud.numbers import Number
from services.simulator.whatsapp_cloud.people import Person
from services.simulator.whatsapp_cloud.problems import UNDELIVERABLE, Problem
from services.simulator.whatsapp_cloud.webhooks import Webhooks

PRICE = {"billable": False, "pricing_model": "PMP", "category": "service", "type": "free_customer_service"}
_ENDS_BADLY = ("failed", "undelivered")


@dataclass(frozen=True)
class Sent:
    """A message that was accepted. ``reference`` is what the sender gave along and gets back with each status."""

    id: str
    number: Number
    who: Person
    reference: str | None
    generation: int


@dataclass(frozen=True)
class Progress:
    state: State
    memory: Memory
    webhooks: Webhooks

    async def go_on(self, sent: Sent, plan: StatusPlan) -> None:
        """Until the plan's end, or until conversations are forgotten."""
        later: list[dict[str, Any]] = []
        for status, pause_s in _steps(plan):
            await asyncio.sleep(pause_s)
            if self.memory.generation != sent.generation:
                return
            error = _error(plan) if status == "failed" else None
            self._note(sent, status, error)
            at = str(int(self.state.now().timestamp()))
            told = [_status(sent, status, at, error)] * (2 if plan.duplicated else 1)
            if plan.shuffled:
                later += told
            else:
                await self._tell(sent, told)
        await self._tell(sent, later[::-1])

    def _note(self, sent: Sent, status: str, error: Problem | None) -> None:
        line, code = sent.number.line, error.code if error else None
        facts = {"channel": line.channel, "line": line.connection, "id": sent.id}
        self.state.ledger.add(Kind.STATUS, sent.who.customer, **facts, status=status, error_code=code)

    async def _tell(self, sent: Sent, statuses: list[dict[str, Any]]) -> None:
        for status in statuses:
            payload, told = number_webhook(sent.number, {"statuses": [status]}), status["status"]
            await self.webhooks.post(sent.number, sent.who.customer, sent.id, payload, Kind.CALLBACK, told=told)


def _steps(plan: StatusPlan) -> Iterator[tuple[str, float]]:
    """The statuses to come with the seconds before each. Meta tells of a failure without a ``sent`` before it."""
    if plan.final == "queued":
        return
    if plan.final in _ENDS_BADLY:
        yield "failed", plan.sent_s
        return
    yield "sent", plan.sent_s
    if plan.final != "sent":
        yield "delivered", plan.delivered_s
        if plan.final == "read":
            yield "read", plan.read_s


def _error(plan: StatusPlan) -> Problem:
    return UNDELIVERABLE if plan.error_code is None else Problem(plan.error_code, "a failure that was asked for")


def _status(sent: Sent, status: str, at: str, error: Problem | None) -> dict[str, Any]:
    found: dict[str, Any] = {"id": sent.id, "status": status, "timestamp": at, **sent.who.recipient}
    if sent.reference is not None:
        found["biz_opaque_callback_data"] = sent.reference
    return found | ({"pricing": PRICE} if error is None else {"errors": [error.in_status()]})
