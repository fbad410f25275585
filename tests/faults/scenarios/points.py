"""Processes die, or fail, exactly between two steps that belong together."""

from tests.faults.scenario import Run, Scenario
from tests.faults.stage import Stage

DEATHS = {
    "webhooks.before-enqueue": "webhooks",
    "webhooks.after-enqueue": "webhooks",
    "identification.before-delete": "identification",
    "sessions.before-save": "sessions",
    "sessions.after-save": "sessions",
    "delivery.after-intent": "delivery",
    "delivery.after-send": "delivery",
    "delivery.before-report": "delivery",
}
FAILURES = ("sessions.before-save", "sessions.after-save")
TIMES = 3


def died_at(point: str, service: str) -> Scenario:
    async def play(stage: Stage, run: Run) -> None:
        for number in range(TIMES):
            await run.at(0.15 + 0.6 * number / TIMES)
            before = stage.stack.pid(service)
            stage.order(point)
            await run.until(lambda: stage.is_carried_out(point))
            run.fault()
            await run.until(lambda before=before: stage.stack.pid(service) != before)
            await stage.ready(service)

    return Scenario(f"die-{point}", f"{service} dies {TIMES} times at {point}", play)


def failed_at(point: str) -> Scenario:
    async def play(stage: Stage, run: Run) -> None:
        for number in range(TIMES):
            await run.at(0.15 + 0.6 * number / TIMES)
            stage.order(point, "raise")
            await run.until(lambda: stage.is_carried_out(point))
            run.fault()

    return Scenario(f"fail-{point}", f"an exception half-way through a turn, at {point}, {TIMES} times", play)


SCENARIOS = (
    *(died_at(point, service) for point, service in DEATHS.items()),
    *(failed_at(point) for point in FAILURES),
)
