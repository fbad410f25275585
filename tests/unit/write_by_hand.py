"""What lanes do beside, done when a test says so."""

from collections.abc import Hashable

from services.sessions.write_behind import Job, WriteBehind


class WriteByHand(WriteBehind):
    def soon(self, of: Hashable, job: Job, after_s: float = 0.0) -> None:
        self._due[of] = (after_s, job)

    async def finish(self) -> None:
        """Try once what is to be done at once; what fails stays due."""
        await self._try([of for of, (after_s, _) in self._due.items() if after_s == 0])

    async def time_passes(self) -> dict[Hashable, float]:
        """Try all once; returns what waited for its time, with the seconds that it was to wait."""
        waited = {of: after_s for of, (after_s, _) in self._due.items() if after_s}
        await self._try(list(self._due))
        return waited

    async def _try(self, wanted: list[Hashable]) -> None:
        jobs = [(of, self._due.pop(of)) for of in wanted]
        for of, (_, job) in jobs:
            await self._do(of, job)
