"""A lane with a conversation behind it, made by the lane's own decisions: what is stored is what they come to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from m2n.events import Action, DeliveryReport, Outcome, Reply, SendResult
from m2n.keys import session_id
from m2n.message import Address, Author, Identity, Inbound, TextContent
from m2n.tenant import Tenant
from services.sessions.domain import Result, Step, roll_over
from services.sessions.lane import Lane, Session, TranscriptLine
from services.sessions.recording import Event, perform

EVERY = timedelta(seconds=1)
"""Between two messages of the customer's."""
_NOBODY = "nobody"


@dataclass(frozen=True)
class GrownLane:
    """The lane, its full sets of applied ids by name, and its lines of the transcript."""

    lane: Lane
    buckets: Mapping[str, tuple[str, ...]]
    lines: tuple[TranscriptLine, ...]

    @property
    def session(self) -> Session:
        assert self.lane.session is not None
        return self.lane.session

    def of_customer(self, profile_id: str, to: str) -> "GrownLane":
        """The same conversation as another customer's of the same connection."""
        own = session_id(profile_id, self.session.number)
        address = self.session.address.model_copy(update={"to": to})
        session = self.session.model_copy(update={"id": own, "address": address})
        lane = self.lane.model_copy(update={"profile_id": profile_id, "session": session})
        return GrownLane(lane, self.buckets, tuple(line.model_copy(update={"session_id": own}) for line in self.lines))


def grown_lane(tenant: Tenant, address: Address, messages: int, until: datetime) -> GrownLane:
    """A session of so many messages, half of them the bot's, all delivered; the last exchange was at ``until``."""
    growing = _Growing(tenant, address)
    exchanges = messages // 2
    for number in range(exchanges):
        growing.exchange(number, until - EVERY * (exchanges - 1 - number))
    return GrownLane(growing.lane, growing.buckets, tuple(growing.lines))


class _Growing:
    def __init__(self, tenant: Tenant, address: Address) -> None:
        self._tenant, self._address = tenant, address
        self.lane = Lane(tenant=tenant.id, profile_id=_NOBODY)
        self.buckets: dict[str, tuple[str, ...]] = {}
        self.lines: list[TranscriptLine] = []

    def exchange(self, number: int, at: datetime) -> None:
        """The customer's message, the engine's answer, the word that it was delivered."""
        self._take(self._message(number, at), at)
        self._take(self._answer(number, at), at)
        self._take(self._delivered(at), at)

    def _take(self, event: Event, at: datetime) -> None:
        """As the actor does it: one step, a full set of ids put aside, the outbox emptied."""
        step = Step(self.lane, self._tenant, at)
        outcome = perform(step, event)
        assert outcome.result is Result.APPLIED, outcome
        full = roll_over(step.lane, at)
        if full:
            self.buckets[full[0]] = full[1]
        self.lines += (entry for entry in step.lane.outbox if isinstance(entry, TranscriptLine))
        told = {"outbox": (), "steps": self.lane.steps + 1, "stepped_at": at}
        self.lane = step.lane.model_copy(update=told)

    def _message(self, number: int, at: datetime) -> Inbound:
        return Inbound(
            tenant=self._tenant.id,
            address=self._address,
            vendor_message_id=f"SM{number:032x}",
            identities=(Identity(scheme="phone", value=_NOBODY),),
            content=TextContent(text=f"what was asked before, {number}"),
            received_at=at,
        )

    def _answer(self, number: int, at: datetime) -> Reply:
        session = self.lane.session
        assert session is not None
        assert session.turn is not None
        return Reply(
            id=f"{session.turn.id}.engine.{session.epoch}",
            tenant=self._tenant.id,
            profile_id=self.lane.profile_id,
            session_id=session.id,
            epoch=session.epoch,
            action=Action.ANSWER,
            turn_id=session.turn.id,
            author=Author.BOT,
            messages=(TextContent(text=f"what was answered before, {number}"),),
            because="an echo",
            at=at,
        )

    def _delivered(self, at: datetime) -> DeliveryReport:
        results = [SendResult(message_id=sent.id, outcome=Outcome.ACCEPTED, at=at) for sent in self.lane.to_send]
        return DeliveryReport(tenant=self._tenant.id, profile_id=self.lane.profile_id, results=tuple(results))
