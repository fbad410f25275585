"""What a frame of the gateway's socket holds, so that nothing of it is lost."""

from datetime import datetime

import orjson

from m2n.adapters.channel import MalformedWebhook, Parsed, UnreadablePart, WebhookRequest
from m2n.adapters.edge_host import Resolved
from services.channels.signal.parse import OtherAccount


class NothingToKeep(Exception):
    """The frame brings no message for this connection; its text says why."""


def read(frame: bytes, resolved: Resolved, received_at: datetime) -> Parsed:
    """As of a webhook; a frame that cannot be read is set aside as it came. Raises NothingToKeep."""
    if is_error(frame):
        raise NothingToKeep("the gateway tells of an error of its own")
    request = WebhookRequest("POST", "", {"content-type": "application/json"}, frame)
    try:
        return resolved.channel.parse(request, resolved.tenant.id, resolved.connection, received_at)
    except OtherAccount:
        raise NothingToKeep("of another account") from None
    except MalformedWebhook as bad:
        return set_aside(frame, str(bad))
    except Exception as unforeseen:
        return set_aside(frame, type(unforeseen).__name__)


def set_aside(frame: bytes, reason: str) -> Parsed:
    return Parsed(unreadable=(UnreadablePart(frame, reason),))


def is_error(frame: bytes) -> bool:
    """``{"error": ...}`` and no envelope: the gateway could not receive something."""
    try:
        found = orjson.loads(frame)
    except orjson.JSONDecodeError:
        return False
    return isinstance(found, dict) and "error" in found and "envelope" not in found
