"""One process's sidecar: publish, calls to lanes, plain state. What of m2n.dapr.DaprClient the services use here."""

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from m2n.dapr import DaprUnavailable
from m2n.lanes import LaneEvent, tell_lane
from m2n.serialization import from_state, to_json, to_state
from tests.simulation.processes import Process
from tests.simulation.topics import Topics

if TYPE_CHECKING:
    from tests.simulation.lanes import Placement

M = TypeVar("M", bound=BaseModel)


class PlainState:
    """State in MongoDB with its time to live."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[str, float]] = {}
        """Text, and the virtual time at which it is forgotten."""

    def get(self, key: str, now_s: float) -> str | None:
        text, until_s = self.values.get(key, ("", 0.0))
        return text if now_s < until_s else None

    def put(self, key: str, text: str, now_s: float, ttl_s: int | None) -> None:
        self.values[key] = (text, now_s + ttl_s if ttl_s is not None else float("inf"))


class Sidecar:
    def __init__(self, process: Process, topics: Topics, placement: "Placement", states: PlainState) -> None:
        self._process, self._topics, self._placement, self._states = process, topics, placement, states

    async def publish(self, topic: str, event: BaseModel) -> None:
        await self._process.call("publish", lambda: self._topics.publish(topic, event), f"{topic} {_named(event)}")

    async def invoke_actor(self, actor_type: str, actor_id: str, method: str, argument: BaseModel) -> bytes:
        detail = f"{method} {_named(argument)}"
        await self._process.call("call lane", lambda: None, detail)
        answer = await self._placement.invoke(self._process, actor_id, method, to_json(argument))
        return await self._process.call("lane's answer", lambda: answer, f"to {detail}: {answer.decode()}")

    def tell(self, event: LaneEvent) -> None:
        """As an engine or a desk does, whose own call comes again when it fails; now and then twice."""
        world = self._process.world
        for _ in range(2 if world.luck.random() < 0.1 else 1):
            world.task(self._told(event))

    async def _told(self, event: LaneEvent) -> None:
        try:
            await tell_lane(self, event)  # pyright: ignore[reportArgumentType]
        except DaprUnavailable:
            self._process.world.later(1.0, self.tell, event)

    async def create_state(self, key: str, value: BaseModel, ttl_s: int | None = None) -> bool:
        def create() -> bool:
            if self._states.get(key, self._now_s()) is not None:
                return False
            self._states.put(key, to_state(value), self._now_s(), ttl_s)
            return True

        return await self._process.call("create state", create, key)

    async def get_state(self, key: str, kind: type[M]) -> M | None:
        text = await self._process.call("get state", lambda: self._states.get(key, self._now_s()), key)
        return from_state(kind, text) if text is not None else None

    def _now_s(self) -> float:
        return self._process.world.loop.time()


def _named(event: Any) -> str:
    """What the trace calls an event."""
    if messages := getattr(event, "messages", ()):
        ids = [getattr(message, "id", "") for message in messages]
        if any(ids):
            return " ".join(ids)
    for name in ("id", "notice_id", "vendor_message_id"):
        if found := getattr(event, name, None):
            return str(found)
    results = getattr(event, "results", ())
    wait = getattr(event, "retry_after_s", None)
    told = " ".join(f"{result.message_id}={result.outcome.value}" for result in results)
    return f"{told} again in {wait:g} s" if wait is not None else told
