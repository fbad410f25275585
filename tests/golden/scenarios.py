"""The sessions that are recorded with the actor alone; the one to keep is ``P1.1`` unless a scenario says otherwise."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from m2n.events import Action, Outcome
from m2n.message import Author, Button, ButtonsContent, ChoiceContent, ReactionContent
from tests.golden.recorder import Recorder


@dataclass(frozen=True)
class Scenario:
    play: Callable[[Recorder], Awaitable[None]]
    session_id: str = "P1.1"
    tenant: dict[str, Any] = field(default_factory=dict)


async def first_contact(customer: Recorder) -> None:
    await customer.says("when are you open?")
    await customer.answers("Monday to Friday, nine to five.", intent="hours", confidence=0.97)
    await customer.delivers()
    await customer.waits(20 * 60)


async def several_messages_during_a_turn(customer: Recorder) -> None:
    await customer.says("hello")
    await customer.says("I have a question")
    await customer.says("about prices")
    await customer.answers("Hello, what can I do for you?", intent="greeting")
    await customer.says("", ReactionContent(target="SM1", emoji="\U0001f44d"))
    offer = ButtonsContent(
        text="Which price?", buttons=(Button(id="day", title="A day"), Button(id="week", title="A week"))
    )
    await customer.answers(messages=(offer,), intent="prices")
    await customer.delivers()
    await customer.says("", ChoiceContent(id="week", title="A week"))
    await customer.answers("A week is 70 €.", intent="price_week", language="de")
    await customer.delivers()
    await customer.waits(60)


async def handover_agent_speaks_and_ends(customer: Recorder) -> None:
    await customer.says("a human, please")
    await customer.answers("late bot", id="late", epoch=1)
    await customer.desk_takes()
    await customer.delivers()
    await customer.agent(Action.AGENT_JOINED)
    await customer.agent(Action.SAY, "Hello, this is Ada.", "How can I help?")
    await customer.says("my order is late")
    await customer.desk_takes()
    await customer.delivers()
    await customer.agent(Action.SAY, "It comes tomorrow.", key="2")
    await customer.agent(Action.END)
    await customer.delivers()
    await customer.says("when are you open?")
    await customer.answers("Monday to Friday.", intent="hours")
    await customer.delivers()
    await customer.waits(20 * 60)


async def nobody_accepts_in_time(customer: Recorder) -> None:
    await customer.says("a human, please")
    await customer.desk_takes()
    await customer.delivers()
    await customer.waits(60)
    await customer.notes()
    await customer.says("are you there?")
    await customer.answers("I can help with opening hours.", intent="help")
    await customer.delivers()
    await customer.waits(20 * 60)


async def engine_silent_and_then_failed(customer: Recorder) -> None:
    await customer.says("hello?")
    await customer.waits(10)
    await customer.waits(20)
    await customer.waits(30)
    await customer.delivers()
    await customer.says("and now?")
    await customer.answers(action=Action.FAILED, author=Author.SYSTEM, because="the engine's connection is gone")
    await customer.delivers()
    await customer.waits(20 * 60)


async def expired_by_the_next_message(customer: Recorder) -> None:
    """Session 2, opened by the message that finds session 1 over."""
    await customer.says("hello")
    await customer.answers("Hello.", intent="greeting")
    customer.now = customer.now.replace(hour=14)
    await customer.says("hello again")
    await customer.answers("Welcome back.", intent="greeting", end_session=True)
    await customer.delivers()
    await customer.waits(60)


async def duplicates_and_late_replies(customer: Recorder) -> None:
    await customer.says("hello")
    await customer.says_again(1)
    await customer.answers("Hello.", id="first")
    await customer.answers("Hello.", id="first")
    await customer.answers("Hello once more.", id="second")
    await customer.says("a human, please")
    await customer.answers("late", turn_id="P1.1.t2", epoch=1, id="late")
    await customer.answers("the bot with the human's epoch", id="wrong owner")
    await customer.says_again(2)
    await customer.delivers()
    await customer.delivers()
    await customer.waits(5)
    await customer.desk_takes()


async def deliveries_refused_uncertain_and_put_off(customer: Recorder) -> None:
    await customer.says("prices")
    await customer.answers("one", "two", "three", "four")
    await customer.delivers(Outcome.ACCEPTED, count=1, later_s=1)
    await customer.delivers(Outcome.ACCEPTED, count=0, later_s=30)
    await customer.waits(30)
    await customer.delivers(Outcome.REFUSED, count=1)
    await customer.delivers(Outcome.UNCERTAIN, count=1)
    await customer.delivers(Outcome.ACCEPTED, count=0, later_s=600)
    await customer.waits(24 * 3600)
    await customer.waits(60)


async def agent_gives_the_conversation_back(customer: Recorder) -> None:
    await customer.says("a human, please")
    await customer.desk_takes()
    await customer.agent(Action.AGENT_JOINED)
    await customer.says("when are you open?")
    await customer.desk_takes()
    await customer.delivers()
    await customer.agent(Action.RETURN)
    await customer.answers("Monday to Friday.", intent="hours")
    await customer.delivers()
    await customer.waits(20 * 60)


NO_DESK = {"handover": {"desk": None}, "rules": {"turn_attempts": 3}}
SCENARIOS = {
    "first_contact": Scenario(first_contact),
    "several_messages_during_a_turn": Scenario(several_messages_during_a_turn),
    "handover_agent_speaks_and_ends": Scenario(handover_agent_speaks_and_ends),
    "nobody_accepts_in_time": Scenario(nobody_accepts_in_time, tenant={"handover": {"assign_timeout_s": 60}}),
    "engine_silent_and_then_failed": Scenario(engine_silent_and_then_failed, tenant=NO_DESK),
    "expired_by_the_next_message": Scenario(expired_by_the_next_message, session_id="P1.2"),
    "duplicates_and_late_replies": Scenario(duplicates_and_late_replies),
    "deliveries_refused_uncertain_and_put_off": Scenario(
        deliveries_refused_uncertain_and_put_off, tenant={"session_timeout_s": 2 * 86_400}
    ),
    "agent_gives_the_conversation_back": Scenario(agent_gives_the_conversation_back),
}
