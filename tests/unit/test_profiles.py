"""Identification: one profile a customer, whatever races."""

import asyncio
from itertools import count

from m2n.message import Identity
from services.identification.profiles import Profiles
from tests.unit.builders import inbound
from tests.unit.memory_state import MemoryState

PHONE = Identity(scheme="phone", value="+15550100002")
BSUID = Identity(scheme="wa_bsuid", value="US.abc")


def profiles(store: MemoryState, prefix: str = "P") -> Profiles:
    numbers = count(1)
    return Profiles(store, lambda: f"{prefix}{next(numbers)}")


async def test_two_processes_that_meet_a_new_customer_at_once_agree() -> None:
    store = MemoryState()
    message = inbound()
    found = await asyncio.gather(profiles(store, "A").profile_of(message), profiles(store, "B").profile_of(message))
    assert len(set(found)) == 1


async def test_second_identity_leads_to_the_same_profile() -> None:
    store = MemoryState()
    both = inbound().model_copy(update={"identities": (PHONE, BSUID)})
    without_phone = inbound().model_copy(update={"identities": (BSUID,)})
    first = await profiles(store, "A").profile_of(both)
    assert await profiles(store, "B").profile_of(without_phone) == first


async def test_a_number_added_later_joins_the_known_profile() -> None:
    store = MemoryState()
    first = await profiles(store, "A").profile_of(inbound().model_copy(update={"identities": (BSUID,)}))
    both = inbound().model_copy(update={"identities": (PHONE, BSUID)})
    assert await profiles(store, "B").profile_of(both) == first


async def test_tenants_do_not_share_a_customer() -> None:
    store = MemoryState()
    found = profiles(store)
    other = inbound().model_copy(update={"tenant": "globex"})
    assert await found.profile_of(inbound()) != await found.profile_of(other)


async def test_state_keys_do_not_hold_the_phone_number() -> None:
    store = MemoryState()
    await profiles(store).profile_of(inbound())
    assert not [key for key in store.values if "15550100002" in key]
