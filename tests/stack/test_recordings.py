"""Recorded steps on a real MongoDB: each once, with the tenants that they were decided by."""

from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from m2n import clock
from m2n.tenant import TenantSnapshot
from services.sessions.recordings import NoSuchSession, Recordings
from services.sessions.replay import Recording, replay
from services.sessions.step_record import StepRecord
from tests.golden.recorder import recorder
from tests.golden.scenarios import first_contact
from tests.unit.builders import tenant

pytestmark = pytest.mark.stack

SNAPSHOT = TenantSnapshot(tenant=tenant(), version=1)
MONTH = timedelta(days=30)


@pytest_asyncio.fixture
async def kept(database: Any) -> Recordings:
    recordings = Recordings(database, MONTH)
    await recordings.prepare()
    recordings.tenant(SNAPSHOT)
    return recordings


@pytest_asyncio.fixture
async def steps() -> tuple[StepRecord, ...]:
    """A session of today: older steps would expire at once."""
    today = clock.now()
    with recorder() as customer:
        customer.now = today
        await first_contact(customer)
        return customer.recording().steps


async def test_what_is_written_twice_is_there_once(kept: Recordings, steps: tuple[StepRecord, ...]) -> None:
    for _ in range(2):
        await kept.write("acme", "P1", steps[:1])
        await kept.write("acme", "P1", steps[1:])
    used = kept.tenant(SNAPSHOT)
    found = await kept.of_session("P1.1")
    assert found == Recording("acme", "P1.1", steps, {used.digest: used.document})
    assert str(replay(found)) == "equal: 4 steps"


async def test_a_step_takes_the_place_of_one_whose_state_was_lost(
    kept: Recordings, steps: tuple[StepRecord, ...]
) -> None:
    lost = steps[1].model_copy(update={"at": steps[1].at - timedelta(milliseconds=1)})
    await kept.write("acme", "P1", (steps[0], lost))
    await kept.write("acme", "P1", steps[1:])
    assert (await kept.of_session("P1.1")).steps == steps


async def test_two_tenants_with_a_session_of_one_id_are_told_apart(
    kept: Recordings, steps: tuple[StepRecord, ...]
) -> None:
    await kept.write("acme", "P1", steps)
    await kept.write("globex", "P1", steps[:1])
    with pytest.raises(NoSuchSession, match="a session of each of acme, globex; choose with --tenant"):
        await kept.of_session("P1.1")
    assert len((await kept.of_session("P1.1", "acme")).steps) == 4
    assert [session.tenant for session in await kept.latest("globex")] == ["globex"]


async def test_a_tenant_that_was_long_not_used_is_there_again(
    kept: Recordings, steps: tuple[StepRecord, ...], database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept.write("acme", "P1", steps[:1])
    await database["session_step_tenants"].delete_many({})
    later = clock.now() + 2 * MONTH
    monkeypatch.setattr("m2n.clock.now", lambda: later)
    await kept.write("acme", "P1", steps[1:])
    assert str(replay(await kept.of_session("P1.1"))) == "equal: 4 steps"


async def test_any_text_is_read_as_it_was_written(kept: Recordings, database: Any) -> None:
    today = clock.now()
    with recorder() as customer:
        customer.now = today
        for text in ("$name", "a\x00b", "\U0001f600\u202e", '{"$set": 1}'):
            await customer.says(text)
        steps = customer.recording().steps
    await kept.write("acme", "P1", steps)
    assert (await kept.of_session("P1.1")).steps == steps
