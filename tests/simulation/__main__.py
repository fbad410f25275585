"""``python -m tests.simulation SEED`` runs one seed and prints its trace; with a second number, that many seeds."""

import sys

from tests.simulation.simulation import simulate

SHOWN = 20


def main(arguments: list[str]) -> int:
    seed = int(arguments[0])
    if len(arguments) > 1:
        return _many(seed, int(arguments[1]))
    run = simulate(seed)
    sys.stdout.write("\n".join(run.trace) + "\n")
    for violation in run.violations:
        sys.stdout.write(f"{violation}\n")
    return 1 if run.violations else 0


def _many(first: int, count: int) -> int:
    failed = [run for run in map(simulate, range(first, first + count)) if run.violations]
    for run in failed[:SHOWN]:
        sys.stdout.write(f"seed {run.seed}: {run.violations[0]}\n")
    sys.stdout.write(f"{count - len(failed)} passed, {len(failed)} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
