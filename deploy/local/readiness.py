"""Starting parts in the order of their stages, each when those before are ready: healthy, not given some time."""

import time
from collections.abc import Iterable, Mapping

from deploy.local.health import last_lines
from deploy.local.parts import Part, Stage
from deploy.local.problem import Problem
from deploy.local.progress import Say
from deploy.local.supervision import Condition, Supervision

START_LIMIT_S = 120.0
POLL_S = 0.05


def waves(parts: Iterable[Part]) -> list[list[Part]]:
    """What starts together. Apps and sidecars wait for each other, so they are one wave."""
    chosen = list(parts)
    stores = [part for part in chosen if part.stage is Stage.STORES]
    others = [part for part in chosen if part.stage is not Stage.STORES]
    return [wave for wave in (stores, others) if wave]


def start_in_order(supervision: Supervision, parts: Iterable[Part], say: Say) -> None:
    """Starts all parts and waits until they are ready.

    Raises:
        Problem: a part ended, or was not ready in time; it names the part, the end of its log and the log.
    """
    done: list[Part] = []
    for wave in waves(parts):
        for part in wave:
            supervision.start(part)
        done += wave
        _wait_for(supervision, wave, done, say)


def _wait_for(supervision: Supervision, wave: list[Part], watched: list[Part], say: Say) -> None:
    waiting = {part.name: part for part in wave}
    begun = time.monotonic()
    while waiting:
        conditions = supervision.conditions()
        fallen = first_fallen(conditions, watched)
        if fallen is not None:
            raise failed(fallen, "ended while the stack was starting")
        for part in [part for part in waiting.values() if part.healthy()]:
            del waiting[part.name]
            say(f"{part.name} is ready ({time.monotonic() - begun:.1f} s)")
        if waiting and time.monotonic() - begun > START_LIMIT_S:
            raise failed(conditions[next(iter(waiting))], f"was not healthy after {START_LIMIT_S:.0f} s")
        time.sleep(POLL_S if waiting else 0)


def first_fallen(conditions: Mapping[str, Condition], watched: Iterable[Part]) -> Condition | None:
    """The first of the watched parts that has no process (apps come before their sidecars, which need them)."""
    return next((conditions[part.name] for part in watched if not conditions[part.name].is_up), None)


def failed(condition: Condition, what: str) -> Problem:
    return Problem(
        f"{condition.name} {what}.",
        detail=last_lines(condition.log),
        log=condition.log,
        remedy="read the end of that log above; the stack was stopped again.",
    )


def wait_until_ready(supervision: Supervision, part: Part, *, not_pid: int, limit_s: float) -> None:
    """Waits until a part is up and healthy in another process than `not_pid` (0: any).

    Raises:
        Problem: not within `limit_s` seconds.
    """
    limit = time.monotonic() + limit_s
    while True:
        condition = supervision.condition(part.name)
        if condition.is_up and condition.pid != not_pid and part.healthy():
            return
        if time.monotonic() > limit:
            raise failed(condition, f"was not ready within {limit_s:.0f} s")
        time.sleep(POLL_S)
