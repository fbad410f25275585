"""What lanes write beside, written when a test says so."""

from collections.abc import Hashable

from services.sessions.write_behind import Write, WriteBehind


class WriteByHand(WriteBehind):
    def soon(self, of: Hashable, write: Write) -> None:
        self._due[of] = write

    async def finish(self) -> None:
        """Try once; what fails stays due."""
        due, self._due = self._due, {}
        for of, write in due.items():
            await self._write(of, write)
