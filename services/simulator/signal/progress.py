"""What becomes of a message of ours on the customer's phone, and the receipts that the phone sends of it."""

import asyncio
from collections.abc import Iterator

from services.simulator.ledger import Kind
from services.simulator.settings import StatusPlan
from services.simulator.signal.envelopes import receipt
from services.simulator.signal.memory import Account, Person
from services.simulator.signal.receiving import tell
from services.simulator.state import State
from services.simulator.vendors import facts

Step = tuple[str, float]


def deliver(state: State, account: Account, person: Person, sent_ms: int) -> None:
    state.start(_go_on(state, account, person, sent_ms, state.statuses))


def _steps(plan: StatusPlan) -> Iterator[Step]:
    """The statuses to come with the seconds before each. Signal knows no failure later: there is no receipt then."""
    if plan.final == "queued":
        return
    yield "sent", plan.sent_s
    if plan.final in ("delivered", "read"):
        yield "delivered", plan.delivered_s
    if plan.final == "read":
        yield "read", plan.read_s


async def _go_on(state: State, account: Account, person: Person, sent_ms: int, plan: StatusPlan) -> None:
    later: list[str] = []
    for status, pause_s in _steps(plan):
        await asyncio.sleep(pause_s)
        named = facts(account.line, f"{account.number}:{sent_ms}", status=status)
        state.ledger.add(Kind.STATUS, person.who, **named)
        told = [status] * (2 if plan.duplicated else 1) if status != "sent" else []
        if plan.shuffled:
            later += told
        else:
            await _tell(state, account, person, sent_ms, told)
    await _tell(state, account, person, sent_ms, later[::-1])


async def _tell(state: State, account: Account, person: Person, sent_ms: int, statuses: list[str]) -> None:
    for status in statuses:
        when_ms = int(state.now().timestamp() * 1000)
        told = await tell(state.http, account, receipt(person, sent_ms, when_ms, status))
        named = facts(account.line, f"{account.number}:{sent_ms}", told=status)
        state.ledger.add(Kind.CALLBACK, person.who, **named, **vars(told))
