"""What the desk tells the lane, also when telling fails or the process dies in between; on the real database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from pymongo import AsyncMongoClient

from m2n.adapters.desk import ConversationOver, DeskContext
from m2n.api_errors import ApiError
from m2n.clock import now
from m2n.dapr import DaprUnavailable
from m2n.events import Action, DeskNotice, Line, Owner, Reply, SessionFacts, Turn
from m2n.message import Address, Author, TextContent
from m2n.tenant import Connection, ConnectionKind
from services.handover.desk.adapter import BuiltinDesk
from services.handover.desk.conversation import Agent, Closing
from services.handover.desk.store import MAX_LINES, Conversations
from services.handover.desk.work import AgentWork
from tests.stack.tenant_documents import unused_id

HELLO = TextContent(text="Hello")
pytestmark = pytest.mark.stack
CONTEXT = DeskContext(Connection(id="acme-desk", kind=ConnectionKind.DESK, adapter="builtin"), {})
GRACE = Agent(tenant="acme", key="desk-key", name="Grace")


@dataclass
class Lane:
    """Stands for the way to the lane: it takes replies, or does not answer."""

    told: list[Reply] = field(default_factory=list)
    answers: bool = True

    async def publish(self, reply: Reply) -> None:
        if not self.answers:
            raise DaprUnavailable("publish replies")
        self.told.append(reply)


@dataclass
class Desk:
    lane: Lane
    adapter: BuiltinDesk
    work: AgentWork
    conversations: Conversations

    async def active(self) -> str:
        session = unused_id("s")
        await self.adapter.take(turn(session, 1), CONTEXT)
        await self.work.accept(GRACE, f"{session}:1")
        self.lane.told.clear()
        return f"{session}:1"


@pytest_asyncio.fixture
async def desk(stack: Any) -> AsyncIterator[Desk]:
    async with AsyncMongoClient[dict[str, Any]](stack.mongo_url, tz_aware=True) as client:
        conversations, lane = Conversations(client[stack.mongo_database]), Lane()
        adapter = BuiltinDesk(conversations, lane.publish)
        yield Desk(lane, adapter, AgentWork(conversations, lane.publish), conversations)


def turn(session: str, *seqs: int, tenant: str = "acme") -> Turn:
    content = TextContent(text="a human please")
    facts = SessionFacts(
        tenant=tenant,
        profile_id="p1",
        session_id=session,
        epoch=1,
        owner=Owner.HUMAN,
        language="en",
        address=Address(connection="acme-web", channel="webchat", to="v1"),
    )
    lines = tuple(Line(seq=seq, author=Author.CUSTOMER, content=content, at=now()) for seq in seqs)
    return Turn(id=f"{session}.t{seqs[0]}", session=facts, lines=lines, received_at=now(), connection="acme-desk")


async def test_every_step_is_told_with_an_id_of_its_own(desk: Desk) -> None:
    session = unused_id("s")
    conversation = f"{session}:1"
    await desk.adapter.take(turn(session, 1), CONTEXT)
    await desk.work.accept(GRACE, conversation)
    await desk.work.say(GRACE, conversation, "m1", HELLO)
    await desk.work.note(GRACE, conversation, "for us")
    await desk.work.close(GRACE, conversation, Closing.ENDED)
    assert [(reply.action, reply.id) for reply in desk.lane.told] == [
        (Action.AGENT_JOINED, f"{conversation}.accept"),
        (Action.SAY, f"{conversation}.say.m1"),
        (Action.END, f"{conversation}.end"),
    ]
    for reply in desk.lane.told:
        assert (reply.tenant, reply.session_id, reply.epoch, reply.author_name) == ("acme", session, 1, "Grace")
    assert desk.lane.told[1].messages == (TextContent(text="Hello"),)


async def test_what_could_not_be_told_is_told_by_repeating_the_call(desk: Desk) -> None:
    conversation = await desk.active()
    desk.lane.answers = False
    for _ in range(2):
        with pytest.raises(ApiError) as failed:
            await desk.work.say(GRACE, conversation, "m1", HELLO)
        assert failed.value.status == 503
        assert "repeat the same call" in failed.value.error
    desk.lane.answers = True
    stored = await desk.work.say(GRACE, conversation, "m1", HELLO)
    again = await desk.work.say(GRACE, conversation, "m1", HELLO)
    assert [line.key for line in again.lines] == ["line:1", "say:m1"]
    assert stored.lines == again.lines
    assert len(desk.lane.told) == 2
    assert desk.lane.told[0] == desk.lane.told[1], "the very same reply, so that it has one effect"


async def test_an_end_that_never_got_out_is_told_when_the_customer_writes(desk: Desk) -> None:
    conversation = await desk.active()
    desk.lane.answers = False
    with pytest.raises(ApiError):
        await desk.work.close(GRACE, conversation, Closing.RETURNED)
    desk.lane.answers = True
    with pytest.raises(ConversationOver):
        await desk.adapter.take(turn(conversation.removesuffix(":1"), 2), CONTEXT)
    assert [reply.action for reply in desk.lane.told] == [Action.RETURN]


async def test_what_the_lane_took_back_is_not_told_again(desk: Desk) -> None:
    conversation = await desk.active()
    session = conversation.removesuffix(":1")
    notice = DeskNotice(
        id="n", tenant="acme", profile_id="P1", session_id=session, epoch=1, what="session_expired", at=now()
    )
    for _ in range(2):
        await desk.adapter.notice(notice)
    with pytest.raises(ConversationOver):
        await desk.adapter.take(turn(session, 2), CONTEXT)
    with pytest.raises(ApiError) as refused:
        await desk.work.say(GRACE, conversation, "m1", HELLO)
    assert (refused.value.status, "session is over" in refused.value.error) == (409, True)
    assert desk.lane.told == []


async def test_another_tenants_notice_closes_nothing(desk: Desk) -> None:
    conversation = await desk.active()
    session = conversation.removesuffix(":1")
    foreign = DeskNotice(
        id="n", tenant="other", profile_id="P1", session_id=session, epoch=1, what="cancelled", at=now()
    )
    with pytest.raises(Exception, match="duplicate key"):
        await desk.adapter.notice(foreign)
    assert (await desk.work.known("acme", conversation)).closed_because is None


async def test_a_conversation_keeps_a_bounded_number_of_lines(desk: Desk) -> None:
    conversation = await desk.active()
    session = conversation.removesuffix(":1")
    await desk.adapter.take(turn(session, *range(2, MAX_LINES + 11)), CONTEXT)
    kept = (await desk.work.known("acme", conversation)).lines
    assert len(kept) == MAX_LINES
    assert kept[-1].seq == MAX_LINES + 10
