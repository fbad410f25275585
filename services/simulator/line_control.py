"""The simulator's API for all channels alike: tenants' lines, being a customer on one, what the customer sees."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, HTTPException, Request

from services.simulator.ledger import Kind
from services.simulator.settings import Seconds
from services.simulator.setup_file import SetupFile
from services.simulator.state import State
from services.simulator.vendors import Customer, Line, Said, SaidAnswer, StandIn


def router(state: State, setup_file: SetupFile) -> APIRouter:
    lines, routes = _Lines(state, setup_file), APIRouter(prefix="/control/lines")
    customer = "/{channel}/{connection}/customers/{customer}/messages"
    routes.add_api_route("", lines.all, methods=["GET"])
    routes.add_api_route("", lines.enter, methods=["PUT"], status_code=204)
    routes.add_api_route(customer, lines.say, methods=["POST"])
    routes.add_api_route(customer, lines.heard, methods=["GET"])
    return routes


@dataclass(frozen=True)
class _Lines:
    state: State
    setup_file: SetupFile

    async def all(self) -> dict[str, Any]:
        """What the page offers."""
        shown = [
            {
                "channel": line.channel,
                "channel_title": self.state.stand_ins[line.channel].title,
                "connection": line.connection,
                "title": line.title or line.connection,
            }
            for line in self.state.lines.values()
        ]
        return {"lines": shown}

    async def enter(self, line: Line) -> None:
        """Make a tenant's connection known at its vendor, or change it."""
        try:
            self.state.enter(line)
        except LookupError:
            raise HTTPException(422, f"channel: there is no stand-in for {line.channel!r}") from None
        except ValueError as wrong:
            raise HTTPException(422, str(wrong)) from wrong
        await self.setup_file.keep(self.state)

    async def say(self, channel: str, connection: str, customer: Customer, said: Said, request: Request) -> SaidAnswer:
        """Be the customer: the vendor posts its webhook, and this answers when its receiver has."""
        stand_in, line = self._line(channel, connection)
        try:
            return await stand_in.say(line, customer, said, str(request.base_url).rstrip("/"))
        except ValueError as impossible:
            raise HTTPException(422, str(impossible)) from impossible

    async def heard(
        self, channel: str, connection: str, customer: Customer, after: int = 0, wait: Seconds = 0
    ) -> dict[str, Any]:
        """What the customer sees after ledger number ``after``; waits up to ``wait`` seconds for something."""
        self._line(channel, connection)
        found = await self.state.ledger.wait_for(after, customer, Kind.OUTBOUND, wait)
        ours = [entry for entry in found if entry.facts.get("line") == connection and entry.facts["seen"]]
        return {"messages": [entry.shown() for entry in ours], "last": found[-1].n if found else after}

    def _line(self, channel: str, connection: str) -> tuple[StandIn, Line]:
        line = self.state.line(channel, connection)
        if line is None:
            raise HTTPException(404, f"there is no line {connection!r} of {channel!r}; PUT /control/lines first")
        return self.state.stand_ins[channel], line
