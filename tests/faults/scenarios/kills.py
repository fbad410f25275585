"""One process after the other is killed (SIGKILL) or ended (SIGTERM) while customers write."""

import asyncio
import time

from deploy.local.parts import sidecar_name
from tests.faults.scenario import Run, Scenario
from tests.faults.stage import Stage

SERVICES = (
    "webhooks",
    "identification",
    "sessions",
    "nlp-echo",
    "handover-desk",
    "delivery",
    "tenants",
)
DOWN_S = 5.0
AWAY_S = 30.0
LONGEST_STOP_S = 20.0


def killed(service: str) -> Scenario:
    async def play(stage: Stage, run: Run) -> None:
        await run.at(0.2)
        run.fault()
        await stage.kill(service)
        await run.at(0.6)
        run.fault()
        await stage.kill(service, down_s=DOWN_S)

    return Scenario(f"kill-{service}", f"SIGKILL of {service}, back at once and after {DOWN_S:.0f} s", play)


def sidecar_killed(service: str) -> Scenario:
    sidecar = sidecar_name(service)

    async def play(stage: Stage, run: Run) -> None:
        before = stage.stack.pid(service)
        await run.at(0.3)
        run.fault()
        await stage.kill(sidecar)
        run.require(stage.stack.pid(service) == before, f"{service} stays when its sidecar dies")

    return Scenario(f"kill-{sidecar}", f"SIGKILL of the sidecar of {service}", play)


def control_plane_down(part: str) -> Scenario:
    async def play(stage: Stage, run: Run) -> None:
        sidecars = {name: pid for name, pid in stage.stack.pids().items() if name.endswith("-dapr")}
        await run.at(0.1)
        run.fault()
        await stage.kill(part)
        await run.at(0.3)
        answered = run.load.answered
        await stage.kill(part, down_s=AWAY_S)
        run.fault()
        run.note(f"{run.load.answered - answered} answered while it was away")
        left = {name: pid for name, pid in stage.stack.pids().items() if name in sidecars}
        run.require(left == sidecars, f"no sidecar exits while {part} is away")

    return Scenario(f"kill-{part}", f"SIGKILL of {part}, back at once and after {AWAY_S:.0f} s", play, messages=1000)


async def end_gently(stage: Stage, run: Run) -> None:
    slowest = 0.0
    for number, service in enumerate(SERVICES):
        await run.at(0.1 + 0.8 * number / len(SERVICES))
        began = time.monotonic()
        await stage.stop(service)
        slowest = max(slowest, time.monotonic() - began)
        await stage.start(service)
    run.require(slowest <= LONGEST_STOP_S, f"SIGTERM ends a service within {LONGEST_STOP_S:.0f} s")
    run.note(f"slowest end {slowest:.1f} s")


async def nothing_set_aside(stage: Stage, run: Run) -> None:
    letters = await run.database["dead_letters"].count_documents({})
    run.require(letters == 0, "an orderly end sets no message aside")


async def everything_at_once(stage: Stage, run: Run) -> None:
    """Seeded: services and sidecars in any order, several at a time."""
    parts = [*SERVICES, *(sidecar_name(service) for service in SERVICES if service != "simulator")]
    for share in (0.1, 0.25, 0.4, 0.55, 0.7, 0.85):
        await run.at(share)
        run.fault()
        victims = run.random.sample(parts, run.random.randint(2, 4))
        await asyncio.gather(*(stage.kill(victim) for victim in victims))


SCENARIOS = (
    *(killed(service) for service in SERVICES),
    *(sidecar_killed(service) for service in SERVICES),
    control_plane_down("placement"),
    control_plane_down("scheduler"),
    Scenario(
        "terminate", "SIGTERM of each service in turn under load", end_gently, nothing_set_aside, 800, kills_one=False
    ),
    Scenario("soak", "two to four parts killed at once, six times", everything_at_once, None, 1200, kills_one=False),
)
