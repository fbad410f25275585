"""What became of a step of a lane."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    APPLIED = "applied"
    DUPLICATE = "duplicate"
    REFUSED = "refused"
    IGNORED = "ignored"


@dataclass(frozen=True)
class StepOutcome:
    result: Result
    why: str = ""
    session_id: str = ""
    seq: int = 0
