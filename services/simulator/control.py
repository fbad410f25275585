"""The simulator's own API: setting up, being the customer, asking for faults, reading what happened."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, HTTPException, Path, Request, Response
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from services.simulator.ledger import Entry, Kind
from services.simulator.settings import Account, Fault, Seconds, Sender, Setup, Sid, StatusPlan, WebChat
from services.simulator.setup_file import SetupFile
from services.simulator.state import State
from services.simulator.twilio.inbound import Written, write

CustomerPhone = Annotated[str, Path(pattern=r"^\+[1-9][0-9]{6,14}$")]


class Clock(Setup):
    """How many seconds the simulator's time is ahead."""

    ahead_s: Annotated[float, Field(ge=0, le=10 * 365 * 86_400)] = 0


class Strangers(Setup):
    """Whether customers that never wrote through the simulator count as having just written.

    For webhooks that are posted by hand, of which the simulator does not know.
    """

    wrote: bool


class WriteAnswer(BaseModel):
    """``status`` is the webhook's HTTP status, None without an answer; ``n`` the ledger's last number before it."""

    message_sid: str
    n: int
    status: int | None
    tries: int
    took_ms: float
    error: str | None


def router(state: State, setup_file: SetupFile) -> APIRouter:
    control, routes = _Control(state, setup_file), APIRouter(prefix="/control")
    routes.add_api_route("/accounts/{sid}", control.account, methods=["PUT"], status_code=204)
    routes.add_api_route("/senders", control.sender, methods=["POST"], status_code=204)
    routes.add_api_route("/webchats", control.webchat, methods=["POST"], status_code=204)
    routes.add_api_route("/setup", control.setup, methods=["GET"])
    routes.add_api_route("/whatsapp/customers/{phone}/messages", control.write, methods=["POST"])
    routes.add_api_route("/whatsapp/customers/{phone}/messages", control.replies, methods=["GET"])
    routes.add_api_route("/faults", control.add_fault, methods=["POST"], status_code=204)
    routes.add_api_route("/faults", control.clear_faults, methods=["DELETE"], status_code=204)
    routes.add_api_route("/statuses", control.plan_statuses, methods=["PUT"], status_code=204)
    routes.add_api_route("/strangers", control.set_strangers, methods=["PUT"], status_code=204)
    routes.add_api_route("/clock", control.put_clock, methods=["PUT"], status_code=204)
    routes.add_api_route("/ledger", control.ledger, methods=["GET"])
    routes.add_api_route("/ledger/last", control.last_of_ledger, methods=["GET"])
    routes.add_api_route("/ledger", control.clear_ledger, methods=["DELETE"], status_code=204)
    routes.add_api_route("/conversations", control.forget, methods=["DELETE"], status_code=204)
    routes.add_api_route("/events", control.events, methods=["GET"], response_model=None)
    return routes


@dataclass(frozen=True)
class _Control:
    state: State
    setup_file: SetupFile

    async def account(self, sid: Sid, account: Account) -> None:
        self.state.tokens[sid] = account.token
        (self.state.test_accounts.add if account.test else self.state.test_accounts.discard)(sid)
        await self.setup_file.keep(self.state)

    async def sender(self, sender: Sender) -> None:
        """Give an account a number, or change the one it has."""
        if sender.account_sid not in self.state.tokens:
            raise HTTPException(422, "account_sid: there is no such account; PUT /control/accounts/{sid} first")
        self.state.senders[sender.sender] = sender
        await self.setup_file.keep(self.state)

    async def webchat(self, webchat: WebChat) -> None:
        self.state.webchats[webchat.connection] = webchat
        await self.setup_file.keep(self.state)

    async def setup(self) -> dict[str, Any]:
        """What the page offers."""
        return {
            "senders": [{"sender": s.sender, "title": s.title or s.sender} for s in self.state.senders.values()],
            "webchats": [w.model_dump() | {"title": w.title or w.connection} for w in self.state.webchats.values()],
        }

    async def write(self, phone: CustomerPhone, written: Written, request: Request) -> WriteAnswer:
        """Be the customer: Twilio posts the webhook, and this answers when its receiver has."""
        sender = self.state.senders.get(written.to)
        if sender is None:
            raise HTTPException(404, f"to: there is no sender {written.to!r}; POST /control/senders first")
        n = self.state.ledger.last
        sid, posted = await write(self.state, sender, phone, written, str(request.base_url).rstrip("/"))
        return WriteAnswer(message_sid=sid, n=n, **vars(posted))

    async def replies(
        self, phone: CustomerPhone, after: int = 0, wait: Seconds = 0, sender: str | None = None
    ) -> dict[str, Any]:
        """What the customer sees of the replies after ledger number ``after``; waits up to ``wait`` seconds for one."""
        found = await self.state.ledger.wait_for(after, phone, Kind.OUTBOUND, wait)
        ours = [entry for entry in found if entry.facts.get("sender", "").startswith("whatsapp:")]
        seen = [entry.shown() for entry in ours if entry.facts["seen"] and sender in (None, entry.facts["sender"])]
        return {"messages": seen, "last": found[-1].n if found else after}

    async def add_fault(self, fault: Fault) -> None:
        self.state.faults.append(fault)

    async def clear_faults(self) -> None:
        self.state.faults.clear()

    async def plan_statuses(self, plan: StatusPlan) -> None:
        self.state.statuses = plan

    async def set_strangers(self, strangers: Strangers) -> None:
        self.state.strangers_wrote = strangers.wrote
        await self.setup_file.keep(self.state)

    async def put_clock(self, clock: Clock) -> None:
        self.state.ahead = timedelta(seconds=clock.ahead_s)

    async def ledger(self, after: int = 0) -> Response:
        """Everything that happened, one JSON object a line."""
        lines = b"".join(orjson.dumps(entry.shown()) + b"\n" for entry in self.state.ledger.after(after))
        return Response(lines, media_type="application/x-ndjson")

    async def last_of_ledger(self) -> dict[str, int]:
        """The number of the newest entry, 0 before the first."""
        return {"n": self.state.ledger.last}

    async def clear_ledger(self) -> None:
        self.state.ledger.clear()

    async def forget(self) -> None:
        """Drop conversations, faults, opt-outs and plans; accounts, senders and web chats stay."""
        self.state.forget()

    async def events(
        self, after: int = 0, last_event_id: Annotated[int | None, Header()] = None
    ) -> EventSourceResponse:
        """Everything that happens, live, for the page."""
        return EventSourceResponse(self._stream(last_event_id or after))

    async def _stream(self, after: int) -> AsyncIterator[ServerSentEvent]:
        """From the entry after that one on; from the first one if the number is of a simulator that ran before."""
        after = after if after <= self.state.ledger.last else 0
        yield ServerSentEvent(comment="open", retry=1000)
        with self.state.ledger.news() as news:
            while True:
                for entry in self.state.ledger.after(after):
                    yield _event(entry)
                    after = entry.n
                await news.wait()
                news.clear()


def _event(entry: Entry) -> ServerSentEvent:
    return ServerSentEvent(id=str(entry.n), data=orjson.dumps(entry.shown()).decode())
