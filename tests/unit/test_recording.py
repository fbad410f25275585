"""Steps are recorded with their effect: what replays is what the lane went through, whatever fails meanwhile."""

import random
from collections.abc import Awaitable, Callable

import pytest
from pymongo.errors import AutoReconnect

from m2n.dapr import DaprUnavailable
from m2n.events import Action, Outcome
from m2n.message import Author, TypingContent
from m2n.tenant import TenantSnapshot
from services.sessions.recording import IN_MIND_AT_MOST
from services.sessions.replay import NotComplete, replay
from tests.golden.recorder import Recorder, recorder
from tests.unit.builders import tenant


def kinds(customer: Recorder) -> list[str]:
    return [record.kind for _, record in sorted(customer.host.recordings.steps.items())]


async def test_a_step_is_saved_and_written_with_its_effect() -> None:
    with recorder() as customer:
        await customer.says()
        (record,) = customer.host.stored().records
        assert customer.host.recordings.steps == {1: record}
        await customer.answers("Hello.")
        assert [record.step for record in customer.host.stored().records] == [2]
        assert kinds(customer) == ["accept", "reply"]


async def test_a_delivery_is_written_when_its_effect_is_saved() -> None:
    with recorder() as customer:
        await customer.says()
        await customer.answers("Hello.")
        await customer.delivers()
        assert kinds(customer) == ["accept", "reply"]
        await customer.waits(60)
        assert kinds(customer) == ["accept", "reply", "delivered"]


async def test_what_a_death_takes_back_is_not_recorded() -> None:
    with recorder() as customer:
        await customer.says()
        await customer.answers("Hello.")
        await customer.delivers()
        customer.host.restart()
        await customer.says("again")
        assert kinds(customer) == ["accept", "reply", "accept"]
        assert str(replay(customer.recording())) == "equal: 3 steps"


async def test_records_that_could_not_be_written_are_written_with_the_next_step() -> None:
    with recorder() as customer:
        customer.host.recordings.failing_writes = 1
        await customer.says()
        assert kinds(customer) == []
        customer.host.restart()
        await customer.answers("Hello.")
        assert kinds(customer) == ["accept", "reply"]


async def test_nothing_is_recorded_of_what_has_no_effect_and_explains_nothing() -> None:
    with recorder() as customer:
        await customer.answers("to nobody")
        await customer.says("", TypingContent())
        await customer.says()
        await customer.waits(1)
        await customer.says("", TypingContent())
        await customer.delivers()
        await customer.waits(1)
        assert kinds(customer) == ["accept"]


async def test_refusals_and_duplicates_go_with_the_next_save_and_are_bounded() -> None:
    with recorder() as customer:
        await customer.says()
        saves = customer.host.lanes.saves
        for _ in range(3 * IN_MIND_AT_MOST):
            await customer.says_again(1)
        await customer.says_again(1, "x" * 10_000)
        assert (customer.host.lanes.saves, kinds(customer)) == (saves, ["accept"])
        await customer.answers("Hello.")
        assert kinds(customer) == ["accept"] * (1 + IN_MIND_AT_MOST) + ["reply"]
        assert str(replay(customer.recording())) == f"equal: {IN_MIND_AT_MOST + 2} steps"


async def test_what_is_very_long_is_not_kept_and_said_at_the_replay() -> None:
    with recorder() as customer:
        await customer.says()
        await customer.answers(*["\U0001f600" * 60_000] * 4)
        (saved,) = customer.host.stored().records
        assert len(saved.model_dump_json()) < 2000
        await customer.says("again")
        with pytest.raises(NotComplete, match="what came in at step 2 was too long to be kept"):
            replay(customer.recording())


async def test_a_lane_that_is_older_than_the_recording_is_recorded_from_its_next_step_on() -> None:
    with recorder() as customer:
        ports = customer.host.actor.ports
        ports.recordings, kept = None, ports.recordings
        await customer.says()
        assert customer.host.stored().steps == 0
        ports.recordings = kept
        await customer.answers("Hello.")
        assert customer.host.recordings.steps[1].before
        assert str(replay(customer.recording())) == "equal: 1 steps"


async def test_a_tenants_change_in_the_middle_is_replayed_with_both_documents() -> None:
    with recorder() as customer:
        await customer.says()
        other = tenant(rules={"turn_timeout_s": 30})
        customer.host.directory.snapshot = TenantSnapshot(tenant=other, version=2)
        await customer.answers("Hello.")
        await customer.says("again")
        recording = customer.recording()
        assert [record.tenant_version for record in recording.steps] == [1, 2, 2]
        assert len(recording.tenants) == 2
        assert str(replay(recording)) == "equal: 3 steps"


class Anything:
    """Random calls of the lane, with deaths, failing stores and changes of the tenant between them."""

    def __init__(self, customer: Recorder, seed: int) -> None:
        self.customer, self.chance = customer, random.Random(seed)
        self.calls: list[Callable[[], Awaitable[object]]] = [
            customer.says, customer.says, customer.says, self.again, self.answers, self.answers, self.answers,
            self.delivers, self.delivers, customer.hands_over, customer.desk_takes, self.agent, self.agent,
            self.fails, self.waits, self.breaks, self.breaks, self.notes,
        ]  # fmt: skip
        self._replies = 0

    async def play(self, count: int) -> None:
        for _ in range(count):
            try:
                await self.chance.choice(self.calls)()
            except (DaprUnavailable, AutoReconnect):
                continue

    async def again(self) -> None:
        await self.customer.says_again(self.chance.randint(1, 30))

    async def answers(self) -> None:
        self._replies += self.chance.random() < 0.8
        words = ["yes", "no"][: self.chance.randint(1, 2)]
        fallback, end = self.chance.random() < 0.2, self.chance.random() < 0.05
        epoch = self.customer.lane.session.epoch if self.customer.lane.session else 1
        epoch -= self.chance.random() < 0.1
        await self.customer.answers(*words, id=f"r{self._replies}", fallback=fallback, end_session=end, epoch=epoch)

    async def agent(self) -> None:
        if self.customer.lane.session:
            action = self.chance.choice([Action.AGENT_JOINED, Action.SAY, Action.SAY, Action.END, Action.RETURN])
            self._replies += 1
            await self.customer.agent(action, "Hello.", key=str(self._replies))

    async def fails(self) -> None:
        await self.customer.answers(action=Action.FAILED, author=Author.SYSTEM, because="a fault")

    async def delivers(self) -> None:
        later = self.chance.choice([None, None, 1.0])
        await self.customer.delivers(self.chance.choice(list(Outcome)), self.chance.randint(0, 5), later)

    async def notes(self) -> None:
        if self.customer.lane.notices:
            await self.customer.notes()

    async def waits(self) -> None:
        await self.customer.waits(self.chance.choice([1, 10, 130, 1300, 90_000]))

    async def breaks(self) -> None:
        host = self.customer.host
        match self.chance.randint(1, 6):
            case 1 | 2:
                host.restart()
            case 3:
                host.lanes.failing_saves = 1
            case 4:
                host.lanes.unanswered_saves = 1
            case 5:
                host.recordings.failing_writes = 2
            case 6:
                seconds, version = self.chance.randint(5, 60), host.directory.snapshot.version + 1
                changed = tenant(rules={"turn_timeout_s": seconds})
                host.directory.snapshot = TenantSnapshot(tenant=changed, version=version)


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_happens_is_recorded_without_a_gap_and_replays_equal(seed: int) -> None:
    with recorder() as customer:
        await Anything(customer, seed).play(120)
        customer.host.lanes.failing_saves = customer.host.lanes.unanswered_saves = 0
        customer.host.recordings.failing_writes = 0
        await customer.waits(1)
        steps = customer.host.recordings.steps
        assert sorted(steps) == list(range(1, customer.host.stored().steps + 1))
        sessions = {session for record in steps.values() for session in record.sessions}
        assert len(steps) > 30
        for session in sorted(sessions):
            recording = customer.recording(session)
            assert str(replay(recording)) == f"equal: {len(recording.steps)} steps", session
