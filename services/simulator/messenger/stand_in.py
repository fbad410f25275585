"""Messenger's stand-in, as all vendors' stand-ins are used."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from services.simulator.ledger import Kind
from services.simulator.messenger import api
from services.simulator.messenger.customer import Done, done
from services.simulator.messenger.files import Files
from services.simulator.messenger.memory import Memory, Person
from services.simulator.messenger.page import Page
from services.simulator.messenger.posting import Webhooks, written
from services.simulator.messenger.progress import Progress
from services.simulator.state import State
from services.simulator.vendors import Line, Said, SaidAnswer, facts


class Messenger:
    channel: str = "messenger"
    title: str = "Messenger"

    def __init__(self, state: State) -> None:
        self._memory = Memory(state)
        self._files, self._webhooks = Files(self._memory), Webhooks(self._memory)

    def routers(self) -> Sequence[APIRouter]:
        return (api.router(self._memory, self._files, Progress(self._memory, self._webhooks)),)

    def enter(self, line: Line) -> None:
        self._memory.enter(Page.of(line))

    def forget(self) -> None:
        self._memory.forget()

    async def say(self, line: Line, customer: str, said: Said, base_url: str) -> SaidAnswer:
        page = Page.of(line)
        if said.extra.get("block"):
            return self._blocked(self._memory.person(page, customer))
        does = done(said, self._files, base_url)
        person = self._memory.person(page, customer)
        self._remember(person, said, does)
        n = self._memory.state.ledger.last
        self._memory.state.ledger.add(Kind.INBOUND, customer, **_facts(line, said, does))
        key = "standby" if said.extra.get("standby") else "messaging"
        body = written(page, self._event(person, does), self._memory.now_ms(), key=key)
        posted = await self._webhooks.tell(person, does.id, body, Kind.WEBHOOK)
        return SaidAnswer(message_id=does.id, n=n, **vars(posted))

    def _remember(self, person: Person, said: Said, does: Done) -> None:
        person.name, person.blocks = said.name or person.name, False
        person.mids.add(does.id)
        if does.opens:
            person.acted_at = self._memory.state.now()

    def _event(self, person: Person, does: Done) -> dict[str, Any]:
        at_ms = self._memory.said_at_ms.setdefault(does.id, self._memory.now_ms())
        around = {"sender": {"id": person.psid}, "recipient": {"id": person.page.id}, "timestamp": at_ms}
        return around | does.event

    def _blocked(self, person: Person) -> SaidAnswer:
        """Nobody is told of it; the Page finds out when it writes."""
        person.blocks = True
        return SaidAnswer(message_id="", n=self._memory.state.ledger.last, status=None, tries=0, took_ms=0, error=None)


def _facts(line: Line, said: Said, does: Done) -> dict[str, Any]:
    """What the customer did, as their own app shows it."""
    words = said.choice.title if said.choice else said.edit.text if said.edit else said.text
    pictures = [media.url for media in said.media if media.content_type.startswith("image/")]
    files = [media.url for media in said.media if not media.content_type.startswith("image/")]
    more = said.model_dump(mode="json", include={"choice", "reaction", "edit", "reply_to"}, exclude_none=True)
    place = said.location.model_dump() if said.location else None
    return facts(line, does.id, text=words or "", pictures=pictures, files=files, place=place, **more)
