"""What agents do. Each call changes the conversation in one step, then tells the lane; repeating it does both once."""

from m2n.api_errors import ApiError
from m2n.clock import Clock, now
from m2n.dapr import DaprUnavailable, NotTaken
from m2n.events import DeskNotice, Reply
from m2n.lanes import LaneFault, LaneRefused
from m2n.message import Content
from services.handover.desk.adapter import Publish
from services.handover.desk.conversation import (
    CLOSING_WORDS,
    Agent,
    Closing,
    Conversation,
    DeskLine,
    Note,
    Status,
    agent_line,
    is_own,
    why_not_acting,
)
from services.handover.desk.replies import closing, joined, said, typing
from services.handover.desk.store import MAX_NOTES, Conversations


class AgentWork:
    """Every method returns the conversation as it is then.

    Raises ApiError: 404 for one that the tenant does not have, 409 when its state does not allow the call, 503 when
    the lane could not be told.
    """

    def __init__(self, conversations: Conversations, publish: Publish, clock: Clock = now) -> None:
        self._conversations, self._publish, self._clock = conversations, publish, clock

    async def known(self, tenant: str, conversation_id: str) -> Conversation:
        found = await self._conversations.get(tenant, conversation_id)
        if found is None:
            raise ApiError(404, "there is no such conversation")
        return found

    async def accept(self, agent: Agent, conversation_id: str) -> Conversation:
        accepted = await self._conversations.accept(agent, conversation_id, self._clock())
        if accepted is None:
            accepted = await self.known(agent.tenant, conversation_id)
            if accepted.closed_because:
                raise ApiError(409, f"the conversation is closed: {CLOSING_WORDS[accepted.closed_because]}")
            if not is_own(accepted, agent):
                raise ApiError(409, f"the conversation was accepted by {accepted.agent} already")
        await self._tell(joined(accepted))
        return accepted

    async def say(self, agent: Agent, conversation_id: str, client_id: str, content: Content) -> Conversation:
        """``client_id`` is the key of the message's one effect."""
        before = await self.known(agent.tenant, conversation_id)
        line = agent_line(client_id, content, before.agent or "", self._clock())
        stored = await self._conversations.say(agent, conversation_id, line, line.at)
        if stored is None:
            stored = await self.known(agent.tenant, conversation_id)
            line = _said_before(stored, agent, line)
        await self._tell(said(stored, line))
        return stored

    async def typing(self, agent: Agent, conversation_id: str) -> Conversation:
        """The customer is shown that the agent writes, where the channel can do that."""
        conversation = await self.known(agent.tenant, conversation_id)
        if conversation.status is not Status.ACTIVE or not is_own(conversation, agent):
            raise ApiError(409, why_not_acting(conversation, agent))
        await self._tell(typing(conversation, self._clock()))
        return conversation

    async def note(self, agent: Agent, conversation_id: str, text: str) -> Conversation:
        before = await self.known(agent.tenant, conversation_id)
        note = Note(agent=agent.name or before.agent or agent.key, text=text, at=self._clock())
        noted = await self._conversations.note(agent, conversation_id, note)
        if noted is None:
            raise ApiError(409, f"the conversation has {MAX_NOTES} notes, which is the most")
        return noted

    async def close(self, agent: Agent, conversation_id: str, why: Closing) -> Conversation:
        """End it (the bot answers what comes next), or give it back to the bot."""
        closed = await self._conversations.close(agent, conversation_id, why, self._clock())
        if closed is None:
            closed = await self.known(agent.tenant, conversation_id)
            if closed.closed_because is not why or not (agent.supervisor or is_own(closed, agent)):
                raise ApiError(409, why_not_acting(closed, agent))
        reply = closing(closed)
        assert reply is not None
        await self._tell(reply)
        return closed

    async def _tell(self, reply: Reply) -> None:
        try:
            await self._publish(reply)
        except LaneRefused as refused:
            await self._conversations.close_by_lane(self._moved_on(reply))
            raise ApiError(409, f"the conversation is not the desk's any more: {refused}") from refused
        except (DaprUnavailable, NotTaken, LaneFault) as failed:
            text = "it is stored, but could not be passed on yet; repeat the same call, it takes effect once"
            raise ApiError(503, text, headers={"retry-after": "1"}) from failed

    def _moved_on(self, reply: Reply) -> DeskNotice:
        """What the desk would have heard, had a notice of the lane's not been lost."""
        return DeskNotice(
            id=f"{reply.session_id}.{reply.epoch}.refused",
            tenant=reply.tenant,
            profile_id=reply.profile_id,
            session_id=reply.session_id,
            epoch=reply.epoch,
            what="cancelled",
            at=self._clock(),
        )


def _said_before(conversation: Conversation, agent: Agent, line: DeskLine) -> DeskLine:
    """The stored line of which this call is a repetition. Raises ApiError 409 when it is not one."""
    stored = conversation.line(line.key)
    if stored is None or conversation.status is not Status.ACTIVE or not is_own(conversation, agent):
        raise ApiError(409, why_not_acting(conversation, agent))
    if stored.content != line.content:
        raise ApiError(409, "this message id was used for another message; give each message an id of its own")
    return stored
