"""Customers by identity: the profile is made by an atomic create, never after a check."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from pydantic import BaseModel

from m2n.keys import identity_key
from m2n.message import Identity, Inbound, Model, Moment
from m2n.telemetry import log

REMEMBERED = 100_000
M = TypeVar("M", bound=BaseModel)


class StateStore(Protocol):
    async def create_state(self, key: str, value: BaseModel, ttl_s: int | None = None) -> bool: ...
    async def get_state(self, key: str, kind: type[M]) -> M | None: ...


class ProfileRef(Model):
    """What an identity points to."""

    profile_id: str


class CustomerProfile(Model):
    tenant: str
    profile_id: str
    identities: tuple[Identity, ...]
    display_name: str | None = None
    language: str | None = None
    first_contact: Moment


class Profiles:
    """Finds or makes the profile of a message's sender. Raises DaprUnavailable."""

    def __init__(self, store: StateStore, new_id: Callable[[], str]) -> None:
        self._store, self._new_id = store, new_id
        self._known: dict[str, str] = {}

    async def profile_of(self, message: Inbound) -> str:
        """The first identity that is known decides; the others are linked to the same profile.

        An identity that belongs to another profile already stays there: profiles are not merged on a guess.
        """
        keys = [identity_key(message.tenant, identity) for identity in message.identities]
        known = [self._known.get(key) for key in keys]
        if all(known) and len(set(known)) == 1:
            return str(known[0])
        return await self._find_or_make(message, keys)

    async def _find_or_make(self, message: Inbound, keys: list[str]) -> str:
        found = [await self._store.get_state(key, ProfileRef) for key in keys[1:]]
        older = next((ref.profile_id for ref in found if ref), None)
        profile_id = await self._claim(keys[0], older or self._new_id())
        for key in keys[1:]:
            owner = await self._claim(key, profile_id)
            if owner != profile_id:
                log().warning("identities of one sender belong to two profiles", tenant=message.tenant)
        await self._store.create_state(f"profile:{message.tenant}:{profile_id}", _profile(message, profile_id))
        self._remember(keys, profile_id)
        return profile_id

    async def _claim(self, key: str, profile_id: str) -> str:
        """Write the identity unless it exists; either way return whose it is."""
        if await self._store.create_state(key, ProfileRef(profile_id=profile_id)):
            return profile_id
        existing = await self._store.get_state(key, ProfileRef)
        return existing.profile_id if existing else profile_id

    def _remember(self, keys: list[str], profile_id: str) -> None:
        if len(self._known) > REMEMBERED:
            self._known.clear()
        for key in keys:
            self._known[key] = profile_id


def _profile(message: Inbound, profile_id: str) -> CustomerProfile:
    return CustomerProfile(
        tenant=message.tenant,
        profile_id=profile_id,
        identities=message.identities,
        display_name=message.display_name,
        language=message.language,
        first_contact=message.received_at,
    )
