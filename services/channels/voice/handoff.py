"""What we say to ourselves over Twilio when the socket of a call is closed: ConversationRelay's ``handoffData``."""

from enum import Enum

import orjson


class Handoff(Enum):
    TRANSFER = "transfer"
    GOODBYE = "goodbye"
    """The caller was silent for too long."""
    NO_ANSWER = "no-answer"
    """Nobody answered the caller for too long."""


def handoff_data(reason: Handoff) -> str:
    return orjson.dumps({"reason": reason.value}).decode()


def handoff_reason(data: str) -> Handoff | None:
    """None where it is not ours, as when the socket broke."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    reason = found.get("reason") if isinstance(found, dict) else None
    return next((one for one in Handoff if one.value == reason), None)
