"""Becomes a program that ends with its parent: python -I -S launch.py FILE

FILE is a JSON object: command (list), environment (all of it), folder (working directory), and optionally
`death_signal` (what the kernel sends when the parent ends; SIGKILL by default). Environments hold secrets, so they
come in a private file and not on a command line. Runs without the project's packages, to start quickly.
"""

import ctypes
import json
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(path: str) -> None:
    with open(path) as file:
        plan = json.load(file)
    environment = plan["environment"]
    # For a program's children: their parent's id, which does not change when this process becomes the program.
    expected_parent = int(os.environ.get("M2N_PARENT_PID", "0"))
    end_with_parent(plan.get("death_signal", signal.SIGKILL), expected_parent)
    if plan.get("is_parent"):
        environment["M2N_PARENT_PID"] = str(os.getpid())
    os.chdir(plan["folder"])
    command = plan["command"]
    os.execve(command[0], command, environment)  # noqa: S606 - the purpose of this file


def end_with_parent(death_signal: int, expected_parent: int) -> None:
    """Linux only: elsewhere a stack whose owner was killed is ended by `make stop`."""
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if expected_parent and os.getppid() != expected_parent:
        sys.exit("the parent ended before this program began")


if __name__ == "__main__":
    main(sys.argv[1])
