"""``python -m tests.faults.check FOLDER``: check the records of a run. Exit status 1 when a promise was not kept."""

import sys
from pathlib import Path

from tests.faults.checker import check


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not (Path(arguments[0]) / "run.json").exists():
        sys.stderr.write("Give the folder of a run: it holds run.json and the records.\n")
        return 2
    report = check(Path(arguments[0]))
    sys.stdout.write("\n".join(report.lines()) + "\n")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
