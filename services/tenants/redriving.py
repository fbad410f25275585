"""Puts dead letters back where they came from: messages on the queue, events on their topic, webhooks at the edge.

A letter is claimed first. Whoever dies between claim and sending, or between sending and the note of it, leaves a
lease that runs out; then the letter is sent again with the same redrive id, which the queue takes once and whose
effect the lane takes once.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from urllib.parse import quote

import orjson
from pymongo.errors import PyMongoError

from m2n.dapr import PUBSUB, DaprClient, DaprUnavailable, NotTaken
from m2n.dead_letter_returns import ROUTE
from m2n.deadletters import DeadLetter, Source, State
from m2n.telemetry import DEAD_LETTERS_KEPT, REDRIVES, log
from services.tenants.dead_letter_store import DeadLetterStore

LOOK_EVERY_S = 2.0
AGAIN = timedelta(seconds=5)
COUNT_EVERY_S = 10.0


class Redriver:
    def __init__(self, store: DeadLetterStore, dapr: DaprClient) -> None:
        self._store, self._dapr = store, dapr
        self._asked = asyncio.Event()

    def wake(self) -> None:
        """Letters were claimed: look now."""
        self._asked.set()

    async def run(self) -> None:
        """Send what is claimed and not being sent, for ever."""
        while True:
            self._asked.clear()
            try:
                while letter := await self._store.take_due():
                    await self.send(letter)
            except PyMongoError as away:
                log().warning("redrives wait for the database", error=type(away).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), LOOK_EVERY_S)

    async def send(self, letter: DeadLetter) -> State:
        """Send a claimed letter; its state afterwards: redriving when it could not be sent now."""
        assert letter.redrive is not None
        try:
            await self._put_back(letter)
        except DaprUnavailable as down:
            REDRIVES.labels(letter.origin, "postponed").inc()
            log().warning("dead letter not put back yet", letter=letter.id, tenant=letter.tenant, why=str(down))
            await self._store.postpone(letter, AGAIN)
            return State.REDRIVING
        except NotTaken as refused:
            REDRIVES.labels(letter.origin, "refused").inc()
            log().error("dead letter cannot be put back", letter=letter.id, tenant=letter.tenant, why=str(refused))
            await self._store.keep_again(letter, str(refused))
            return State.KEPT
        REDRIVES.labels(letter.origin, "done").inc()
        log().info("dead letter put back", letter=letter.id, tenant=letter.tenant, by=letter.redrive.by)
        await self._store.redriven(letter)
        return State.REDRIVEN

    async def _put_back(self, letter: DeadLetter) -> None:
        match letter.source:
            case Source.QUEUE:
                await self._to_service("identification", letter)
            case Source.WEBHOOK:
                await self._to_service("webhooks", letter)
            case Source.TOPIC:
                await self._to_topic(letter)

    async def _to_service(self, app_id: str, letter: DeadLetter) -> None:
        """By the service that took it; it reads the letter itself."""
        assert letter.redrive is not None
        path = ROUTE.format(letter_id=letter.id, redrive_id=letter.redrive.id)
        answer = await self._dapr.invoke(app_id, "POST", path)
        if answer.status_code == 409:
            return  # over already: another has sent it, and it may have failed again
        if answer.status_code >= 400:
            raise NotTaken(answer.status_code, f"{app_id} refuses it")

    async def _to_topic(self, letter: DeadLetter) -> None:
        """The event's data, as a new event."""
        data = orjson.dumps(orjson.loads(letter.body)["data"])
        path = f"/publish/{PUBSUB}/{quote(letter.topic, safe='')}"
        answer = await self._dapr.request("POST", path, content=data, headers={"content-type": "application/json"})
        if answer.status_code >= 400:
            raise NotTaken(answer.status_code, f"topic {letter.topic}")


async def show_figures(store: DeadLetterStore) -> None:
    """Keep the figure of kept letters right, for ever."""
    shown: set[str] = set()
    while True:
        try:
            kept = await store.kept()
        except PyMongoError as away:
            log().warning("dead letters not counted", error=type(away).__name__)
        else:
            shown |= kept.keys()
            for tenant in shown:
                DEAD_LETTERS_KEPT.labels(tenant).set(kept.get(tenant, 0))
        await asyncio.sleep(COUNT_EVERY_S)
