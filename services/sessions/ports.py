"""What the lane tells others, and how: topics and the transcript. Every call may be repeated."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from m2n.dapr import DaprClient
from m2n.events import (
    EVENTS,
    OUTBOUND,
    SIGNALS,
    CustomerSignal,
    OutboundBatch,
    SessionEvent,
    Turn,
    desk_topic,
)
from m2n.message import Outbound
from m2n.serialization import to_json
from services.sessions.lane import EventEntry, Lane, NoticeEntry, SettledEntry, TranscriptLine
from services.sessions.lane_store import LaneStore
from services.sessions.recordings import Recordings
from services.sessions.router import Routed
from services.sessions.step_record import StepRecord
from services.sessions.transcript import Transcript
from services.sessions.write_behind import WriteBehind

BATCH = 20
"""At most so many messages go out together; the rest follow when they are settled."""
BATCH_BYTES = 2 * 1024 * 1024
"""Together they are no larger than this: a sidecar takes 4 MiB."""


@dataclass
class Ports:
    dapr: DaprClient
    lanes: LaneStore
    transcript: Transcript
    recordings: Recordings | None = None
    """None: steps are not recorded."""
    beside: WriteBehind = field(default_factory=WriteBehind)

    async def publish_turn(self, routed: Routed) -> None:
        await self.dapr.publish(routed.topic, routed.turn)

    async def publish_batch(self, lane: Lane) -> None:
        batch = OutboundBatch(tenant=lane.tenant, profile_id=lane.profile_id, messages=next_batch(lane))
        await self.dapr.publish(OUTBOUND, batch)

    async def empty_outbox(self, lane: Lane, records: tuple[StepRecord, ...]) -> None:
        """Lines, results and records go together; events into the database first, then told, in order."""
        lines = [entry for entry in lane.outbox if isinstance(entry, TranscriptLine)]
        results = [entry.result for entry in lane.outbox if isinstance(entry, SettledEntry)]
        events = [entry.event for entry in lane.outbox if isinstance(entry, EventEntry)]
        await asyncio.gather(
            self.transcript.write(lane.tenant, lane.profile_id, lines, results),
            self._tell(lane.tenant, events),
            self._keep(lane, records),
        )

    async def _keep(self, lane: Lane, records: tuple[StepRecord, ...]) -> None:
        if self.recordings:
            await self.recordings.write(lane.tenant, lane.profile_id, records)

    async def _tell(self, tenant: str, events: list[SessionEvent]) -> None:
        if events:
            await self.transcript.record(tenant, events)
        for event in events:
            await self.dapr.publish(EVENTS, event)

    async def publish_signal(self, signal: CustomerSignal) -> None:
        await self.dapr.publish(SIGNALS, signal)

    async def publish_notice(self, entry: NoticeEntry) -> None:
        await self.dapr.publish(desk_topic(entry.adapter), entry.notice)


def open_turn(lane: Lane) -> Turn | None:
    """The open turn as others see it."""
    session = lane.session
    if session is None or session.turn is None:
        return None
    turn = session.turn
    return Turn(
        id=turn.id,
        attempt=turn.attempt,
        session=session.facts(lane.tenant, lane.profile_id),
        lines=turn.lines,
        received_at=turn.received_at,
        trail=turn.trail,
        returned=turn.returned,
    )


def next_batch(lane: Lane) -> tuple[Outbound, ...]:
    """The messages that go out next: at least one, if there is one."""
    chosen, size = [], 0
    for message in lane.to_send[:BATCH]:
        size += len(to_json(message))
        if chosen and size > BATCH_BYTES:
            break
        chosen.append(message)
    return tuple(chosen)


@dataclass
class Published:
    """What this process has published of the present state; forgotten with the process, and then done again."""

    turn: tuple[str, int] | None = None
    batch: frozenset[str] = frozenset()
    batch_at: datetime | None = None
    notices: dict[str, datetime] = field(default_factory=dict)
    """When each notice that waits for the desk's word was told last."""
