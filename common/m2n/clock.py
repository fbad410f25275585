"""The one source of wall-clock time, so that it can be put under control.

The time is what a reference said last, carried on by the machine's monotonic clock: a jump of the host's wall clock
moves nothing. Until a reference was asked (m2n.store_clock), the host's wall clock at the start is it.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]

_host_is_ahead_s = float(os.environ.get("M2N_HOST_CLOCK_AHEAD_S", "0"))
"""Makes this process's host clock a wrong one, in seconds: for tests."""
_ahead_of_monotonic_s = time.time() + _host_is_ahead_s - time.monotonic()


def now() -> datetime:
    return datetime.fromtimestamp(time.monotonic() + _ahead_of_monotonic_s, UTC)


def monotonic() -> float:
    """Seconds of a clock that never jumps, for measuring how long something took."""
    return time.monotonic()


def set_to(moment: datetime, at_monotonic_s: float) -> None:
    """``moment`` was the time when the monotonic clock stood at ``at_monotonic_s``."""
    global _ahead_of_monotonic_s
    _ahead_of_monotonic_s = moment.timestamp() - at_monotonic_s
