"""What this process remembers of events that failed, until they come back as dead letters."""

from dataclasses import dataclass

REMEMBERED = 10_000
UNFINISHED = "no answer in time"


@dataclass(frozen=True)
class FailedTries:
    tries: int
    reason: str


class FailureMemory:
    """Tries and the last reason by event id; the oldest are forgotten first."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._events: dict[str, FailedTries] = {}

    def begin(self, event_id: str) -> None:
        """A try begins; were it never to end, that is its failure."""
        before = self._events.pop(event_id, None)
        if len(self._events) >= self._remembered:
            del self._events[next(iter(self._events))]
        self._events[event_id] = FailedTries((before.tries if before else 0) + 1, UNFINISHED)

    def failed(self, event_id: str, reason: str) -> None:
        """The try that was begun has failed."""
        known = self._events.get(event_id)
        self._events[event_id] = FailedTries(known.tries if known else 1, reason)

    def done(self, event_id: str) -> None:
        self._events.pop(event_id, None)

    def of(self, event_id: str) -> FailedTries | None:
        return self._events.get(event_id)
