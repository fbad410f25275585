"""What a message costs as work grows: more customers known, longer sessions, more tenants, more sessions asleep.

Every point is a run of its own at the same steady rate, in which the same number of customers write. What there is so
much of is written straight into the database (`seeds`), and the run shows that the services took it for theirs: they
answer by the profile and in the session that was put there. The points of a kind take turns, up and down again, so
that a machine that becomes slower does not look like growth.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import httpx

from bench.checked_run import CheckedRun, Message, play
from bench.figures import Figures, percentile
from bench.grown_lane import GrownLane, grown_lane
from bench.seeds import Person, Seeds, address_of, crowd
from bench.warmed_plan import WarmedPlan
from deploy.local.stack import Stack
from m2n.tenant import Tenant
from tests.faults.customers import Line, make_lines, tenant_document
from tests.faults.load import Load
from tests.faults.site import Site

KNOWN = (10, 1_000, 100_000)
LENGTHS = (10, 100, 1_000)
TENANTS = (2, 20, 200)
SLEEPING = 100_000
RATE = 20.0
"""Messages a second."""
COUNT = 100
"""Measured messages a point."""
WRITERS = 60
FIRSTS_WITHIN_S = 5.0
"""Very many write for the first time faster than the rate, to be done with it in so long."""
IN_LONG_SESSIONS = 30
"""So many write in long sessions: each then makes its own little longer."""
SLEEP = timedelta(hours=24)
"""The time-out of sessions that are to sleep through the whole run."""
ASLEEP_SINCE = timedelta(minutes=15)
"""Longer than a lane stays in memory."""


class NotTheirs(Exception):
    """The services did not take what was put there for their own: then the point says nothing."""


@dataclass(frozen=True)
class Point:
    """``first_ms`` are replies to everybody's first message of the run, for which all is read anew, ``reply_ms`` those
    to the later ones; sorted. ``cpu_ms`` is of a later message, all parts together."""

    kind: str
    size: int
    first_ms: tuple[float, ...]
    reply_ms: tuple[float, ...]
    cpu_ms: float

    def figures(self) -> Iterator[tuple[str, str, float]]:
        """Name, unit and value of each."""
        yield "webhook to reply, p50", "ms", percentile(self.reply_ms, 0.5)
        yield "webhook to reply, first of a customer, p50", "ms", percentile(self.first_ms, 0.5)
        yield "CPU a message", "ms", self.cpu_ms


def enter(points: Iterable[Point], figures: Figures) -> None:
    """All points, and how their medians stand to those of the smallest point of the kind."""
    found: dict[tuple[str, str], dict[int, list[float]]] = {}
    for point in sorted(points, key=lambda point: (point.kind, point.size)):
        for name, unit, value in point.figures():
            figures.add(f"{point.kind}: {point.size:,}", name, unit, value)
            found.setdefault((point.kind, name), {}).setdefault(point.size, []).append(value)
    for (kind, name), values in found.items():
        smallest = median(values[min(values)])
        for size in sorted(values)[1:]:
            figures.add("Growth", f"{kind}: {size:,} / {min(values):,}: {name}", "", median(values[size]) / smallest)


class Growth:
    """Plays points on a running stack. Methods raise NotAsPromised and NotTheirs."""

    def __init__(self, stack: Stack, folder: Path, rate_per_s: float = RATE, count: int = COUNT) -> None:
        self._stack, self._folder, self._rate, self._count = stack, folder, rate_per_s, count
        self._played = 0

    async def known(self, sizes: Sequence[int] = KNOWN, repeat: int = 2) -> list[Point]:
        """Beside so many customers with a profile. The writers are known, too."""
        kind = "Customers known"
        return [_point(kind, size, await self._beside_known(size)) for size in up_and_down(sizes, repeat)]

    async def lengths(self, sizes: Sequence[int] = LENGTHS, repeat: int = 2) -> list[Point]:
        """In sessions that have so many messages, half of them the bot's."""
        kind = "Messages in a session"
        return [_point(kind, size, await self._in_sessions_of(size)) for size in up_and_down(sizes, repeat)]

    async def tenants(self, sizes: Sequence[int] = TENANTS, repeat: int = 2) -> list[Point]:
        """With so many tenants, whose customers all write: as many customers whatever the number of tenants."""
        writers = max(*sizes, WRITERS)
        kind = "Tenants"
        return [_point(kind, size, await self._of_tenants(size, writers)) for size in up_and_down(sizes, repeat)]

    async def sleeping(self, count: int = SLEEPING, repeat: int = 2, *, remove: bool = True) -> list[Point]:
        """Beside so many sessions asleep, each with its time to wake. The writers' sleep, too, until they write.

        They are put there once: half of the points without them come before, the others after. With ``remove`` false,
        for the last that is done with a stack, they stay, and all points without them come before.
        """
        kind, before = "Sessions asleep", (repeat + 1) // 2 if remove else repeat
        points = [_point(kind, 0, await self._beside_sleeping()) for _ in range(before)]
        async with self._sleepers(count, passing=remove):
            points += [_point(kind, count, await self._beside_sleeping()) for _ in range(repeat)]
        return points + [_point(kind, 0, await self._beside_sleeping()) for _ in range(repeat - before)]

    # -- points ------------------------------------------------------------------------------------------------

    async def _beside_known(self, size: int) -> CheckedRun:
        async with Seeds(self._stack) as seeds:

            async def known(load: Load, writers: Sequence[Person]) -> None:
                await seeds.know(writers, _now())
                await seeds.know(crowd(load.lines, size), _now(), passing=True)
                await seeds.calm_down()

            return await self._play_known(self._plan(WRITERS), known, lambda message: True)

    async def _in_sessions_of(self, size: int) -> CheckedRun:
        wanted = self._plan(IN_LONG_SESSIONS)
        async with Seeds(self._stack) as seeds:

            async def conversed(load: Load, writers: Sequence[Person]) -> None:
                until = _now() - timedelta(minutes=1)
                await seeds.know(writers, until)
                for lane in _lanes(load.site, wanted, writers, size, until):
                    await seeds.converse(lane, until)
                await seeds.calm_down()

            return await self._play_known(wanted, conversed, lambda answer: answer.session == 1 and answer.seq > size)

    async def _beside_sleeping(self) -> CheckedRun:
        wanted = self._plan(WRITERS, session_timeout_s=round(SLEEP.total_seconds()))
        async with Seeds(self._stack) as seeds:

            async def asleep(load: Load, writers: Sequence[Person]) -> None:
                await _put_to_sleep(seeds, load.site, wanted, writers, passing=False)
                await seeds.calm_down()

            return await self._play_known(wanted, asleep, lambda answer: answer.session == 1 and answer.seq > 2)

    @asynccontextmanager
    async def _sleepers(self, count: int, *, passing: bool) -> AsyncIterator[None]:
        """Sessions of tenants of their own."""
        site, wanted = Site.of(self._stack), self._plan(WRITERS, session_timeout_s=round(SLEEP.total_seconds()))
        lines = await make_lines(site, wanted)
        async with Seeds(self._stack) as seeds:
            await _put_to_sleep(seeds, site, wanted, tuple(crowd(lines, count)), passing=passing)
            await seeds.calm_down()
            yield

    async def _of_tenants(self, size: int, writers: int) -> CheckedRun:
        made: list[Line] = []

        async def remember(load: Load) -> None:
            made.extend(load.lines)

        try:
            return await play(self._stack, self._plan(writers, tenants=size), self._next_folder(), remember)
        finally:
            await _remove_tenants(Site.of(self._stack), made)

    async def _play_known(
        self,
        wanted: WarmedPlan,
        put: Callable[[Load, Sequence[Person]], Awaitable[None]],
        in_place: Callable[[Message], bool],
    ) -> CheckedRun:
        """A run of customers who are there before they write. Raises NotTheirs."""
        writers: list[Person] = []

        async def prepare(load: Load) -> None:
            writers.extend(Person.of(customer) for customer in load.customers)
            await put(load, writers)

        run = await play(self._stack, wanted, self._next_folder(), prepare)
        for message in run.messages:
            if message.profile != writers[message.customer].profile_id or not in_place(message):
                raise NotTheirs(f"{message} was to be answered as {writers[message.customer].profile_id}")
        return run

    def _plan(self, customers: int, tenants: int = 3, session_timeout_s: int = 1200) -> WarmedPlan:
        return WarmedPlan(
            seed=self._played + 1,
            tenants=tenants,
            customers=customers,
            messages=customers + self._count,
            rate_per_s=self._rate,
            warm_rate_per_s=max(self._rate, customers / FIRSTS_WITHIN_S),
            session_timeout_s=session_timeout_s,
        )

    def _next_folder(self) -> Path:
        self._played += 1
        return self._folder / f"growth-{self._played}"


def up_and_down(sizes: Sequence[int], repeat: int) -> Iterator[int]:
    """The sizes so many times, every other time backwards."""
    for number in range(repeat):
        yield from sizes if number % 2 == 0 else reversed(sizes)


def _point(kind: str, size: int, run: CheckedRun) -> Point:
    return Point(
        kind,
        size,
        first_ms=tuple(sorted(message.reply_ms for message in run.firsts)),
        reply_ms=tuple(sorted(message.reply_ms for message in run.measured)),
        cpu_ms=sum(run.cpu_ms.values()),
    )


def _lanes(
    site: Site, wanted: WarmedPlan, people: Iterable[Person], messages: int, until: datetime
) -> Iterator[GrownLane]:
    """Everybody's lane after so many messages; decided once for each line, then the same for all of its customers."""
    decided: dict[str, GrownLane] = {}
    for person in people:
        line = person.line
        if line.tenant not in decided:
            tenant = Tenant.model_validate(tenant_document(site, wanted, line))
            decided[line.tenant] = grown_lane(tenant, address_of(line, person.to), messages, until)
        yield decided[line.tenant].of_customer(person.profile_id, person.to)


async def _put_to_sleep(
    seeds: Seeds, site: Site, wanted: WarmedPlan, people: Sequence[Person], *, passing: bool
) -> None:
    """After one message and its answer."""
    since = _now() - ASLEEP_SINCE
    await seeds.know(people, since, passing=passing)
    lanes = (grown.lane for grown in _lanes(site, wanted, people, 2, since))
    await seeds.sleep(lanes, since + SLEEP, passing=passing)


async def _remove_tenants(site: Site, lines: Iterable[Line]) -> None:
    admin = {"authorization": f"Bearer {site.admin_key}"}
    async with httpx.AsyncClient(base_url=site.addresses["tenants"], timeout=30, trust_env=False) as http:
        for line in lines:
            (await http.delete(f"/v1/tenants/{line.tenant}", headers=admin)).raise_for_status()


def _now() -> datetime:
    return datetime.now(UTC)
