"""A lane's keys in the actor's state, read and written past the SDK's cache: what is there counts, not what was."""

from collections.abc import Iterable, Mapping

from dapr.actor.runtime.context import ActorRuntimeContext
from dapr.actor.runtime.state_change import ActorStateChange, StateChangeKind


class SaveLost(Exception):
    """The store took a save and does not have it."""


class LaneStore:
    """Raises what the actor client raises: DaprUnavailable."""

    def __init__(self, context: ActorRuntimeContext, lane: str) -> None:
        self._provider, self._kind, self._lane = context.state_provider, context.actor_type_info.type_name, lane

    async def read(self, key: str) -> str | None:
        found, text = await self._provider.try_load_state(self._kind, self._lane, key)
        return text if found and text else None

    async def save(self, key: str, text: str, others: Mapping[str, str], removed: Iterable[str]) -> None:
        """Write ``key`` and ``others`` and remove the rest in one transaction, and look whether ``key`` is there.

        Dapr's MongoDB store drops the error of a commit that failed and answers success. Raises SaveLost.
        """
        written = {key: text, **others}
        changes = [ActorStateChange(name, value, StateChangeKind.update) for name, value in written.items()]
        changes += [ActorStateChange(name, None, StateChangeKind.remove) for name in removed]
        await self._provider.save_state(self._kind, self._lane, changes)
        if await self.read(key) != text:
            raise SaveLost
