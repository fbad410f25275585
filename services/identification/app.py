"""The identification service: from the queue to the customer's profile and lane."""

from fastapi import HTTPException
from ulid import ULID

from m2n.dapr import DaprUnavailable, NotTaken
from m2n.lanes import LaneAnswer, call_lane
from m2n.message import Inbound
from m2n.queue import open_queue
from m2n.service import Service, background
from services.identification.intake import Intake, Passing
from services.identification.profiles import Profiles

service = Service("identification", follows_tenants=False)
app = service.app
profiles = Profiles(service.dapr, lambda: str(ULID()))
_receiving: dict[str, bool] = {"ready": False}


async def deliver(message: Inbound) -> LaneAnswer:
    """Bring a message to its customer's lane; the lane's word comes back."""
    try:
        profile_id = await profiles.profile_of(message)
        return await call_lane(service.dapr, message.tenant, profile_id, "accept", message)
    except DaprUnavailable as failed:
        raise Passing(str(failed)) from failed
    except NotTaken as refused:
        return LaneAnswer(result="failed", why=str(refused))


async def receive() -> None:
    async with open_queue(service.settings) as queue:
        _receiving["ready"] = True
        try:
            await Intake(queue, deliver).run()
        finally:
            _receiving["ready"] = False


service.resource(background("intake", receive))


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    if not _receiving["ready"]:
        raise HTTPException(503, "not connected to the queue")
    return {"status": "ok"}
