"""The session actor: one save a turn, nothing half-made after a failure."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from dapr.actor import ActorId
from dapr.actor.runtime._type_information import ActorTypeInformation
from dapr.actor.runtime.context import ActorRuntimeContext
from dapr.clients.base import DaprActorClientBase
from pydantic import BaseModel
from pymongo.errors import AutoReconnect

from m2n.dapr import DaprUnavailable
from m2n.events import DeliveryReport, DeskNoted, DeskNotice, OutboundBatch, Outcome, Reply, SendResult, Turn
from m2n.lanes import LaneAnswer
from m2n.message import plain_text
from m2n.serialization import JsonSerializer, from_json, to_json
from m2n.tenant import TenantSnapshot
from m2n.tenants import UnknownTenant
from services.sessions.actor import AGAIN_SOON_S, TIDIED_AFTER_S, SessionActor
from services.sessions.lane import Lane, Session
from services.sessions.lane_store import LaneStore
from services.sessions.ports import Ports
from tests.unit.builders import NOON, inbound, later, reply, tenant
from tests.unit.memory_lanes import Documents, lane_store
from tests.unit.memory_recordings import MemoryRecordings
from tests.unit.write_by_hand import WriteByHand

LANE = "acme:P1"


class Sidecar(DaprActorClientBase):
    """A lane needs nothing of the actor SDK's calls."""

    async def invoke_method(self, actor_type: str, actor_id: str, method: str, data: bytes | None = None) -> bytes:
        raise AssertionError("a lane calls no other")

    async def save_state_transactionally(self, actor_type: str, actor_id: str, data: bytes) -> None:
        raise AssertionError("lanes are not in Dapr's actor state")

    async def get_state(self, actor_type: str, actor_id: str, name: str) -> bytes:
        raise AssertionError("lanes are not in Dapr's actor state")

    async def register_reminder(self, actor_type: str, actor_id: str, name: str, data: bytes) -> None:
        raise AssertionError("lanes have no reminders")

    async def unregister_reminder(self, actor_type: str, actor_id: str, name: str) -> None:
        raise AssertionError("lanes have no reminders")

    async def register_timer(self, actor_type: str, actor_id: str, name: str, data: bytes) -> None: ...

    async def unregister_timer(self, actor_type: str, actor_id: str, name: str) -> None: ...


class Lanes:
    """The lanes' collections; fails when told."""

    def __init__(self) -> None:
        self.stored: Documents = {}
        self.applied: Documents = {}
        self.saves = 0
        self.failing_saves = 0
        self.failing_from: int | None = None
        """From this save on all fail."""
        self.unanswered_saves = 0
        """So many saves are made and answered with a failure."""
        self.gate = asyncio.Event()
        """Saves wait while it is shut."""
        self.gate.set()

    def store(self) -> LaneStore:
        return lane_store(self.stored, self.applied, self._through)

    async def _through(self, request: str, effect: Callable[[], Any], _: str) -> Any:
        if request == "load":
            return effect()
        await self.gate.wait()
        if self.failing_saves:
            self.failing_saves -= 1
            raise AutoReconnect("lanes")
        self.saves += 1
        if self.failing_from is not None and self.saves >= self.failing_from:
            raise AutoReconnect("lanes")
        done = effect()
        if self.unanswered_saves:
            self.unanswered_saves -= 1
            raise AutoReconnect("lanes")
        return done


class Topics:
    """What was published; fails when told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, BaseModel]] = []
        self.failing: set[str] = set()

    async def publish(self, topic: str, event: BaseModel) -> None:
        if topic in self.failing:
            raise DaprUnavailable(topic)
        self.events.append((topic, event))

    def turns(self) -> list[Turn]:
        return [event for _, event in self.events if isinstance(event, Turn)]

    def notices(self) -> list[DeskNotice]:
        return [event for _, event in self.events if isinstance(event, DeskNotice)]

    def batches(self) -> list[list[str]]:
        found = [event for _, event in self.events if isinstance(event, OutboundBatch)]
        return [[plain_text(message.content) for message in batch.messages] for batch in found]


class Lines:
    """The transcript, counted."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.settled: list[str] = []
        self.events: list[str] = []

    async def write(self, tenant: str, profile_id: str, lines: list[Any], results: list[SendResult]) -> None:
        self.written += [entry.line.seq for entry in lines]
        self.settled += [result.message_id for result in results]

    async def record(self, tenant: str, events: list[Any]) -> None:
        self.events += [event.what for event in events]


class Directory:
    gone = False

    def __init__(self, **changes: Any) -> None:
        self.snapshot = TenantSnapshot(tenant=tenant(**changes), version=1)

    async def tenant(self, tenant_id: str) -> Any:
        if self.gone:
            raise UnknownTenant(tenant_id)
        return self.snapshot


class Host:
    """One process that hosts the lane; ``restart`` is its death and a new one."""

    def __init__(self, **changes: Any) -> None:
        self.sidecar, self.topics, self.lines, self.lanes = Sidecar(), Topics(), Lines(), Lanes()
        self.recordings = MemoryRecordings()
        self.beside = WriteByHand()
        doubles: Any = (self.topics, self.lanes.store(), self.lines, self.recordings, self.beside)
        SessionActor.ports = Ports(*doubles)
        self.written = self.beside.finish
        self.directory = Directory(**changes)
        SessionActor.directory = self.directory  # pyright: ignore[reportAttributeAccessIssue]
        self.restart()

    def restart(self) -> None:
        self.actor = self.new_actor()

    def new_actor(self, context: ActorRuntimeContext | None = None) -> SessionActor:
        """An actor object in another process, or in the one of ``context``."""
        serializer = JsonSerializer()
        information = ActorTypeInformation.create(SessionActor)
        context = context or ActorRuntimeContext(information, serializer, serializer, self.sidecar)
        return SessionActor(context, ActorId(LANE))

    async def accept(self, text: str = "hello", number: int = 1) -> LaneAnswer:
        return from_json(LaneAnswer, await self.actor.accept(to_json(inbound(text, number=number))))

    async def reply(self, made: Reply) -> LaneAnswer:
        return from_json(LaneAnswer, await self.actor.reply(to_json(made)))

    async def settle(self, *message_ids: str) -> None:
        results = tuple(SendResult(message_id=m, outcome=Outcome.ACCEPTED, at=NOON) for m in message_ids)
        report = DeliveryReport(tenant="acme", profile_id="P1", results=results)
        await self.actor.delivered(to_json(report))

    async def wake(self) -> LaneAnswer:
        return from_json(LaneAnswer, await self.actor.wake(b"{}"))

    def due_s(self) -> float | None:
        """Seconds from noon until the store has the lane woken."""
        due = self.lanes.stored[LANE].get("due")
        return (due - NOON).total_seconds() if due else None

    def stored(self) -> Lane:
        return from_json(Lane, self.lanes.stored[LANE]["lane"])

    def session(self) -> Session:
        session = self.stored().session
        assert session is not None
        return session


def with_handover(snapshot: TenantSnapshot, handover: Any) -> TenantSnapshot:
    rules = snapshot.tenant.rules.model_copy(update={"handover": handover})
    return snapshot.model_copy(update={"tenant": snapshot.tenant.model_copy(update={"rules": rules})})


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr("m2n.clock.now", lambda: NOON)
    yield Host()
    del SessionActor.ports, SessionActor.directory


async def test_a_message_is_one_save_and_then_published(host: Host) -> None:
    assert (await host.accept()).result == "applied"
    assert host.lanes.saves == 1
    assert [turn.id for turn in host.topics.turns()] == ["P1.1.t1"]
    await host.written()
    assert host.lines.written == [1]


async def test_after_a_failed_save_the_message_is_not_there_and_its_repeat_has_one_effect(host: Host) -> None:
    host.lanes.failing_saves = 1
    with pytest.raises(AutoReconnect):
        await host.accept("one", 1)
    assert host.topics.events == []
    assert (await host.accept("two", 2)).seq == 1
    assert (await host.accept("one", 1)).result == "applied"
    texts = [plain_text(line.content) for line in host.session().history]
    assert texts == ["two", "one"]


async def test_a_save_whose_answer_is_lost_has_one_effect(host: Host) -> None:
    host.lanes.unanswered_saves = 1
    with pytest.raises(AutoReconnect):
        await host.accept("one", 1)
    assert host.topics.events == []
    assert (await host.accept("one", 1)).result == "duplicate"
    assert [turn.id for turn in host.topics.turns()] == ["P1.1.t1"]


async def test_death_after_the_save_is_made_good_by_the_callers_repeat(host: Host) -> None:
    host.topics.failing = {"engine.builtin"}
    await host.accept()
    host.topics.failing = set()
    host.restart()
    assert (await host.accept()).result == "duplicate"
    assert [turn.id for turn in host.topics.turns()] == ["P1.1.t1"]


async def test_what_cannot_be_published_is_published_soon(host: Host) -> None:
    host.topics.failing = {"engine.builtin"}
    assert (await host.accept()).result == "applied"
    host.topics.failing = set()
    assert (await host.beside.time_passes())[LANE, "publish"] == AGAIN_SOON_S
    assert [turn.id for turn in host.topics.turns()] == ["P1.1.t1"]


async def test_what_cannot_be_published_is_published_by_who_has_the_lane_when_it_is_due(host: Host) -> None:
    host.topics.failing = {"engine.builtin"}
    await host.accept()
    host.topics.failing = set()
    host.restart()
    assert host.due_s() == 10
    await host.wake()
    assert [turn.id for turn in host.topics.turns()] == ["P1.1.t1"]


async def test_a_save_says_when_the_lane_is_due(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    await host.accept()
    assert host.due_s() == 10, "the turn's time-out"
    monkeypatch.setattr("m2n.clock.now", lambda: later(3))
    await host.reply(reply("P1.1", "P1.1.t1", 1, "answer"))
    assert host.due_s() == 13, "the batch may be lost"
    await host.settle("P1.1.2")
    assert (host.due_s(), len(host.stored().to_send)) == (13, 1), "a report alone is not saved"
    await host.written()
    monkeypatch.setattr("m2n.clock.now", lambda: later(8))
    assert (await host.beside.time_passes())[LANE, "tidy"] == TIDIED_AFTER_S
    assert (host.due_s(), host.stored().to_send) == (1200, ()), "the session's end"
    saves = host.lanes.saves
    host.beside.soon("again", host.actor._tidy, 1)
    await host.beside.time_passes()
    assert host.lanes.saves == saves, "there is nothing that the store does not know"


async def test_what_another_host_has_saved_is_not_tidied_away(host: Host) -> None:
    await host.accept()
    await host.reply(reply("P1.1", "P1.1.t1", 1, "answer"))
    await host.settle("P1.1.2")
    await host.new_actor().accept(to_json(inbound("there", number=2)))
    saved = host.lanes.stored[LANE]
    await host.beside.time_passes()
    assert host.lanes.stored[LANE] == saved
    assert (await host.accept("here", 3)).seq == 4


async def test_a_message_that_a_vendor_wants_later_goes_out_at_its_time(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    await host.accept()
    await host.reply(reply("P1.1", "P1.1.t1", 1, "answer"))
    await host.actor.delivered(to_json(DeliveryReport(tenant="acme", profile_id="P1", retry_after_s=5.0)))
    assert (host.due_s(), host.topics.batches()) == (5, [["answer"]])
    monkeypatch.setattr("m2n.clock.now", lambda: later(5))
    assert (await host.beside.time_passes())[LANE, "publish"] == 5
    assert host.topics.batches() == [["answer"], ["answer"]]


async def test_what_is_written_beside_goes_together(host: Host) -> None:
    await host.accept("one", 1)
    await host.reply(reply("P1.1", "P1.1.t1", 1, "answer"))
    await host.settle("P1.1.2")
    assert (host.lines.written, host.lines.settled, host.stored().outbox[-1].kind) == ([], [], "transcript")
    await host.written()
    assert (host.lines.written, host.lines.settled) == ([1, 2], ["P1.1.2"])


async def test_what_was_not_written_is_written_by_the_next_host(host: Host) -> None:
    await host.accept("one", 1)
    host.beside._due.clear()
    host.restart()
    await host.wake()
    await host.written()
    assert host.lines.written == [1]


async def test_a_turn_goes_to_the_engine_that_the_rules_name(host: Host) -> None:
    await host.accept()
    ((topic, turn),) = host.topics.events
    assert topic == "engine.builtin"
    (turn,) = host.topics.turns()
    assert (turn.connection, turn.routed_because) == ("acme-bot", "the tenant's default engine")
    assert turn.trail[-1].did == "to acme-bot: the tenant's default engine"


async def test_who_asks_for_a_human_is_handed_over_and_the_desk_gets_the_turn(host: Host) -> None:
    """The rules decide that alone, in the same call."""
    await host.accept("a human please", 1)
    turns = [(topic, event.id) for topic, event in host.topics.events if isinstance(event, Turn)]
    assert turns == [("desk.builtin", "P1.1.t2")]
    assert (host.session().owner, host.session().epoch) == ("human", 2)
    assert len(host.topics.batches()) == 1


async def test_a_hand_over_whose_save_fails_is_made_good_by_the_callers_repeat(host: Host) -> None:
    host.lanes.failing_from = 2
    with pytest.raises(AutoReconnect):
        await host.accept("a human please", 1)
    assert host.session().owner == "bot"
    host.lanes.failing_from = None
    assert (await host.accept("a human please", 1)).result == "duplicate"
    assert (host.session().owner, host.session().epoch) == ("human", 2)


async def test_out_of_hours_who_asks_for_a_human_is_told_so(host: Host) -> None:
    handover = host.directory.snapshot.tenant.rules.handover.model_copy(update={"opening_hours": {}})
    host.directory.snapshot = with_handover(host.directory.snapshot, handover)
    await host.accept("a human please", 1)
    assert host.topics.turns() == []
    assert len(host.topics.batches()) == 1
    assert (host.session().owner, host.session().turn) == ("bot", None)


async def test_one_batch_is_out_at_a_time(host: Host) -> None:
    await host.accept("one", 1)
    await host.reply(reply("P1.1", "P1.1.t1", 1, "first"))
    await host.accept("two", 2)
    await host.reply(reply("P1.1", "P1.1.t2", 1, "second"))
    assert host.topics.batches() == [["first"]]
    await host.settle("P1.1.2")
    assert host.topics.batches() == [["first"], ["second"]]


async def test_a_batch_fits_through_a_sidecar(host: Host) -> None:
    """Each of these is 200 KB in UTF-8; a sidecar takes 4 MiB."""
    texts = ["\U0001f600" * 50_000 for _ in range(15)]
    await host.accept("one", 1)
    await host.reply(reply("P1.1", "P1.1.t1", 1, *texts))
    ((_, batch),) = [event for event in host.topics.events if event[0] == "outbound"]
    assert 1 < len(batch.messages) < 15  # pyright: ignore[reportAttributeAccessIssue]
    assert len(to_json(batch)) < 3 * 1024 * 1024


async def test_a_report_of_an_earlier_batch_does_not_let_the_next_overtake(host: Host) -> None:
    await host.accept("one", 1)
    await host.reply(reply("P1.1", "P1.1.t1", 1, "first"))
    await host.settle("P1.1.2")
    await host.accept("two", 2)
    await host.reply(reply("P1.1", "P1.1.t2", 1, "second"))
    await host.accept("three", 3)
    await host.reply(reply("P1.1", "P1.1.t3", 1, "third"))
    await host.settle("P1.1.2")
    assert host.topics.batches() == [["first"], ["second"]]


async def test_unsettled_messages_go_out_again_after_a_death(host: Host) -> None:
    await host.accept()
    await host.reply(reply("P1.1", "P1.1.t1", 1, "first"))
    host.restart()
    await host.wake()
    assert host.topics.batches() == [["first"], ["first"]]


async def test_an_unforeseen_failure_is_said_and_leaves_nothing_half_made(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr("services.sessions.domain.Step._open_turn", broken)
        assert (await host.accept("one", 1)).result == "failed"
    assert host.lanes.stored == {}
    assert (await host.accept("two", 2)).seq == 1


async def test_another_tenants_message_is_rejected(host: Host) -> None:
    foreign = inbound().model_copy(update={"tenant": "globex"})
    assert from_json(LaneAnswer, await host.actor.accept(to_json(foreign))).result == "rejected"
    assert host.lanes.stored == {}


async def test_what_another_process_did_meanwhile_counts(host: Host) -> None:
    """The lane was taken away and came back, and nobody told this process."""
    await host.accept("one", 1)
    elsewhere = host.new_actor()
    await elsewhere.accept(to_json(inbound("two", number=2)))
    assert (await host.accept("three", 3)).seq == 3
    assert (await host.accept("two", 2)).result == "duplicate"


async def test_a_first_message_taken_at_two_places_at_once_makes_one_lane(host: Host) -> None:
    await host.accept("one", 1)
    elsewhere = host.new_actor()
    host.restart()
    await host.actor._load()
    await elsewhere.accept(to_json(inbound("two", number=2)))
    assert (await host.accept("three", 3)).seq == 3


async def test_two_processes_that_meet_a_new_customer_at_once_make_one_lane(host: Host) -> None:
    host.lanes.gate.clear()
    here, there = host.actor, host.new_actor()
    both = [asyncio.create_task(each.accept(to_json(inbound(str(n), number=n)))) for n, each in ((1, here), (2, there))]
    await asyncio.sleep(0.01)
    host.lanes.gate.set()
    answers = [from_json(LaneAnswer, await each) for each in both]
    assert sorted(answer.seq for answer in answers) == [1, 2]
    assert [line.seq for line in host.session().history] == [1, 2]


async def test_a_reply_is_not_refused_for_what_another_process_has_changed(host: Host) -> None:
    await host.accept("one", 1)
    elsewhere = host.new_actor()
    await elsewhere.reply(to_json(reply("P1.1", "P1.1.t1", 1, "answer")))
    await elsewhere.accept(to_json(inbound("two", number=2)))
    assert (await host.reply(reply("P1.1", "P1.1.t2", 1, "second answer"))).result == "applied"


async def test_a_call_whose_caller_went_away_is_finished_before_the_next(host: Host) -> None:
    """Dapr lets the next call in meanwhile."""
    await host.accept("one", 1)
    host.lanes.gate.clear()
    first = asyncio.create_task(host.reply(reply("P1.1", "P1.1.t1", 1, "answer")))
    second = asyncio.create_task(host.accept("two", 2))
    await asyncio.sleep(0.01)
    assert not second.done()
    host.lanes.gate.set()
    assert ((await first).result, (await second).seq) == ("applied", 3)


async def test_an_actor_taken_out_of_memory_ends_its_turn_before_the_next_object_begins(host: Host) -> None:
    """Dapr takes it out while a call is under way, when lanes are given to other hosts."""
    await host.accept("one", 1)
    host.lanes.gate.clear()
    first = asyncio.create_task(host.accept("two", 2))
    await asyncio.sleep(0)
    host.actor = host.new_actor(host.actor.runtime_ctx)
    second = asyncio.create_task(host.reply(reply("P1.1", "P1.1.t1", 1, "answer")))
    await asyncio.sleep(0.01)
    host.lanes.gate.set()
    assert ((await first).seq, (await second).result) == (2, "applied")
    assert [line.seq for line in host.session().history] == [1, 2, 3]


async def test_a_notice_is_told_until_the_desk_has_noted_it(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    await host.accept("a human please", 1)
    monkeypatch.setattr("m2n.clock.now", lambda: NOON + timedelta(minutes=30))
    await host.wake()
    (first,) = host.topics.notices()
    assert (first.what, first.profile_id) == ("cancelled", "P1")
    await host.wake()
    assert len(host.topics.notices()) == 1
    monkeypatch.setattr("m2n.clock.now", lambda: NOON + timedelta(minutes=31))
    await host.wake()
    assert host.topics.notices() == [first, first]
    host.restart()
    await host.wake()
    assert host.topics.notices() == [first] * 3
    await host.actor.noted(to_json(DeskNoted(tenant="acme", profile_id="P1", notice_id=first.id)))
    host.restart()
    await host.wake()
    assert len(host.topics.notices()) == 3
    assert host.stored().notices == ()


async def test_applied_ids_are_kept_in_buckets_and_loaded_again(host: Host) -> None:
    for number in range(70):
        await host.accept(str(number), number)
    (kept,) = host.lanes.applied.values()
    assert len(kept["ids"]) == 64
    assert host.stored().applied.buckets[0][1] == NOON
    host.restart()
    assert (await host.accept("0", 0)).result == "duplicate"
    assert (await host.accept("69", 69)).result == "duplicate"


async def test_the_lane_of_a_tenant_that_is_gone_sleeps(host: Host) -> None:
    await host.accept()
    host.directory.gone = True
    assert (await host.wake()).result == "asleep"
    assert host.due_s() is None


async def test_a_lane_is_woken_until_nothing_is_due(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    await host.accept()
    await host.reply(reply("P1.1", "P1.1.t1", 1, "answer"))
    await host.settle("P1.1.2")
    await host.written()
    monkeypatch.setattr("m2n.clock.now", lambda: later(600))
    await host.wake()
    assert host.due_s() == 1200
    monkeypatch.setattr("m2n.clock.now", lambda: later(1201))
    await host.wake()
    assert host.stored().session is None
    assert host.due_s() == 1261, "its end is still to be written"
    await host.written()
    await host.beside.time_passes()
    assert host.due_s() is None


async def test_a_batch_that_nobody_reports_goes_out_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    await host.accept()
    monkeypatch.setattr("m2n.clock.now", lambda: later(1))
    await host.reply(reply("P1.1", "P1.1.t1", 1, "answer"))
    monkeypatch.setattr("m2n.clock.now", lambda: later(10))
    await host.wake()
    assert (host.due_s(), host.topics.batches()) == (11, [["answer"]])
    monkeypatch.setattr("m2n.clock.now", lambda: later(11))
    await host.wake()
    assert host.topics.batches() == [["answer"], ["answer"]]


async def test_a_former_hosts_set_of_applied_ids_replaces_no_other(host: Host) -> None:
    for number in range(63):
        await host.accept(str(number), number)
    elsewhere = host.new_actor()
    await elsewhere.accept(to_json(inbound("there", number=100)))
    await host.accept("here", 101)
    host.restart()
    assert (await host.accept("there", 100)).result == "duplicate"
    assert (await host.accept("here", 101)).result == "duplicate"


async def test_another_services_shape_is_not_the_messages_fault(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async def newer(_: object, __: str) -> Any:
        TenantSnapshot.model_validate({"tenant": {}})

    monkeypatch.setattr(Directory, "tenant", newer)
    assert (await host.accept()).result == "failed"


async def test_an_unreadable_call_is_rejected(host: Host) -> None:
    assert from_json(LaneAnswer, await host.actor.accept(b"{}")).result == "rejected"
