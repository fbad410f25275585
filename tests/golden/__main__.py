"""Record the actor's golden sessions anew: ``python -m tests.golden [NAME...]``."""

import asyncio
import sys
from pathlib import Path

from services.sessions.recording_file import write_recording
from services.sessions.replay import replay
from tests.golden.recorder import recorder
from tests.golden.scenarios import SCENARIOS

SESSIONS = Path(__file__).parent / "sessions"


async def _record(name: str) -> None:
    scenario = SCENARIOS[name]
    with recorder(**scenario.tenant) as customer:
        await scenario.play(customer)
        recording = customer.recording(scenario.session_id)
    write_recording(SESSIONS / f"actor_{name}.json", recording)
    print(f"{name}: {replay(recording)}")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or SCENARIOS:
        asyncio.run(_record(wanted))
