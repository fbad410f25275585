"""A customer's lane in the real actor, over state in memory, with a clock of its own; its steps are recorded."""

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar
from unittest.mock import patch

from m2n.events import Action, DeliveryReport, DeskNoted, HandoverReason, Outcome, Reply, SendResult
from m2n.lanes import LaneAnswer
from m2n.message import Author, Content, VendorError
from m2n.serialization import from_json, to_json
from services.sessions.actor import SessionActor
from services.sessions.lane import Lane
from services.sessions.replay import Recording
from tests.unit.builders import NOON, inbound, reply
from tests.unit.test_session_actor import Host

BETWEEN_CALLS = timedelta(milliseconds=150)
T = TypeVar("T")
REFUSED = VendorError(code="63016", reason="outside of the time in which free text may be sent")


class Recorder:
    """Each call is one call of the actor, a moment after the one before."""

    def __init__(self, **tenant_changes: Any) -> None:
        self.host = Host(**tenant_changes)
        self.now: datetime = NOON
        self._numbers = 0

    @property
    def lane(self) -> Lane:
        """What the actor holds, or what is stored when it holds nothing."""
        held = self.host.actor._lane
        if held is None and not self.host.lanes.stored:
            return Lane(tenant="acme", profile_id="P1")
        return held or self.host.stored()

    def recording(self, session_id: str = "P1.1") -> Recording:
        return self.host.recordings.of_session(session_id)

    async def says(self, text: str = "hello", content: Content | None = None) -> LaneAnswer:
        self._numbers += 1
        return await self.says_again(self._numbers, text, content)

    async def says_again(self, number: int, text: str = "hello", content: Content | None = None) -> LaneAnswer:
        self.now += BETWEEN_CALLS
        message = inbound(text, number=number, at=self.now - timedelta(milliseconds=40), content=content)
        return from_json(LaneAnswer, await self._written(self.host.actor.accept(to_json(message))))

    async def answers(self, *texts: str, action: Action = Action.ANSWER, **changes: Any) -> LaneAnswer:
        """The engine's answer to the open turn, or what else the rules, an engine or a desk say of it."""
        session = self.lane.session
        session_id, epoch = (session.id, session.epoch) if session else ("P1.1", 1)
        turn = changes.pop("turn_id", session.turn.id if session and session.turn else f"{session_id}.t1")
        epoch = changes.pop("epoch", epoch)
        values = {"id": f"{turn}.{action.value}.{epoch}", "action": action, "at": self.now} | changes
        return await self.replies(reply(session_id, turn, epoch, *texts, **values))

    async def hands_over(self, reason: HandoverReason = HandoverReason.ASKED) -> LaneAnswer:
        return await self.answers(
            action=Action.HAND_OVER, author=Author.SYSTEM, reason=reason, because="the customer asked for a human"
        )

    async def desk_takes(self) -> LaneAnswer:
        return await self.answers(action=Action.TAKEN, author=Author.SYSTEM)

    async def agent(self, action: Action, *texts: str, key: str = "1") -> LaneAnswer:
        session = self.lane.session
        assert session is not None
        id_ = f"{session.id}:{session.epoch}.{action.value}.{key}"
        made = reply(session.id, None, session.epoch, *texts, id=id_, action=action, author=Author.AGENT,
                     author_name="Ada", at=self.now)  # fmt: skip
        return await self.replies(made)

    async def replies(self, made: Reply) -> LaneAnswer:
        self.now += BETWEEN_CALLS
        return await self._written(self.host.reply(made))

    async def delivers(
        self, outcome: Outcome = Outcome.ACCEPTED, count: int = 20, later_s: float | None = None
    ) -> None:
        """A delivery report on the first messages that wait."""
        self.now += BETWEEN_CALLS
        error = None if outcome is Outcome.ACCEPTED else REFUSED
        results = tuple(
            SendResult(message_id=message.id, outcome=outcome, error=error, at=self.now)
            for message in self.lane.to_send[:count]
        )
        report = DeliveryReport(tenant="acme", profile_id="P1", results=results, retry_after_s=later_s)
        await self._written(self.host.actor.delivered(to_json(report)))

    async def notes(self) -> None:
        """The desk confirms the first notice that waits."""
        self.now += BETWEEN_CALLS
        noted = DeskNoted(tenant="acme", profile_id="P1", notice_id=self.lane.notices[0].notice.id)
        await self._written(self.host.actor.noted(to_json(noted)))

    async def waits(self, seconds: float) -> None:
        """Time passes, and the lane is woken."""
        self.now += timedelta(seconds=seconds)
        await self._written(self.host.wake())

    async def _written(self, call: Awaitable[T]) -> T:
        """The call's answer, when what it leaves to be written is written."""
        try:
            return await call
        finally:
            await self.host.written()


@contextmanager
def recorder(**tenant_changes: Any) -> Iterator[Recorder]:
    """A recorder whose time is everybody's time."""
    made = Recorder(**tenant_changes)
    with patch("m2n.clock.now", lambda: made.now):
        yield made
    del SessionActor.ports, SessionActor.directory
