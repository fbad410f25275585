"""Visible progress of long steps, on a terminal and in a plain log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

Say = Callable[[str], None]
PLAIN_LOG_INTERVAL_S = 15.0


def silent(_: str) -> None:
    """Says nothing."""


class Steps:
    """Shows what is going on: a spinner with the elapsed time on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def step(self, title: str) -> Iterator[Say]:
        """A long step; what the block says is shown behind the title. A finished step leaves one line."""
        begun = time.monotonic()
        shown = self._on_terminal if self.console.is_terminal else self._in_log
        with shown(title, begun) as say:
            yield say
        self.say(f"{title}: done in {time.monotonic() - begun:.0f} s")

    @contextmanager
    def _on_terminal(self, title: str, begun: float) -> Iterator[Say]:
        with self.console.status(title) as status:
            yield lambda text: status.update(f"{title}: {text} ({time.monotonic() - begun:.0f} s)")

    @contextmanager
    def _in_log(self, title: str, begun: float) -> Iterator[Say]:
        self.say(f"{title} ...")
        last = begun

        def say(text: str) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= PLAIN_LOG_INTERVAL_S:
                last = now
                self.say(f"{title}: {text} ({now - begun:.0f} s)")

        yield say
