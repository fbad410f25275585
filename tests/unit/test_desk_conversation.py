"""A desk's conversation: what it is opened with, what it keeps of a line, why a call is refused."""

from datetime import timedelta
from typing import Any

import pytest

from m2n.events import Action, HandoverReason, Line, Owner, SessionFacts, Turn
from m2n.message import Address, Author, Content, ImageContent, Media, TextContent
from services.handover.desk.conversation import (
    MAX_CONTENT,
    MAX_TEXT,
    Agent,
    Closing,
    Conversation,
    Status,
    agent_line,
    desk_line,
    is_own,
    opened_by,
    why_not_acting,
)
from services.handover.desk.replies import closing, joined, said
from tests.unit.builders import NOON

GRACE = Agent(tenant="acme", key="desk", name="Grace")


def line(seq: int, content: Content | None = None, author: Author = Author.CUSTOMER) -> Line:
    return Line(seq=seq, author=author, content=content or TextContent(text=f"line {seq}"), at=NOON)


def turn(*seqs: int, history: tuple[Line, ...] = ()) -> Turn:
    facts = SessionFacts(
        tenant="acme",
        profile_id="P1",
        session_id="P1.1",
        epoch=2,
        owner=Owner.HUMAN,
        language="en",
        address=Address(connection="acme-whatsapp", channel="whatsapp_twilio", to="whatsapp:+15550100002"),
        handover_reason=HandoverReason.ASKED,
        history=history,
    )
    return Turn(id="P1.1.t3", session=facts, lines=tuple(line(seq) for seq in seqs), received_at=NOON)


def conversation(**changes: Any) -> Conversation:
    return opened_by(turn(1), NOON).model_copy(update=changes)


def active(**changes: Any) -> Conversation:
    accepted = {"status": Status.ACTIVE, "agent": "Grace", "agent_key": "desk", "accepted_at": NOON}
    return conversation(**(accepted | changes))


def test_it_opens_with_what_was_said_before_in_order_and_once() -> None:
    history = (line(1), line(2, author=Author.BOT), line(3))
    opened = opened_by(turn(3, 4, history=history), NOON)
    assert [shown.seq for shown in opened.lines] == [1, 2, 3, 4]
    assert (opened.id, opened.status, opened.reason) == ("P1.1:2", Status.WAITING, HandoverReason.ASKED)
    assert "+15550100002" not in opened.model_dump_json()


def test_long_content_is_cut_and_says_so() -> None:
    whole, cut = desk_line(line(1)), desk_line(line(2, TextContent(text="x" * 60_000)))
    assert (whole.cut, cut.cut) == (False, True)
    assert cut.content == TextContent(text="x" * MAX_TEXT)
    picture = ImageContent(media=Media(url="https://media.example/1"), caption="y" * 60_000)
    assert desk_line(line(3, picture)).content == TextContent(text="y" * MAX_TEXT)
    fits = TextContent(text="z" * (MAX_CONTENT - 100))
    assert desk_line(line(4, fits)).content == fits


@pytest.mark.parametrize(
    ("agent", "own"),
    [
        (GRACE, True),
        (Agent(tenant="acme", key="desk"), True),
        (Agent(tenant="acme", key="desk", name="Linus"), False),
        (Agent(tenant="acme", key="other", name="Grace"), False),
    ],
)
def test_whose_it_is(agent: Agent, own: bool) -> None:
    assert is_own(active(), agent) is own


@pytest.mark.parametrize(
    ("state", "agent", "why"),
    [
        (conversation(), GRACE, "accept it first"),
        (active(), Agent(tenant="acme", key="other"), "belongs to Grace"),
        (active(status=Status.CLOSED, closed_because=Closing.ENDED), GRACE, "ended by the agent"),
        (conversation(status=Status.CLOSED, closed_because=Closing.CANCELLED), GRACE, "nobody accepted in time"),
    ],
)
def test_refusals_name_the_fact(state: Conversation, agent: Agent, why: str) -> None:
    assert why in why_not_acting(state, agent)


def test_replies_are_the_same_whenever_they_are_made() -> None:
    message = agent_line("m1", TextContent(text="Hello"), "Grace", NOON + timedelta(seconds=5))
    for make in (lambda: joined(active()), lambda: said(active(), message)):
        assert make() == make()
    reply = said(active(), message)
    assert (reply.id, reply.action, reply.epoch, reply.author) == ("P1.1:2.say.m1", Action.SAY, 2, Author.AGENT)
    assert reply.messages == (TextContent(text="Hello"),)


@pytest.mark.parametrize(
    ("why", "action"),
    [(Closing.ENDED, Action.END), (Closing.RETURNED, Action.RETURN), (Closing.CANCELLED, None), (None, None)],
)
def test_only_an_agents_end_is_told(why: Closing | None, action: Action | None) -> None:
    reply = closing(active(closed_because=why, closed_at=NOON))
    assert (reply.action if reply else None) == action
