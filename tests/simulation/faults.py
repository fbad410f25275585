"""Which fault happens at which call: drawn from the seed, until the faults stop."""

from enum import StrEnum
from random import Random


class Fault(StrEnum):
    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    FAIL_BEFORE = "failure before"
    FAIL_AFTER = "failure after"
    SLOW_BEFORE = "slow before"
    SLOW_AFTER = "slow after"


CRASHES = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER)
PORTS = (
    "load",
    "save",
    "publish",
    "transcript",
    "record events",
    "record steps",
    "tenant",
    "receive",
    "delete",
    "keep invisible",
    "create state",
    "get state",
    "create sent",
    "get sent",
    "put sent",
    "delete sent",
    "vendor",
    "call lane",
    "lane's answer",
)
SLOW_S = {"publish": 14.0, "vendor": 12.0}
"""The longest delay of a call, where it is not that of the stores (their time-out in components/resiliency.yaml)."""
STORE_SLOW_S = 4.9


class Faults:
    """Some seeds have few faults everywhere, some many at one port, each its own kinds of them."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.rate = random.choice((0.0, 0.005, 0.01, 0.02, 0.04))
        self.kinds = tuple(random.sample(tuple(Fault), random.randint(1, len(Fault))))
        self.port = random.choice(PORTS) if random.random() < 0.5 else ""
        self.port_rate = random.choice((0.05, 0.2, 0.5))
        self.left = random.randint(1, 14)
        self.stopped = False

    def at(self, port: str) -> Fault | None:
        if self.stopped or self.left <= 0:
            return None
        if self._random.random() >= (self.port_rate if port == self.port else self.rate):
            return None
        fault = self._random.choice(self.kinds)
        self.left -= 1
        return fault

    def delay_s(self, port: str) -> float:
        return self._random.random() ** 2 * SLOW_S.get(port, STORE_SLOW_S)
