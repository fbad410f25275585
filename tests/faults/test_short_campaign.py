"""The fault campaign's short form: the most telling five faults on the real stack. `make faults` plays all of them."""

import pytest

from tests.faults.campaign import SHORT, chosen, run_campaign
from tests.faults.table import Row, table

SEED = 4711

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    said: list[str] = []
    folder = tmp_path_factory.mktemp("short-campaign")
    played = run_campaign(chosen([], short=True), SEED, folder, said.append, timed=False)
    print("\n".join([*said, table(played)]))
    return {row.name: row for row in played}


@pytest.mark.parametrize("name", SHORT)
def test_no_promise_is_broken(rows: dict[str, Row], name: str) -> None:
    row = rows[name]
    assert (row.failures, row.violations) == ((), 0)
    assert row.messages > 0
    assert row.faults > 0
