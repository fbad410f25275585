"""Calls to a customer's lane, which is the session actor of the sessions service."""

import asyncio

from pydantic import BaseModel

from m2n.dapr import DaprClient, DaprUnavailable, NotTaken
from m2n.events import RECEIPTS, REPLIES, ConsentReport, DeliveryReport, DeskNoted, Reply
from m2n.keys import lane_id
from m2n.message import Model
from m2n.serialization import from_json

ACTOR_TYPE = "SessionActor"
DIRECTLY_WITHIN_S = 3.0
"""Well below the time that a sidecar waits for a handler of a topic (10 s), which is what calls from here."""
LaneEvent = Reply | DeliveryReport | DeskNoted | ConsentReport
"""What services tell a lane and need no answer to."""


class LaneAnswer(Model):
    """What a call to the lane came to.

    ``applied``, ``duplicate``, ``refused`` (it does not fit the session any more) and ``ignored`` are final.
    ``rejected`` and ``failed`` are faults of the message or of the lane's code.
    """

    result: str
    why: str = ""
    session_id: str = ""
    seq: int = 0

    @property
    def at_fault(self) -> bool:
        return self.result in ("rejected", "failed")


class LaneFault(Exception):
    """The lane could not take the call because of a fault of its own or of the message."""


class LaneRefused(Exception):
    """What was told does not fit the session any more; its text says why."""


async def call_lane(dapr: DaprClient, tenant: str, profile_id: str, method: str, argument: BaseModel) -> LaneAnswer:
    """One turn of the lane; it may be repeated. Raises DaprUnavailable and NotTaken when it cannot be reached."""
    body = await dapr.invoke_actor(ACTOR_TYPE, lane_id(tenant, profile_id), method, argument)
    return from_json(LaneAnswer, body)


async def told_lane(dapr: DaprClient, tenant: str, profile_id: str, method: str, argument: BaseModel) -> LaneAnswer:
    """As call_lane, for callers whose own retry is the remedy. Raises LaneFault too."""
    answer = await call_lane(dapr, tenant, profile_id, method, argument)
    if answer.at_fault:
        raise LaneFault(f"{method}: {answer.result} ({answer.why})")
    return answer


async def bring_to_lane(dapr: DaprClient, event: LaneEvent) -> None:
    """A call of the lane, for a topic's handler in `sessions`. Raises what told_lane raises."""
    await told_lane(dapr, event.tenant, event.profile_id, _METHODS[type(event)], event)


async def tell_lane(dapr: DaprClient, event: LaneEvent) -> None:
    """Let a lane know, in the shortest way: a call of it. Where that fails, its topic keeps the event and tries on.

    The event may reach the lane twice, which takes it once. Raises DaprUnavailable and NotTaken when it was not told.
    """
    try:
        async with asyncio.timeout(DIRECTLY_WITHIN_S):
            return await bring_to_lane(dapr, event)
    except (DaprUnavailable, NotTaken, LaneFault, TimeoutError):
        await dapr.publish(REPLIES if isinstance(event, Reply) else RECEIPTS, event)


_METHODS: dict[type[LaneEvent], str] = {
    Reply: "reply",
    DeliveryReport: "delivered",
    DeskNoted: "noted",
    ConsentReport: "consent",
}
