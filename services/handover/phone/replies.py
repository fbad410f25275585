"""What the desk `phone` tells the lane. Ids follow from the transfer, so a repeated reply has one effect."""

from datetime import datetime

from m2n.events import Action, Reply
from m2n.message import Author, Hop
from services.handover.phone.transfer import Transfer

SERVICE = "phone-desk"


def joined(transfer: Transfer, at: datetime, name: str = "") -> Reply | None:
    """A human talks with the caller. None where no session waits for it."""
    return _reply(transfer, "joined", Action.AGENT_JOINED, "a human answered the call", at, name)


def ended(transfer: Transfer, at: datetime) -> Reply | None:
    """The human has hung up (the bot answers what comes next), or nobody answered (the bot goes on where it was)."""
    if transfer.answered:
        return _reply(transfer, "end", Action.END, "the human hung up", at)
    return _reply(transfer, "return", Action.RETURN, "nobody answered the call", at)


def _reply(transfer: Transfer, suffix: str, action: Action, did: str, at: datetime, name: str = "") -> Reply | None:
    session = transfer.session
    if session is None:
        return None
    return Reply(
        id=f"{transfer.id}.{suffix}",
        tenant=session.tenant,
        profile_id=session.profile_id,
        session_id=session.session_id,
        epoch=session.epoch,
        action=action,
        author=Author.AGENT,
        author_name=name or transfer.label,
        because=did,
        taken_seq=session.newest_seq if action is not Action.RETURN else None,
        at=at,
        trail=(Hop(service=SERVICE, did=did, at=at),),
    )
