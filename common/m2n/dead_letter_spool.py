"""Dead letters on the service's own disk while MongoDB cannot take them. They hold what customers wrote: mode 0600."""

import os
import threading
from pathlib import Path

from pydantic import ValidationError

from m2n.deadletters import Failure
from m2n.keys import digest
from m2n.serialization import from_json, to_json

MAX_BYTES = 256 * 1024 * 1024
_SUFFIX = ".letter"


class SpoolFull(Exception):
    """Another letter would take more room than the spool may have."""


class UnreadableFile(Exception):
    """A file of the spool that is no letter; it was put beside the others under another name."""


class Spool:
    """One file a failure, written whole or not at all. Methods block, and raise OSError."""

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._writing = threading.Lock()

    def put(self, failure: Failure) -> None:
        """On disk when it returns; the same failure again is the same file. Raises SpoolFull."""
        content = to_json(failure)
        with self._writing:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._size() + len(content) > self._max_bytes:
                raise SpoolFull(f"{self._max_bytes} bytes")
            self._write(self._folder / f"{digest(failure.letter_id, failure.failure_id)}{_SUFFIX}", content)

    def names(self) -> list[str]:
        """The oldest first."""
        files = sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        return [path.name for path in files]

    def read(self, name: str) -> Failure:
        """Raises UnreadableFile, after which the name is not in the spool any more."""
        path = self._folder / name
        try:
            return from_json(Failure, path.read_bytes())
        except ValidationError as bad:
            path.rename(path.with_suffix(".unreadable"))
            raise UnreadableFile(name) from bad

    def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self._folder.iterdir())

    def _write(self, path: Path, content: bytes) -> None:
        unfinished = path.with_suffix(".unfinished")
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
