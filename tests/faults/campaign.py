"""The fault campaign: every fault is played on the real stack while customers write, and the records are checked.

    make faults [SEED=N] [ONLY="NAME ..."]
    python -m tests.faults.campaign [--seed N] [--only NAME ...] [--short] [--list] [--records FOLDER] [--json FILE]

The last line says how many scenarios passed and failed; the exit code is 1 if any failed.
"""

import asyncio
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from pymongo import AsyncMongoClient

from deploy.local.problem import Problem
from tests.faults.checker import check
from tests.faults.load import Load
from tests.faults.plan import Plan
from tests.faults.records import collect
from tests.faults.scenario import Run, Scenario, ScenarioFailed
from tests.faults.scenarios import batches, edges, kills, points, repeats, replicas, stores
from tests.faults.site import Site
from tests.faults.stage import Stage, open_stage
from tests.faults.table import Row, last_line, table

SCENARIOS: tuple[Scenario, ...] = (
    *kills.SCENARIOS,
    *points.SCENARIOS,
    *stores.SCENARIOS,
    *replicas.SCENARIOS,
    *edges.SCENARIOS,
    *batches.SCENARIOS,
    *repeats.SCENARIOS,
)
SHORT = ("kill-sessions", "die-sessions.after-save", "die-delivery.after-send", "redis-empty", "mongod-killed")
"""The most telling five."""
SHORT_MESSAGES = 150
DRAIN_S = 150.0
ANSWER_WITHIN_S = 15.0
"""The first right answer after a single kill comes within this time."""
Say = Callable[[str], None]


class Campaign:
    """Scenarios on one stage. ``folder`` gets each scenario's records. With ``timed``, a late answer is a failure."""

    def __init__(self, stage: Stage, folder: Path, seed: int, say: Say, timed: bool = True) -> None:
        self.stage, self.folder, self.seed, self._say, self._timed = stage, folder, seed, say, timed
        self.site = Site.of(stage.stack)
        self.rows: list[Row] = []
        self._alone = asyncio.Event()

    async def play(self, scenarios: Sequence[Scenario]) -> None:
        """Fills ``rows``. Raises an ExceptionGroup with Problem when the stage cannot be brought back."""
        async with (
            AsyncMongoClient[dict[str, Any]](self.site.mongo_url, tz_aware=True) as mongo,
            httpx.AsyncClient(base_url=self.site.addresses["simulator"], timeout=60, trust_env=False) as simulator,
        ):
            self._database, self._simulator = mongo[self.site.mongo_database], simulator
            async with asyncio.TaskGroup() as last:
                for scenario in (each for each in scenarios if each.place == "last"):
                    last.create_task(self._play(scenario))
                async with asyncio.TaskGroup() as others:
                    for scenario in (each for each in scenarios if each.place == "beside"):
                        others.create_task(self._play(scenario))
                    for scenario in (each for each in scenarios if each.place == "in turn"):
                        await self._play(scenario)
                self._alone.set()

    async def _play(self, scenario: Scenario) -> None:
        chance = random.Random(f"{self.seed}/{scenario.name}")
        plan = Plan(
            seed=chance.randrange(2**31),
            customers=scenario.customers,
            messages=scenario.messages,
            rate_per_s=scenario.rate_per_s,
            agent_share=scenario.agent_share,
            **{"receipts_final": "sent", **scenario.changes},
        )
        folder = self.folder / scenario.name
        async with Load(self.site, plan, folder) as load:
            running = asyncio.create_task(load.run())
            run = Run(self.stage, load, chance, self._database, self._simulator, plan.messages, running, self._alone)
            failures = await self._played(scenario, run)
            await running
            missing = await load.drained(DRAIN_S)
        if scenario.place != "beside":
            await self.stage.restore()
            await self._simulator.delete("/control/faults")
        if scenario.after and not failures:
            failures += await _failure(scenario.after(self.stage, run))
        if missing:
            failures.append(f"{len(missing)} messages without an answer after {DRAIN_S:.0f} s")
        await collect(self.site, folder)
        self._note(scenario, run, failures)

    async def _played(self, scenario: Scenario, run: Run) -> list[str]:
        try:
            return await _failure(scenario.play(self.stage, run))
        finally:
            if scenario.place != "beside":
                await self.stage.restore()

    def _note(self, scenario: Scenario, run: Run, failures: list[str]) -> None:
        report = check(self.folder / scenario.name)
        firsts = [first for ns in run.faults_ns if (first := report.first_right_answer_after(ns)) is not None]
        late = [f"{first:.1f} s" for first in firsts if first > ANSWER_WITHIN_S]
        if self._timed and scenario.kills_one and late:
            failures.append(f"first right answer after {', '.join(late)}")
        row = Row.of(scenario, report, run, firsts, failures)
        self.rows.append(row)
        self._say(row.line())
        for problem in (*failures, *map(str, report.violations[:10])):
            self._say(f"    {problem}")


async def _failure(played: Any) -> list[str]:
    try:
        await played
    except ScenarioFailed as failed:
        return [str(failed)]
    return []


def chosen(only: Sequence[str], short: bool) -> list[Scenario]:
    """The scenarios of these names, or all. Raises typer.BadParameter."""
    names = {scenario.name for scenario in SCENARIOS}
    unknown = [name for name in only if name not in names]
    if unknown:
        raise typer.BadParameter(f"no scenario {', '.join(unknown)}; there are: {', '.join(sorted(names))}")
    if short and not only:
        return [replace(each, messages=SHORT_MESSAGES) for each in SCENARIOS if each.name in SHORT]
    wanted = set(only) or names
    return [scenario for scenario in SCENARIOS if scenario.name in wanted]


def run_campaign(scenarios: Sequence[Scenario], seed: int, folder: Path, say: Say, timed: bool = True) -> list[Row]:
    """Start the stage, play the scenarios one after the other, stop the stage.

    When the stage cannot be brought back after a fault, the rows that were played until then.
    """
    with open_stage(folder / "stage") as stage:
        say(f"The stack is up. Seed {seed}, {len(scenarios)} scenarios. Records in {folder}")
        campaign = Campaign(stage, folder / "records", seed, say, timed)
        try:
            asyncio.run(campaign.play(scenarios))
        except* Problem as lost:
            for problem in lost.exceptions:
                say(f"The stack could not be brought back: {problem}")
        return campaign.rows


def main(
    seed: Annotated[int, typer.Option(help="Everything random comes from it.")] = 0,
    only: Annotated[list[str] | None, typer.Option(help="Names of scenarios; all without it.")] = None,
    short: Annotated[bool, typer.Option(help="The most telling five.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Show the scenarios.")] = False,
    records: Annotated[Path | None, typer.Option(help="Keep stack and records in this folder.")] = None,
    json_: Annotated[Path | None, typer.Option("--json", help="Write the rows here, too.")] = None,
) -> None:
    """Play faults on the real stack and check that the promises hold."""
    scenarios = chosen(only or [], short)
    if list_:
        for scenario in scenarios:
            print(f"{scenario.name:32} {scenario.about}")
        return
    seed = seed or random.SystemRandom().randrange(1, 10**6)
    folder = records or Path(tempfile.mkdtemp(prefix="m2n-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    rows = run_campaign(scenarios, seed, folder, lambda text: print(text, flush=True))
    print(table(rows))
    if json_:
        json_.write_text(json.dumps({"seed": seed, "rows": [asdict(row) for row in rows]}, indent=1))
    print(f"Seed {seed}; records in {folder}")
    print(last_line(rows, len(scenarios)))
    raise typer.Exit(0 if sum(row.passed for row in rows) == len(scenarios) else 1)


if __name__ == "__main__":
    typer.run(main)
