"""The collection of dead letters on a real MongoDB: one failure counts once, one redrive sends."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from m2n.deadletters import DeadLetter, DeadLetters, Failure, State, failed_event, failed_message
from m2n.settings import Settings
from services.tenants.dead_letter_store import LEASE, DeadLetterStore
from tests.unit.builders import NOON

pytestmark = pytest.mark.stack


class Wall:
    """A clock under control."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


@pytest_asyncio.fixture
async def letters(stack: Any, database: Any) -> Any:
    values = {"APP_API_TOKEN": "x" * 16, "M2N_MONGO_URL": stack.mongo_url, "M2N_MONGO_DATABASE": database.name}
    opened = DeadLetters(Settings.model_validate(values))
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def store(database: Any) -> DeadLetterStore:
    made = DeadLetterStore(database, Wall())
    await made.prepare()
    return made


def failure(number: int = 1, failure_id: str = "m1", tries: int = 3, tenant: str = "acme") -> Failure:
    body = f'{{"tenant": "{tenant}", "number": {number}}}'
    at = NOON + timedelta(seconds=number)
    return failed_message("q.fifo", "g", body, failure_id=failure_id, tries=tries, reason="$failed", at=at)


async def claimed(store: DeadLetterStore, letter_id: str) -> DeadLetter:
    letter = await store.claim("acme", letter_id, "acme/admin")
    assert letter is not None
    return letter


async def test_one_failure_told_twenty_times_at_once_counts_once(letters: DeadLetters) -> None:
    told = await asyncio.gather(*(letters.keep(failure()) for _ in range(20)))
    assert sorted(told) == [False] * 19 + [True]
    letter = await letters.get(failure().letter_id)
    assert letter is not None
    assert (letter.tries, letter.state, letter.reason) == (3, State.KEPT, "$failed")
    assert letter.body == failure().body


async def test_different_failures_of_one_message_at_once_all_count(letters: DeadLetters) -> None:
    told = await asyncio.gather(*(letters.keep(failure(failure_id=f"m{number}")) for number in range(10)))
    assert told == [True] * 10
    letter = await letters.get(failure().letter_id)
    assert letter is not None
    assert letter.tries == 30


async def test_a_failure_after_the_redrive_keeps_it_again_and_an_old_one_told_late_does_not(
    letters: DeadLetters, store: DeadLetterStore
) -> None:
    await letters.keep(failure())
    letter = await claimed(store, failure().letter_id)
    await store.redriven(letter)
    assert not await letters.keep(failure())
    assert [each.state for each in await store.page("acme", None, None, 10)] == [State.REDRIVEN]
    assert await letters.keep(failure(failure_id="m2", tries=1))
    again = await store.get("acme", letter.id)
    assert again is not None
    assert (again.state, again.tries, again.redrive) == (State.KEPT, 4, None)


async def test_failed_again_before_it_was_noted_as_put_back_it_stays_kept(
    letters: DeadLetters, store: DeadLetterStore
) -> None:
    await letters.keep(failure())
    letter = await claimed(store, failure().letter_id)
    await letters.keep(failure(failure_id="m2"))
    await store.redriven(letter)
    assert [each.state for each in await store.page("acme", None, None, 10)] == [State.KEPT]


async def test_of_twenty_claims_at_once_one_is_taken(letters: DeadLetters, store: DeadLetterStore) -> None:
    await letters.keep(failure())
    found = await asyncio.gather(*(store.claim("acme", failure().letter_id, "x") for _ in range(20)))
    assert len([each for each in found if each]) == 1
    assert await store.claim_all("acme", "x") == 0


async def test_no_claim_for_another_tenant_or_what_has_no_place_to_go_back_to(
    letters: DeadLetters, store: DeadLetterStore
) -> None:
    await letters.keep(failure())
    nothing = failed_event("router", b"no event", 1, "unreadable", NOON)
    await letters.keep(nothing)
    assert await store.claim("other", failure().letter_id, "x") is None
    assert await store.claim("", nothing.letter_id, "x") is None
    assert await store.claim_all("", "x") == 0
    assert await store.get("other", failure().letter_id) is None


async def test_a_lease_that_has_run_out_is_taken_by_one_under_the_same_redrive_id(
    letters: DeadLetters, database: Any
) -> None:
    wall = Wall()
    store = DeadLetterStore(database, wall)
    await letters.keep(failure())
    first = await claimed(store, failure().letter_id)
    assert await store.take_due() is None
    wall.time += LEASE
    found = [each for each in await asyncio.gather(*(store.take_due() for _ in range(10))) if each]
    assert len(found) == 1
    assert first.redrive is not None
    assert found[0].redrive is not None
    assert found[0].redrive.id == first.redrive.id
    await store.postpone(found[0], timedelta(seconds=5))
    wall.time += timedelta(seconds=5)
    assert await store.take_due() is not None


async def test_all_are_claimed_and_due_at_once_the_oldest_first(letters: DeadLetters, store: DeadLetterStore) -> None:
    for number in (2, 3, 1):
        await letters.keep(failure(number))
    await letters.keep(failure(9, tenant="other"))
    assert await store.claim_all("acme", "acme/admin") == 3
    taken = [letter.first_at for letter in [await store.take_due() for _ in range(3)] if letter]
    assert taken == [NOON + timedelta(seconds=number) for number in (1, 2, 3)]
    assert await store.take_due() is None
    assert await store.kept() == {"other": 1}


async def test_could_not_be_put_back_is_kept_and_says_why(letters: DeadLetters, store: DeadLetterStore) -> None:
    await letters.keep(failure())
    await store.keep_again(await claimed(store, failure().letter_id), "422: too long")
    letter = await store.get("acme", failure().letter_id)
    assert letter is not None
    assert letter.state is State.KEPT
    said = [event.what for event in letter.history]
    assert said == ["kept: $failed", "redrive asked for", "not put back: 422: too long"]
