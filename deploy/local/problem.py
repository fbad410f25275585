"""What a person is told when the stack cannot go on."""

from pathlib import Path


class Problem(Exception):
    """Something that the person at the terminal can put right.

    The message is one sentence that says what is wrong; `remedy` says what to do and `log` where the details are.
    """

    def __init__(self, message: str, *, remedy: str = "", log: Path | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.log = log
        self.detail = detail

    def __str__(self) -> str:
        lines = [self.message]
        if self.detail:
            lines += ["  | " + line for line in self.detail.splitlines()]
        if self.log is not None:
            lines.append(f"Log: {self.log}")
        if self.remedy:
            lines.append(f"What to do: {self.remedy}")
        return "\n".join(lines)
