"""How a vendor's webhook went."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Posted:
    """The HTTP status, or the name of the error. ``tries`` counts those up to this answer."""

    status: int | None
    tries: int
    took_ms: float
    error: str | None = None

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300
