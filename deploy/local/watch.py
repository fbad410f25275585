"""Telling when a part of a running stack dies."""

import threading
from collections.abc import Mapping

from deploy.local.problem import Problem
from deploy.local.progress import Say
from deploy.local.supervision import Condition, Supervision

INTERVAL_S = 0.5


def losses(before: Mapping[str, Condition], now: Mapping[str, Condition]) -> list[str]:
    """What to say about the parts whose process is not the one it was before."""
    said = []
    for name, condition in now.items():
        old = before.get(name)
        if old is None or old.pid == condition.pid:
            continue
        if old.pid and condition.state == "FATAL":
            said.append(f"{name} has ended again and again and is given up. Log: {condition.log}")
        elif old.pid:
            said.append(f"{name} has ended (process {old.pid}) and is being restarted. Log: {condition.log}")
        elif condition.pid:
            said.append(f"{name} runs again (process {condition.pid}).")
    return said


class Watch:
    """Looks at the parts twice a second and says what changed, but for what was expected."""

    def __init__(self, supervision: Supervision, say: Say) -> None:
        self.supervision_ended = threading.Event()
        self._supervision = supervision
        self._say = say
        self._stop = threading.Event()
        self._expected_down: set[str] = set()
        self._before = supervision.conditions()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def expect_down(self, part: str) -> None:
        self._expected_down.add(part)

    def expect_up(self, part: str) -> None:
        self._expected_down.discard(part)

    def end(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            try:
                now = self._supervision.conditions()
            except (OSError, Problem):
                if not self._supervision.is_alive():
                    self.supervision_ended.set()
                    return
                continue
            watched = {name: each for name, each in now.items() if name not in self._expected_down}
            for line in losses(self._before, watched):
                self._say(line)
            self._before = watched
