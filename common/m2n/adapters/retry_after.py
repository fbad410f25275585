"""The header ``Retry-After`` of a vendor's answer."""

import math
from collections.abc import Mapping


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds; None when the header is missing or not a number of seconds (RFC 9110 also allows a date)."""
    return seconds_of(next((value for name, value in headers.items() if name.lower() == "retry-after"), ""))


def seconds_of(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
