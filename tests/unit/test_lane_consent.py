"""The lane and what customers want to hear: STOP and START, numbers of choices, calls, windows, refusals of vendors."""

import pytest

from m2n.events import Action, ConsentReport, DeliveryReport, Outcome, SendResult
from m2n.message import (
    Address,
    Author,
    Button,
    ButtonsContent,
    CallContent,
    ChoiceContent,
    ConsentWord,
    Inbound,
    OptedOut,
    TemplateContent,
    TextContent,
    UnsupportedContent,
    VendorError,
    plain_text,
)
from services.sessions.domain import Result
from services.sessions.lane import EventEntry
from tests.unit.builders import NOON, inbound, later, reply
from tests.unit.test_lane import Driver

OFFER = ButtonsContent(text="Which?", buttons=(Button(id="day", title="A day"), Button(id="week", title="A week")))
CALL = Address(connection="acme-voice", channel="voice", to="CA1")


class Customer(Driver):
    """Accepts whole messages, and keeps what each step gave up."""

    def takes(self, message: Inbound) -> Result:
        step = self.step()
        outcome = step.accept(message, frozenset())
        self.lane, self.given_up = step.lane, step.given_up
        return outcome.result

    def hears_of(self, text: str, number: int, consent: ConsentWord, answered: bool | None = None) -> Result:
        message = inbound(text, number=number, at=self.now)
        return self.takes(message.model_copy(update={"consent": consent, "consent_answered": answered}))

    def reports(self, **report: object) -> None:
        step = self.step()
        step.delivered(DeliveryReport.model_validate({"tenant": "acme", "profile_id": "P1", **report}))
        self.lane, self.given_up = step.lane, step.given_up

    def details(self, what: str) -> dict[str, str]:
        found = [entry.event for entry in self.lane.outbox if isinstance(entry, EventEntry)]
        return next(event.detail for event in found if event.what == what)


def stopped(answered: bool | None = None) -> Customer:
    lane = Customer()
    lane.says("hello", number=1)
    lane.answers("Hello!")
    lane.hears_of("STOP", 2, ConsentWord.STOP, answered)
    return lane


def test_stop_is_confirmed_once_and_opens_no_turn() -> None:
    lane = stopped()
    assert lane.sent()[-1].startswith("You will not get any more messages")
    assert lane.session.turn is None
    before = lane.sent()
    lane.hears_of("STOP", 3, ConsentWord.STOP)
    assert lane.sent() == before, "said once"


def test_stop_is_recorded_with_connection_scope_and_source() -> None:
    expected = {"connection": "acme-whatsapp", "scope": "all", "by": "customer"}
    assert stopped().details("consent.withdrawn") == expected


def test_where_the_vendor_answers_nothing_is_said() -> None:
    assert stopped(answered=True).sent() == []


def test_what_waited_is_not_sent_after_stop() -> None:
    lane = stopped(answered=True)
    assert [(result.message_id, result.outcome, result.error and result.error.code) for result in lane.given_up] == [
        ("P1.1.2", Outcome.REFUSED, "m2n-opted-out")
    ]


def test_the_bot_is_not_asked_while_the_customer_has_opted_out() -> None:
    lane = stopped(answered=True)
    lane.says("what are your hours?", number=4)
    assert lane.session.turn is None
    assert lane.session.pending == ()
    assert lane.transcript()[-1] == (4, "what are your hours?"), "and yet it is recorded"


def test_a_late_answer_of_the_bot_is_held_back() -> None:
    lane = Customer()
    lane.says("hello", number=1)
    lane.hears_of("stop", 2, ConsentWord.STOP, True)
    step = lane.step()
    turn = lane.session.turn
    assert turn is not None
    step.reply(reply("P1.1", turn.id, 1, "Here I am"), frozenset())
    assert step.lane.to_send == ()
    assert [result.error.code for result in step.given_up if result.error] == ["m2n-opted-out"]


def test_an_agent_is_held_back_too_and_sees_what_the_customer_writes() -> None:
    lane = Customer()
    lane.says("a human please", number=1)
    lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM)
    lane.agent(Action.AGENT_JOINED)
    lane.hears_of("STOP", 2, ConsentWord.STOP, True)
    lane.agent(Action.SAY, "Hello, this is Ada.")
    assert lane.sent() == []
    lane.answers(action=Action.TAKEN, author=Author.AGENT)
    lane.says("really", number=3)
    assert lane.open_turn() == ["really"]


def test_start_undoes_it_and_is_confirmed() -> None:
    lane = stopped()
    lane.hears_of("START", 3, ConsentWord.START)
    assert lane.sent()[-1].startswith("Welcome back")
    assert "consent.given" in lane.events()
    lane.says("what are your hours?", number=4)
    assert lane.open_turn() == ["what are your hours?"]


def test_start_without_a_stop_before_it_is_a_word_like_any_other() -> None:
    lane = Customer()
    lane.hears_of("yes", 1, ConsentWord.START, True)
    assert lane.open_turn() == ["yes"]


def test_start_undoes_what_a_vendor_knew_of_marketing_too() -> None:
    lane = Customer()
    lane.says("hello", number=1)
    report = ConsentReport(
        tenant="acme", profile_id="P1", connection="acme-whatsapp", opted_out=OptedOut.MARKETING, code="1", at=NOON
    )
    step = lane.step()
    step.consent(report)
    lane.lane = step.lane
    lane.hears_of("START", 2, ConsentWord.START)
    assert lane.lane.opt_outs == {}


@pytest.mark.parametrize("word", [ConsentWord.STOP, ConsentWord.START])
def test_what_a_vendor_says_of_consent_without_words_opens_no_turn(word: ConsentWord) -> None:
    lane = Customer()
    said = inbound(content=UnsupportedContent(vendor_type="my_chat_member"))
    lane.takes(said.model_copy(update={"consent": word, "consent_answered": True}))
    assert lane.session.turn is None
    assert bool(lane.lane.opt_outs) is (word is ConsentWord.STOP)


def test_help_is_the_vendors_to_answer() -> None:
    lane = Customer()
    lane.hears_of("HELP", 1, ConsentWord.HELP, True)
    assert lane.session.turn is None
    assert lane.sent() == []


def test_stop_on_one_connection_leaves_the_others() -> None:
    lane = stopped(answered=True)
    message = inbound("hello from the web", number=5)
    lane.takes(message.model_copy(update={"address": Address(connection="acme-web", channel="webchat", to="v")}))
    lane.answers("Hello on the web!")
    assert lane.sent() == ["Hello on the web!"]


def test_a_vendors_refusal_counts_as_the_customers_word() -> None:
    lane = Customer()
    lane.says("hello", number=1)
    lane.answers("one")
    (message,) = lane.lane.to_send
    error = VendorError(code="21610", reason="opted out")
    refused = SendResult(message_id=message.id, outcome=Outcome.REFUSED, error=error, opted_out=OptedOut.ALL, at=NOON)
    lane.reports(results=(refused,))
    assert lane.details("consent.withdrawn")["by"] == "21610"
    lane.says("hello?", number=2)
    assert lane.session.turn is None


def test_a_later_report_of_the_vendor_counts_once() -> None:
    lane = Customer()
    lane.says("hello", number=1)
    report = ConsentReport(
        tenant="acme", profile_id="P1", connection="acme-whatsapp", opted_out=OptedOut.ALL, code="131050", at=NOON
    )
    step = lane.step()
    assert step.consent(report).result is Result.APPLIED
    lane.lane = step.lane
    assert lane.step().consent(report).result is Result.DUPLICATE


@pytest.mark.parametrize(("content", "held"), [(TextContent(text="hi"), 0), (TemplateContent(template="news"), 1)])
def test_who_wants_no_marketing_still_gets_answers(content: TextContent | TemplateContent, held: int) -> None:
    lane = Customer()
    lane.says("hello", number=1)
    report = ConsentReport(
        tenant="acme", profile_id="P1", connection="acme-whatsapp", opted_out=OptedOut.MARKETING, code="1", at=NOON
    )
    step = lane.step()
    step.consent(report)
    lane.lane = step.lane
    assert lane.session.turn is not None
    lane.answers(messages=(content,))
    assert len(lane.lane.to_send) == 1 - held


# -- numbers of choices --------------------------------------------------------------------------------------------


def offered(answer: str, shown: int | None, longest: int | None = None) -> str | ChoiceContent:
    lane = Customer()
    lane.says("prices", number=1)
    lane.answers(messages=(OFFER,))
    lane.takes(inbound(answer, number=2).model_copy(update={"choices_shown": shown, "choice_length": longest}))
    assert lane.transcript()[-1][1] == answer, "the transcript keeps what was written"
    assert lane.session.turn is not None
    content = lane.session.turn.lines[-1].content
    return content if isinstance(content, ChoiceContent) else plain_text(content)


@pytest.mark.parametrize("answer", ["2", " 2 ", "2.", "2)"])
def test_a_number_is_the_choice_where_the_channel_showed_numbers(answer: str) -> None:
    assert offered(answer, 0) == ChoiceContent(id="week", title="A week")


@pytest.mark.parametrize(("longest", "is_choice"), [(5, True), (6, False)])
def test_a_title_that_is_too_long_for_a_button_was_seen_with_its_number(longest: int, is_choice: bool) -> None:
    assert isinstance(offered("2", 3, longest), ChoiceContent) is is_choice


@pytest.mark.parametrize(("answer", "shown"), [("2", 3), ("2", None), ("3", 0), ("0", 0), ("two", 0), ("2 days", 0)])
def test_any_other_answer_is_what_it_is(answer: str, shown: int | None) -> None:
    assert offered(answer, shown) == answer


# -- windows -------------------------------------------------------------------------------------------------------


def test_a_message_says_when_the_customer_last_wrote_on_its_connection() -> None:
    lane = Customer()
    old = inbound("hello", number=1, at=later(60))
    lane.takes(old.model_copy(update={"vendor_time": NOON}))
    lane.answers("Hello!")
    assert lane.lane.to_send[0].customer_wrote_at == NOON, "the vendor's time, not when it came"
    lane.takes(inbound("more", number=2, at=later(90)))
    lane.answers("More!")
    assert lane.lane.to_send[1].customer_wrote_at == later(90)


# -- calls ---------------------------------------------------------------------------------------------------------


def call(event: str, number: int, to: str = "CA1") -> Inbound:
    content = CallContent.model_validate({"event": event, "call": to})
    address = CALL.model_copy(update={"to": to})
    return inbound(number=number, content=content).model_copy(update={"address": address})


def test_a_call_begins_a_session_without_a_turn_and_its_end_ends_it() -> None:
    lane = Customer()
    lane.takes(call("started", 1))
    assert (lane.session.address, lane.session.turn) == (CALL, None)
    lane.takes(call("ended", 2))
    assert lane.lane.session is None
    assert lane.events() == ["session.opened", "call.started", "call.ended", "session.ended"]


def test_the_end_of_a_call_leaves_a_conversation_that_went_on_elsewhere() -> None:
    lane = Customer()
    lane.takes(call("started", 1))
    lane.says("now on WhatsApp", number=2)
    lane.takes(call("ended", 3))
    assert lane.session.address.channel == "whatsapp_twilio"


def test_the_end_of_a_call_opens_no_session() -> None:
    lane = Customer()
    assert lane.takes(call("ended", 1)) is Result.IGNORED
    assert lane.lane.sessions == 0


# -- deferrals and typing ------------------------------------------------------------------------------------------


def test_a_place_in_a_rate_is_waited_for_exactly() -> None:
    lane = Customer()
    lane.says("hello", number=1)
    lane.answers("one", "two")
    for seconds in (0.5, 40.0):
        lane.reports(retry_after_s=seconds, exactly=True)
        assert lane.lane.deferred_until == later(seconds)


def test_a_deferral_after_progress_starts_small_again() -> None:
    lane = Customer()
    lane.says("hello", number=1)
    lane.answers("one", "two", "three")
    for _ in range(5):
        lane.reports(retry_after_s=1)
    assert lane.lane.deferred_until == later(32)
    first = lane.lane.to_send[0].id
    done = SendResult(message_id=first, outcome=Outcome.ACCEPTED, at=NOON)
    lane.reports(results=(done,), retry_after_s=1)
    assert lane.lane.deferred_until == later(2)


def test_an_agents_typing_changes_nothing() -> None:
    lane = Customer()
    lane.says("a human please", number=1)
    lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM)
    before = lane.lane
    assert lane.agent(Action.TYPING).result is Result.IGNORED
    assert lane.lane == before


def test_the_bot_side_has_no_agent_who_could_type() -> None:
    lane = Customer()
    lane.says("hello", number=1)
    assert lane.agent(Action.TYPING).result is Result.REFUSED


def test_each_channel_may_have_a_desk_of_its_own() -> None:
    lane = Customer(handover={"desk_by_channel": {"voice": "acme-desk"}, "desk": None})
    lane.takes(inbound("a human please", number=1).model_copy(update={"address": CALL}))
    lane.answers(action=Action.HAND_OVER, author=Author.SYSTEM)
    assert lane.session.handover is not None
    assert lane.session.handover.desk == "acme-desk"
    other = Customer(handover={"desk_by_channel": {"voice": "acme-desk"}, "desk": None})
    other.says("a human please")
    other.answers(action=Action.HAND_OVER, author=Author.SYSTEM)
    assert other.session.handover is None
