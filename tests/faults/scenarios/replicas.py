"""Two processes host the lanes, and are replaced one after the other."""

from deploy.local.parts import sidecar_name
from tests.faults.scenario import Run, Scenario
from tests.faults.stage import REPLICA, Stage

FIRST = ("sessions", sidecar_name("sessions"))
SECOND = (REPLICA.name, sidecar_name(REPLICA.name))


async def rolling_restart(stage: Stage, run: Run) -> None:
    await stage.start(*SECOND)
    await run.at(0.2)
    for app, sidecar in (FIRST, SECOND, FIRST):
        run.fault()
        await stage.stop(sidecar, app)
        await stage.start(app, sidecar)
    await run.at(0.9)
    await stage.stop(*reversed(SECOND))


async def one_of_two_is_killed(stage: Stage, run: Run) -> None:
    await stage.start(*SECOND)
    await run.at(0.2)
    for part in (FIRST[0], SECOND[0], FIRST[1], SECOND[1]):
        run.fault()
        await stage.kill(part)
    await run.at(0.9)
    await stage.stop(*reversed(SECOND))


async def one_of_two_stands_still(stage: Stage, run: Run) -> None:
    """It does not know that its lanes live elsewhere meanwhile."""
    await stage.start(*SECOND)
    await run.at(0.2)
    for app in (FIRST[0], SECOND[0]):
        await stage.suspend(app, 8)
        run.fault()
    await run.at(0.9)
    await stage.stop(*reversed(SECOND))


SCENARIOS = (
    Scenario("rolling-restart", "two processes of sessions, replaced in turn", rolling_restart, messages=900),
    Scenario("replica-killed", "two processes of sessions and their sidecars, SIGKILL in turn", one_of_two_is_killed),
    Scenario(
        "replica-suspended",
        "two processes of sessions, each stands still for 8 s",
        one_of_two_stands_still,
        messages=900,
        kills_one=False,
    ),
)
