"""The commands behind the Makefile: python -m deploy.local setup|browser|up|stop|logs|status"""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from deploy.local import left_behind
from deploy.local.browser import find_browser
from deploy.local.places import DEFAULT_DATA_DIR, ROOT
from deploy.local.problem import Problem
from deploy.local.programs import find_programs
from deploy.local.progress import Steps
from deploy.local.stack import Stack
from deploy.local.supervision import log_path

app = typer.Typer(help="The native local stack of M2N.", no_args_is_help=True, add_completion=False)
steps = Steps()
DataDir = Annotated[Path, typer.Option("--data-dir", envvar="M2N_DATA", help="Folder for all data of the stack.")]


@app.command()
def setup() -> None:
    """Find, fetch or build every program the stack needs."""
    exit_on_problem(lambda: find_programs(steps))


@app.command()
def browser() -> None:
    """Find or fetch the Chromium with which tests look at pages."""
    exit_on_problem(lambda: steps.say(f"Browser: {find_browser(steps).program}"))


@app.command()
def up(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Start the stack, play the demo, and stay until Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_ctrl_c)
    exit_on_problem(lambda: _up(data_dir))


@app.command()
def stop(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """End a stack that was left behind, or that runs in another terminal."""
    if left_behind.stop_left_behind(data_dir.resolve(), steps.say):
        steps.say("Stopped.")
    else:
        steps.say(f"No stack is running in {data_dir}.")


@app.command()
def status(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Say whether the stack runs, where its services are, and how its parts do."""
    exit_on_problem(lambda: _status(data_dir.resolve()))


@app.command()
def logs(part: Annotated[str, typer.Argument(help="e.g. sessions or sessions-dapr; all when left out")] = "",
         data_dir: DataDir = DEFAULT_DATA_DIR) -> None:  # fmt: skip
    """Follow the logs."""
    exit_on_problem(lambda: _follow(data_dir.resolve(), part))


def _up(data_dir: Path) -> None:
    begun = time.monotonic()
    programs = find_programs(steps)
    stack = Stack(data_dir, ports="fixed", programs=programs, say=steps.say)
    try:
        with stack:
            steps.say(f"The stack is up after {time.monotonic() - begun:.1f} s.")
            _play_demo(stack)
            _print_addresses(stack)
            stack.wait()
            steps.say("The stack was ended from outside.")
    except KeyboardInterrupt:
        steps.say("Stopped.")


def _play_demo(stack: Stack) -> None:
    if importlib.util.find_spec("deploy.local.demo") is not None:
        importlib.import_module("deploy.local.demo").play(stack)


def _print_addresses(stack: Stack) -> None:
    for service in stack.services:
        if service.public_port is not None:
            steps.say(f"  {service.name:<15}{stack.url(service.name)}")
    megabytes = sum(stack.memory().values()) / 2**20
    steps.say(f"Logs: {stack.data_dir / 'logs'}   Memory: {megabytes:.0f} MB   Ctrl-C ends it.")


def _status(data_dir: Path) -> None:
    record = left_behind.StackRecord.read(data_dir)
    supervisor = record.supervisor.process() if record else None
    if record is None or supervisor is None:
        raise Problem(f"No stack is running in {data_dir}.", remedy="start one with `make run`.")
    steps.say(f"Running (supervisord is process {supervisor.pid}).")
    for name, address in record.addresses.items():
        steps.say(f"  {name:<15}{address}")
    config = data_dir / "run" / "supervisord.conf"
    subprocess.run(
        [sys.executable, "-m", "supervisor.supervisorctl", "-c", config, "-s", f"unix://{record.socket}", "status"],
        cwd=ROOT,
        check=False,
    )


def _follow(data_dir: Path, part: str) -> None:
    files = [log_path(data_dir, part)] if part else sorted((data_dir / "logs").glob("*.log"))
    missing = [file for file in files if not file.exists()]
    if missing or not files:
        known = ", ".join(sorted(file.stem for file in (data_dir / "logs").glob("*.log")))
        raise Problem(f"There is no log of {part or 'a stack'} in {data_dir / 'logs'}.", remedy=f"known: {known}")
    os.execvp("tail", ["tail", "-n", "20", "-F", *map(str, files)])  # noqa: S606 - becomes tail


def exit_on_problem(action: Callable[[], object]) -> None:
    """Says a problem in plain words and exits with 1; Ctrl-C exits with 130."""
    try:
        action()
    except Problem as problem:
        steps.say(str(problem))
        raise typer.Exit(1) from problem
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    app()
