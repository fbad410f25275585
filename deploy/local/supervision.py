"""Keeping the parts running, with supervisord."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from deploy.local import launch
from deploy.local.parts import Part, Stage, inherited_environment
from deploy.local.places import ROOT
from deploy.local.private_files import write_private
from deploy.local.problem import Problem

STOP_LIMIT_S = 10
LONGEST_SOCKET_PATH = 100


@dataclass(frozen=True)
class Condition:
    """What supervisord knows of a part. `pid` is 0 when there is no process."""

    name: str
    state: str
    pid: int
    log: Path

    @property
    def is_up(self) -> bool:
        return self.pid != 0 and self.state in ("STARTING", "RUNNING")


def render_config(parts: Iterable[Part], *, data_dir: Path, socket: Path) -> str:
    """The supervisord.conf for these parts. Groups stop one after the other, the highest priority first."""
    chosen = list(parts)
    sections = [_daemon_section(data_dir), _rpc_sections(socket)]
    for stage in Stage:
        names = [part.name for part in chosen if part.stage is stage]
        if names:
            sections.append(_section(f"group:{stage.name.lower()}", programs=",".join(names), priority=stage * 10))
    sections += [_program_section(part, data_dir) for part in chosen]
    return "\n".join(sections)


def _section(title: str, **options: object) -> str:
    lines = [f"{name}={_escaped(str(value))}" for name, value in options.items()]
    return "\n".join([f"[{title}]", *lines, ""])


def _escaped(value: str) -> str:
    """supervisord expands %(name)s in values."""
    return value.replace("%", "%%")


def _daemon_section(data_dir: Path) -> str:
    options = {
        "logfile": data_dir / "logs" / "supervisord.log",
        "logfile_maxbytes": "5MB",
        "logfile_backups": 1,
        "pidfile": data_dir / "run" / "supervisord.pid",
        "childlogdir": data_dir / "logs",
        "directory": data_dir,
    }
    return _section("supervisord", **options)


def _rpc_sections(socket: Path) -> str:
    factory = "supervisor.rpcinterface:make_main_rpcinterface"
    rpc = f"[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory={factory}\n"
    control = _section("supervisorctl", serverurl=f"unix://{socket}")
    return _section("unix_http_server", file=socket, chmod="0700") + "\n" + rpc + "\n" + control


def _program_section(part: Part, data_dir: Path) -> str:
    plan = data_dir / "run" / f"{part.name}.json"
    options = {
        "command": " ".join(_quoted(word) for word in launch_command(plan)),
        "autostart": "false",
        "autorestart": "true",
        "startsecs": 1,
        "startretries": 20,
        "stopasgroup": "true",
        "killasgroup": "true",
        "stopwaitsecs": STOP_LIMIT_S,
        "redirect_stderr": "true",
        "stdout_logfile": log_path(data_dir, part.name),
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": 1,
    }
    return _section(f"program:{part.name}", **options)


def _quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def launch_command(plan: Path) -> list[str]:
    return [sys.executable, "-I", "-S", str(Path(launch.__file__).resolve()), str(plan)]


def log_path(data_dir: Path, part: str) -> Path:
    return data_dir / "logs" / f"{part}.log"


class Supervision:
    """One supervisord with its parts. Ends with this process, also when that is killed."""

    def __init__(self, parts: Iterable[Part], data_dir: Path) -> None:
        self._parts = {part.name: part for part in parts}
        self._data_dir = data_dir
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: Path | None = None
        self._rpc_lock = threading.Lock()

    def begin(self) -> psutil.Process:
        """Starts supervisord, with no part running yet.

        Raises:
            Problem: it did not come up.
        """
        run, logs = self._data_dir / "run", self._data_dir / "logs"
        for folder in (run, logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._socket = _socket_path(run)
        config = run / "supervisord.conf"
        config.write_text(render_config(self._parts.values(), data_dir=self._data_dir, socket=self._socket))
        self._write_plans(run, config)
        self._process = _started_from_lasting_thread(launch_command(run / "supervisord.json"), logs)
        self._wait_until_listening()
        return psutil.Process(self._process.pid)

    def _write_plans(self, run: Path, config: Path) -> None:
        folder = str(self._data_dir)
        for part in self._parts.values():
            self._write_plan(run, part)
        plan = {
            "command": [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(config)],
            "environment": {**inherited_environment(), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
            "folder": folder,
            "death_signal": int(signal.SIGTERM),
            "is_parent": True,
        }
        write_private(run / "supervisord.json", json.dumps(plan))

    def _write_plan(self, run: Path, part: Part) -> None:
        plan = {"command": part.command, "environment": part.environment, "folder": str(self._data_dir)}
        write_private(run / f"{part.name}.json", json.dumps(plan))

    def change(self, part: Part) -> None:
        """Take this part in place of the one of its name; it counts from the next start on."""
        self._parts[part.name] = part
        self._write_plan(self._data_dir / "run", part)

    def _wait_until_listening(self) -> None:
        limit = time.monotonic() + 20
        while time.monotonic() < limit and self.is_alive():
            try:
                self._call("getState")
            except OSError:
                time.sleep(0.02)
            else:
                return
        log = self._data_dir / "logs" / "supervisord.out"
        self.kill()
        raise Problem("supervisord did not come up.", log=log, detail=log.read_text()[-1500:])

    @property
    def pid(self) -> int:
        """The process id of supervisord."""
        if self._process is None:
            raise RuntimeError("supervisord has not been started")
        return self._process.pid

    @property
    def socket(self) -> Path | None:
        return self._socket

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, part: Part) -> None:
        self._call("startProcess", _rpc_name(part), False)

    def stop(self, part: Part) -> None:
        """Stops a part and keeps it stopped, also one that has just died and is about to be started again."""
        limit = time.monotonic() + 2 * STOP_LIMIT_S
        while (state := self.condition(part.name).state) not in ("STOPPED", "FATAL"):
            if time.monotonic() > limit:
                raise Problem(f"{part.name} does not stop, it is {state}.", log=log_path(self._data_dir, part.name))
            if state != "EXITED":
                self._stop_running(part)
            time.sleep(0.02)

    def _stop_running(self, part: Part) -> None:
        try:
            self._call("stopProcess", _rpc_name(part), True)
        except Problem as refused:
            if not isinstance(refused.__cause__, Fault) or refused.__cause__.faultCode != Faults.NOT_RUNNING:
                raise

    def conditions(self) -> dict[str, Condition]:
        """What is known of every part."""
        found: list[dict[str, Any]] = self._call("getAllProcessInfo")
        return {info["name"]: self._condition(info) for info in found}

    def condition(self, name: str) -> Condition:
        return self._condition(self._call("getProcessInfo", _rpc_name(self._parts[name])))

    def _condition(self, info: dict[str, Any]) -> Condition:
        return Condition(info["name"], info["statename"], info["pid"], log_path(self._data_dir, info["name"]))

    def _call(self, method: str, *arguments: Any) -> Any:
        with self._rpc_lock:
            transport = SupervisorTransport(None, None, f"unix://{self._socket}")
            try:
                return getattr(ServerProxy("http://127.0.0.1", transport=transport).supervisor, method)(*arguments)
            except Fault as fault:
                raise Problem(f"supervisord refused {method} {arguments}: {fault.faultString}") from fault
            finally:
                transport.close()

    def end(self) -> None:
        """Stops all parts in order, sidecars first, and supervisord itself. Kills what does not stop in time."""
        if self._process is not None and self.is_alive():
            self._process.terminate()
            try:
                self._process.wait(timeout=len(Stage) * STOP_LIMIT_S + 5)
            except subprocess.TimeoutExpired:
                self.kill()
        self._forget_socket()

    def kill(self) -> None:
        """Ends everything at once."""
        if self._process is not None:
            kill_tree(self._process.pid)
            self._process.wait()
        self._forget_socket()

    def _forget_socket(self) -> None:
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)
            if self._socket.parent != self._data_dir / "run":
                self._socket.parent.rmdir()
            self._socket = None


def _rpc_name(part: Part) -> str:
    return f"{part.stage.name.lower()}:{part.name}"


def _socket_path(run: Path) -> Path:
    """A socket's path has little more than 100 bytes, so a deep data folder gets its socket elsewhere."""
    path = run / "supervisor.sock"
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        path = Path(tempfile.mkdtemp(prefix="m2n-", dir="/tmp")) / path.name
    path.unlink(missing_ok=True)
    return path


def _started_from_lasting_thread(command: list[str], logs: Path) -> "subprocess.Popen[bytes]":
    """The kernel's signal at the parent's end means the thread that started the process, so that one must stay."""
    started: list[subprocess.Popen[bytes] | BaseException] = []
    ready = threading.Event()

    def run() -> None:
        try:
            with (logs / "supervisord.out").open("wb") as out:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env={**inherited_environment(), "M2N_PARENT_PID": str(os.getpid())},
                )
        except BaseException as error:
            started.append(error)
            raise
        else:
            started.append(process)
        finally:
            ready.set()
        process.wait()

    threading.Thread(target=run, name="supervisord-parent", daemon=True).start()
    ready.wait()
    if isinstance(started[0], BaseException):
        raise started[0]
    return started[0]


def kill_tree(pid: int) -> None:
    """Kills a process and everything below it: the root first, so that it restarts nothing."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
