"""The lane's decisions: one effect, order, one owner, expiry, time-outs."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from m2n.events import Action, DeliveryReport, HandoverReason, Outcome, Owner, SendResult
from m2n.message import Author, Button, ButtonsContent, ReactionContent, TextContent, TypingContent, plain_text
from m2n.tenant import Tenant
from services.sessions.domain import SEND_WITHIN, Result, Step, StepOutcome, next_due, prune, roll_over
from services.sessions.lane import APPLIED_PER_BUCKET, EventEntry, Lane, Session, TranscriptLine
from tests.unit.builders import NOON, inbound, later, reply, tenant


class Driver:
    """A lane under test: each call is one step, kept like a saved state."""

    def __init__(self, **changes: Any) -> None:
        self.tenant: Tenant = tenant(**changes)
        self.lane = Lane(tenant="acme", profile_id="P1")
        self.now: datetime = NOON

    def step(self) -> Step:
        return Step(Lane.model_validate_json(self.lane.model_dump_json()), self.tenant, self.now)

    def says(self, text: str = "hello", number: int = 1, **changes: Any) -> StepOutcome:
        step = self.step()
        outcome = step.accept(inbound(text, number=number, at=changes.pop("at", self.now), **changes), frozenset())
        self.lane = step.lane
        return outcome

    def answers(self, *texts: str, turn: str | None = None, epoch: int | None = None, **changes: Any) -> StepOutcome:
        session = self.lane.session
        turn_id = turn or (session.turn.id if session and session.turn else None)
        session_id = changes.pop("session_id", session.id if session else "P1.1")
        step = self.step()
        now_epoch = epoch if epoch is not None else (session.epoch if session else 1)
        outcome = step.reply(reply(session_id, turn_id, now_epoch, *texts, **changes), frozenset())
        self.lane = step.lane
        return outcome

    def agent(self, action: Action, *texts: str, key: str = "a1", epoch: int | None = None, **more: Any) -> StepOutcome:
        session = self.session
        step = self.step()
        made = reply(
            session.id, None, session.epoch if epoch is None else epoch, *texts,
            id=f"{action.value}.{key}", action=action, author=Author.AGENT, author_name="Ada", **more,
        )  # fmt: skip
        outcome = step.reply(made, frozenset())
        self.lane = step.lane
        return outcome

    def ticks(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        step = self.step()
        step.tick()
        self.lane = step.lane

    @property
    def session(self) -> Session:
        assert self.lane.session is not None
        return self.lane.session

    def open_turn(self) -> list[str]:
        turn = self.session.turn
        return [plain_text(line.content) for line in turn.lines] if turn else []

    def sent(self) -> list[str]:
        return [plain_text(message.content) for message in self.lane.to_send]

    def events(self) -> list[str]:
        return [entry.event.what for entry in self.lane.outbox if isinstance(entry, EventEntry)]

    def transcript(self) -> list[tuple[int, str]]:
        return [(e.line.seq, plain_text(e.line.content)) for e in self.lane.outbox if isinstance(e, TranscriptLine)]

    def to_human(self) -> None:
        self.says("help")
        self.answers(action=Action.HAND_OVER, author=Author.SYSTEM, reason=HandoverReason.ASKED)
        self.answers(action=Action.TAKEN, author=Author.SYSTEM, turn=self.session.turn and self.session.turn.id)
        self.agent(Action.AGENT_JOINED, key="join")


def test_first_contact_opens_a_session_and_a_turn() -> None:
    lane = Driver()
    outcome = lane.says("hello")
    assert outcome == StepOutcome(Result.APPLIED, session_id="P1.1", seq=1)
    assert lane.session.turn is not None
    assert [plain_text(line.content) for line in lane.session.turn.lines] == ["hello"]
    assert lane.events() == ["session.opened"]


def test_same_vendor_id_has_one_effect() -> None:
    lane = Driver()
    lane.says("hello")
    assert lane.says("hello").result is Result.DUPLICATE
    assert lane.session.next_seq == 2


def test_an_id_in_an_older_bucket_is_known() -> None:
    lane = Driver()
    for number in range(APPLIED_PER_BUCKET):
        lane.says(str(number), number=number)
    rolled = roll_over(lane.lane, NOON)
    assert rolled is not None
    assert len(rolled[1]) == APPLIED_PER_BUCKET
    assert lane.lane.applied.recent == ()
    step = lane.step()
    assert step.accept(inbound(number=3), frozenset(rolled[1])).result is Result.DUPLICATE


def test_buckets_are_forgotten_after_eight_days_and_not_before() -> None:
    lane = Driver()
    for number in range(APPLIED_PER_BUCKET):
        lane.says(str(number), number=number)
    roll_over(lane.lane, NOON)
    prune(lane.lane, NOON + timedelta(days=7, hours=23))
    assert len(lane.lane.applied.buckets) == 1
    prune(lane.lane, NOON + timedelta(days=8, seconds=1))
    assert lane.lane.applied.buckets == ()


def test_what_comes_during_a_turn_waits_and_goes_together() -> None:
    lane = Driver()
    for number, text in enumerate(("one", "two", "three"), start=1):
        lane.says(text, number=number)
    first = lane.session.turn
    lane.answers("to one")
    assert first is not None
    assert [plain_text(line.content) for line in first.lines] == ["one"]
    assert lane.session.turn is not None
    assert [plain_text(line.content) for line in lane.session.turn.lines] == ["two", "three"]
    assert lane.transcript() == [(1, "one"), (2, "two"), (3, "three"), (4, "to one")]


def test_second_answer_to_a_turn_is_refused() -> None:
    lane = Driver()
    lane.says()
    turn = lane.session.turn
    assert turn is not None
    lane.answers("first")
    assert lane.answers("second", turn=turn.id, id="other").why == "the turn is settled"
    assert lane.sent() == ["first"]


def test_repeated_reply_is_a_duplicate() -> None:
    lane = Driver()
    lane.says()
    turn = lane.session.turn
    assert turn is not None
    lane.answers("first")
    assert lane.answers("first", turn=turn.id).result is Result.DUPLICATE


def test_reply_to_an_earlier_session_is_refused() -> None:
    lane = Driver()
    lane.says()
    lane.answers("hi")
    lane.now = later(20 * 60 + 1)
    lane.says("again", number=2)
    assert lane.session.id == "P1.2"
    assert lane.answers("late", session_id="P1.1", id="late").why == "the session is over"


@pytest.mark.parametrize(("seconds", "session"), [(20 * 60 - 1, "P1.1"), (20 * 60, "P1.2")])
def test_last_customer_message_decides_expiry(seconds: float, session: str) -> None:
    lane = Driver()
    lane.says()
    lane.answers("hi")
    lane.now = later(seconds)
    lane.says("again", number=2)
    assert lane.session.id == session


def test_later_session_is_linked_to_the_earlier() -> None:
    lane = Driver()
    lane.says()
    lane.answers("hi")
    lane.ticks(20 * 60)
    assert lane.lane.session is None
    assert lane.events()[-1] == "session.expired"
    lane.says("again", number=2)
    assert (lane.session.previous_id, lane.session.next_seq) == ("P1.1", 2)


def test_no_expiry_while_the_bot_owes_an_answer() -> None:
    lane = Driver()
    lane.says()
    assert lane.session.expires_at(timedelta(minutes=20)) is None


def test_late_customer_message_counts_from_when_it_was_received() -> None:
    lane = Driver()
    lane.says()
    lane.answers("hi")
    lane.now = later(3600)
    lane.says("was stuck in the queue", number=2, at=later(60))
    assert lane.session.id == "P1.1"


def test_handover_raises_the_epoch_and_gives_the_turn_to_the_desk() -> None:
    lane = Driver()
    lane.says("a human please")
    lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM, reason=HandoverReason.ASKED, because="asked")
    assert (lane.session.owner, lane.session.epoch) == (Owner.HUMAN, 2)
    assert lane.session.turn is not None
    assert [plain_text(line.content) for line in lane.session.turn.lines] == ["a human please"]
    assert lane.sent() == ["I am asking a colleague to take over. Please stay with us for a moment."]


def test_bot_reply_of_the_old_epoch_is_refused_after_handover() -> None:
    lane = Driver()
    lane.says("help")
    turn = lane.session.turn
    assert turn is not None
    lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM, id="router")
    assert "epoch 1" in lane.answers("late bot", turn=turn.id, epoch=1).why
    assert "late bot" not in lane.sent()


def test_bot_may_not_answer_with_the_present_epoch_of_a_human() -> None:
    lane = Driver()
    lane.to_human()
    lane.says("are you there?", number=2)
    assert "not the owner's" in lane.answers("bot", id="x").why


def test_agent_speaks_ends_and_the_bot_answers_again() -> None:
    lane = Driver()
    lane.to_human()
    lane.agent(Action.SAY, "hello from Ada")
    lane.agent(Action.END)
    assert (lane.session.owner, lane.session.epoch) == (Owner.BOT, 3)
    lane.says("thanks", number=2)
    assert lane.session.turn is not None
    assert lane.session.turn.id.startswith("P1.1.t")
    assert lane.answers("you are welcome").result is Result.APPLIED


def test_agent_message_after_the_end_is_refused() -> None:
    lane = Driver()
    lane.to_human()
    lane.agent(Action.END)
    assert lane.agent(Action.SAY, "one more thing", key="late", epoch=2).result is Result.REFUSED


def test_what_the_desk_showed_is_not_given_to_the_bot_though_the_word_of_that_is_late() -> None:
    lane = Driver()
    lane.says("a human, please", number=1)
    lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM)
    shown = lane.session.turn
    assert shown is not None
    lane.agent(Action.AGENT_JOINED, key="join")
    lane.agent(Action.SAY, "hello", key="say", taken_seq=shown.lines[-1].seq)
    assert lane.open_turn() == []
    lane.says("one more", number=2)
    lane.agent(Action.END, key="end", taken_seq=shown.lines[-1].seq)
    assert lane.open_turn() == ["one more"]


def test_the_desk_is_shown_the_bots_answer_to_lines_before_it() -> None:
    """The customer went on writing before the bot answered."""
    lane = Driver()
    lane.says("first", number=1)
    lane.says("second", number=2)
    lane.answers("answer to the first")
    lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM)
    facts = lane.session.facts("acme", "P1")
    assert lane.open_turn() == ["second"]
    assert [plain_text(line.content) for line in facts.history][:2] == ["first", "answer to the first"]


def test_an_engine_ends_no_session_in_which_the_customer_has_said_more() -> None:
    lane = Driver()
    lane.says("bye", number=1)
    lane.says("one more thing", number=2)
    lane.answers("Goodbye!", end_session=True)
    assert lane.open_turn() == ["one more thing"]
    lane.answers("Goodbye!", end_session=True, id="second")
    assert lane.lane.session is None


def test_what_the_engine_says_beside_a_handover_that_cannot_be_is_said() -> None:
    lane = Driver(handover={"desk": None})
    lane.says("help")
    lane.answers("Try this meanwhile.", action=Action.HAND_OVER)
    assert lane.sent()[0] == "Try this meanwhile."


def test_message_that_no_desk_took_goes_to_the_bot_when_the_agent_ends() -> None:
    lane = Driver()
    lane.to_human()
    lane.says("and my order?", number=2)
    lane.agent(Action.END)
    assert lane.session.turn is not None
    assert [plain_text(line.content) for line in lane.session.turn.lines] == ["and my order?"]


def test_return_gives_the_bot_what_the_customer_said_last() -> None:
    lane = Driver()
    lane.to_human()
    lane.says("what are your hours?", number=2)
    lane.answers(action=Action.TAKEN, author=Author.SYSTEM, id="taken2")
    lane.agent(Action.RETURN)
    turn = lane.session.turn
    assert turn is not None
    assert turn.returned
    assert [plain_text(line.content) for line in turn.lines][-1] == "what are your hours?"


def test_the_customer_hears_once_that_nobody_is_free() -> None:
    lane = Driver(handover={"assign_timeout_s": 60})
    lane.says("a real person, please")
    lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM)
    lane.answers(action=Action.TAKEN, author=Author.SYSTEM, id="taken")
    lane.ticks(60)
    lane.answers(reason=HandoverReason.ENGINE)
    assert [text for text in lane.sent() if text.startswith("I am sorry, nobody is free")] == lane.sent()[-1:]
    assert lane.open_turn() == []


def test_the_bot_gets_back_every_line_that_no_agent_answered() -> None:
    """Also lines that are older than the bot's last answer, and lines that the desk has not taken yet."""
    lane = Driver()
    lane.says("first", number=1)
    lane.says("second", number=2)
    lane.answers("answer to the first")
    lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM)
    lane.answers(action=Action.TAKEN, author=Author.SYSTEM, id="taken")
    lane.agent(Action.AGENT_JOINED, key="join")
    lane.says("third", number=3)
    lane.agent(Action.RETURN, key="return")
    assert lane.open_turn() == ["second", "third"]


def test_the_bot_answers_what_the_desk_took_when_nobody_accepts() -> None:
    lane = Driver(handover={"assign_timeout_s": 60})
    lane.says("help")
    lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM)
    lane.answers(action=Action.TAKEN, author=Author.SYSTEM, id="taken")
    lane.ticks(60)
    assert lane.open_turn() == ["help"]


def test_what_the_desk_gave_back_leads_to_no_desk_again_whatever_the_engine_wants() -> None:
    lane = Driver()
    lane.to_human()
    lane.says("a real person, please", number=2)
    lane.answers(action=Action.TAKEN, author=Author.SYSTEM, id="taken2")
    lane.agent(Action.RETURN)
    lane.answers(reason=HandoverReason.ENGINE)
    assert lane.session.owner is Owner.BOT
    assert lane.sent()[-1].startswith("I am sorry, nobody is free")
    lane.says("a real person, please", number=3)
    lane.answers("I get somebody.", reason=HandoverReason.ENGINE)
    assert lane.session.owner is Owner.HUMAN


def test_nobody_accepts_in_time() -> None:
    lane = Driver(handover={"assign_timeout_s": 60})
    lane.says("help")
    lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM)
    lane.answers(action=Action.TAKEN, author=Author.SYSTEM, id="taken")
    lane.ticks(59)
    assert lane.session.owner is Owner.HUMAN
    lane.ticks(1)
    assert (lane.session.owner, lane.session.epoch) == (Owner.BOT, 3)
    assert lane.sent()[-1].startswith("I am sorry, nobody is free")
    assert [entry.notice.what for entry in lane.lane.notices] == ["cancelled"]


def test_a_notice_that_no_desk_confirms_for_a_day_is_given_up() -> None:
    lane = Driver(handover={"assign_timeout_s": 60})
    lane.says("help")
    lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM)
    lane.ticks(60)
    (entry,) = lane.lane.notices
    step = Step(lane.lane, lane.tenant, lane.now + timedelta(hours=25))
    step.tick()
    assert (step.lane.notices, step.unheard) == ((), [entry.notice])


def test_session_does_not_expire_while_an_agent_owes_an_answer() -> None:
    lane = Driver()
    lane.to_human()
    lane.says("well?", number=2)
    lane.ticks(3600)
    assert lane.lane.session is not None
    lane.agent(Action.SAY, "sorry, here I am")
    lane.ticks(20 * 60)
    assert lane.lane.session is None


def test_fallbacks_in_a_row_go_to_a_human_without_the_bots_apology() -> None:
    lane = Driver(handover={"max_fallbacks": 2})
    lane.says("gnarf")
    lane.answers("I did not understand", fallback=True)
    lane.says("gnarf gnarf", number=2)
    lane.answers("I did not understand", fallback=True)
    assert lane.session.owner is Owner.HUMAN
    assert lane.session.handover is not None
    assert lane.session.handover.reason is HandoverReason.FALLBACKS
    assert lane.sent().count("I did not understand") == 1


def test_an_understood_answer_resets_the_fallbacks() -> None:
    lane = Driver(handover={"max_fallbacks": 2})
    for number, fallback in enumerate((True, False, True), start=1):
        lane.says("x", number=number)
        lane.answers("y", fallback=fallback)
    assert lane.session.owner is Owner.BOT


def test_silent_engine_is_asked_again_and_then_a_human() -> None:
    lane = Driver(rules={"turn_timeout_s": 10, "turn_attempts": 2})
    lane.says()
    lane.ticks(10)
    assert lane.session.turn is not None
    assert lane.session.turn.attempt == 2
    lane.ticks(20)
    assert lane.session.owner is Owner.HUMAN
    assert "turn.failed" in lane.events()


def test_silent_engine_without_a_desk_gets_an_apology() -> None:
    lane = Driver(rules={"turn_attempts": 1}, handover={"desk": None})
    lane.says()
    lane.ticks(10)
    assert lane.session.turn is None
    assert lane.sent()[0].startswith("I am sorry, I could not answer")


def test_typing_is_ignored_and_a_reaction_opens_no_turn() -> None:
    lane = Driver()
    assert lane.says(content=TypingContent()).result is Result.IGNORED
    assert lane.lane.session is None
    lane.says(content=ReactionContent(target="SM1", emoji="👍"))
    assert lane.session.turn is None
    assert len(lane.transcript()) == 1


def test_offered_choices_are_remembered_for_the_next_turn() -> None:
    lane = Driver()
    lane.says()
    menu = ButtonsContent(text="Which?", buttons=(Button(id="a", title="A"), Button(id="b", title="B")))
    lane.answers(messages=(menu, TextContent(text="choose")))
    assert lane.session.choices == (("a", "A"), ("b", "B"))


def _result(message_id: str, outcome: Outcome = Outcome.ACCEPTED) -> SendResult:
    return SendResult(message_id=message_id, outcome=outcome, at=NOON)


def test_delivery_reports_settle_messages_and_put_off_the_rest() -> None:
    lane = Driver()
    lane.says()
    lane.answers("one", "two")
    step = lane.step()
    step.delivered(DeliveryReport(tenant="acme", profile_id="P1", results=(_result("P1.1.2"),), retry_after_s=5))
    assert [message.id for message in step.lane.to_send] == ["P1.1.3"]
    assert step.lane.deferred_until == later(5)
    assert next_due(step.lane, lane.tenant, NOON) == later(5)


def test_repeated_deferrals_wait_longer() -> None:
    lane = Driver()
    lane.says()
    lane.answers("one")
    waits = []
    for _ in range(4):
        step = lane.step()
        step.delivered(DeliveryReport(tenant="acme", profile_id="P1", retry_after_s=1))
        assert step.lane.deferred_until is not None
        waits.append((step.lane.deferred_until - NOON).total_seconds())
        lane.lane = step.lane
    assert waits == [2, 4, 8, 16]


def test_message_that_nobody_takes_for_a_day_is_given_up_visibly() -> None:
    lane = Driver()
    lane.says()
    lane.answers("one")
    lane.now += SEND_WITHIN + timedelta(seconds=1)
    step = lane.step()
    step.tick()
    assert [(r.message_id, r.outcome) for r in step.given_up] == [("P1.1.2", Outcome.REFUSED)]
    assert step.lane.to_send == ()


def test_a_step_leaves_the_state_it_came_from_untouched() -> None:
    lane = Driver()
    lane.to_human()
    before = lane.lane.model_dump_json()
    step = Step(lane.lane, lane.tenant, later(10_000))
    step.accept(inbound("more", number=9), frozenset())
    step.tick()
    assert lane.lane.model_dump_json() == before


def test_a_sleeping_lane_has_nothing_due() -> None:
    lane = Driver()
    assert next_due(lane.lane, lane.tenant, NOON) is None


def _deferred(lane: Driver, seconds: float) -> Step:
    step = lane.step()
    step.delivered(DeliveryReport(tenant="acme", profile_id="P1", retry_after_s=seconds))
    return step


def test_a_deferral_that_is_over_is_not_due_again_at_once() -> None:
    lane = Driver()
    lane.says()
    lane.answers("one")
    lane.lane = _deferred(lane, 1).lane
    lane.now = later(5)
    due = next_due(lane.lane, lane.tenant, lane.now)
    assert due is not None
    assert due > lane.now


@pytest.mark.parametrize("asked", [30 * 86_400, 1e300])
def test_a_vendor_cannot_ask_for_more_patience_than_an_hour(asked: float) -> None:
    lane = Driver()
    lane.says()
    lane.answers("one")
    assert _deferred(lane, asked).lane.deferred_until == later(3600)


def test_thousands_of_deferrals_are_no_trouble() -> None:
    lane = Driver()
    lane.says()
    lane.answers("one")
    lane.lane.deferrals = 5000
    assert _deferred(lane, 1).lane.deferred_until == later(300)


def test_old_messages_are_given_up_before_anything_is_sent_again() -> None:
    lane = Driver()
    lane.says()
    lane.answers("one")
    lane.now = later(10 * 86_400)
    step = lane.step()
    step.accept(inbound("again", number=2, at=lane.now), frozenset())
    assert step.lane.to_send == ()
    assert [result.message_id for result in step.given_up] == ["P1.1.2"]


def test_a_desk_that_fails_at_once_does_not_flood_the_customer() -> None:
    lane = Driver()
    lane.says("human please")
    for number in range(20):
        lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM, reason=HandoverReason.ASKED, id=f"h{number}")
        lane.answers(action=Action.FAILED, author=Author.SYSTEM, id=f"f{number}", because="no such connection")
    assert len(lane.sent()) <= 5


def test_a_desk_that_is_away_does_not_flood_the_customer() -> None:
    lane = Driver()
    lane.says("human please")
    for number in range(10):
        lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM, reason=HandoverReason.ASKED, id=f"h{number}")
        lane.ticks(121)
    assert len(lane.sent()) <= 5


def test_after_a_failed_handover_the_bot_answers_the_same_words() -> None:
    lane = Driver()
    lane.says("human please")
    lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM, reason=HandoverReason.ASKED)
    lane.ticks(121)
    assert lane.session.turn is not None
    assert lane.session.turn.returned


def test_an_agent_who_speaks_has_joined() -> None:
    lane = Driver()
    lane.says("help")
    lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM)
    lane.answers(action=Action.TAKEN, author=Author.SYSTEM, id="taken")
    lane.agent(Action.SAY, "hello, I am Ada")
    lane.ticks(121)
    assert lane.session.owner is Owner.HUMAN


def test_the_state_stays_small_whatever_a_customer_sends_in_one_turn() -> None:
    lane = Driver()
    lane.says("x", number=0)
    for number in range(1, 40):
        lane.says("\U0001f600" * 65_536, number=number)
        lane.lane.outbox = ()
    assert len(lane.lane.model_dump_json().encode()) < 1024 * 1024
