"""What the desk tells the lane. Ids follow from the conversation, so a repeated reply has one effect."""

from datetime import datetime
from typing import Any

from m2n.events import Action, Reply
from m2n.message import Author, Hop
from services.handover.desk.conversation import Closing, Conversation, DeskLine

SERVICE = "handover-desk"
_CLOSING = {Closing.ENDED: (Action.END, "end"), Closing.RETURNED: (Action.RETURN, "return")}


def joined(conversation: Conversation) -> Reply:
    at = conversation.accepted_at or conversation.updated_at
    return _reply(conversation, "accept", Action.AGENT_JOINED, "agent accepted", at)


def say_id(conversation: Conversation, line: DeskLine) -> str:
    """Id of the reply that brings the agent's line to the lane."""
    return f"{conversation.id}.{line.key.replace(':', '.', 1)}"


def typing(conversation: Conversation, at: datetime) -> Reply:
    """Shown and forgotten, so its id need only differ from that of the last."""
    return _reply(conversation, f"typing.{int(at.timestamp() * 1000)}", Action.TYPING, "agent types", at)


def said(conversation: Conversation, line: DeskLine) -> Reply:
    suffix = line.key.replace(":", ".", 1)
    return _reply(conversation, suffix, Action.SAY, "agent wrote", line.at, messages=(line.content,))


def closing(conversation: Conversation) -> Reply | None:
    """The end that the agent made; None when the lane itself closed the conversation, or nobody has."""
    found = _CLOSING.get(conversation.closed_because) if conversation.closed_because else None
    if found is None:
        return None
    at = conversation.closed_at or conversation.updated_at
    return _reply(conversation, found[1], found[0], f"agent chose {found[1]}", at)


def _reply(conversation: Conversation, suffix: str, action: Action, did: str, at: datetime, **more: Any) -> Reply:
    return Reply(
        id=f"{conversation.id}.{suffix}",
        tenant=conversation.tenant,
        profile_id=conversation.profile_id,
        session_id=conversation.session_id,
        epoch=conversation.epoch,
        action=action,
        author=Author.AGENT,
        author_name=conversation.agent,
        taken_seq=conversation.newest_of_customer,
        at=at,
        trail=(Hop(service=SERVICE, did=did, at=at),),
        **more,
    )
