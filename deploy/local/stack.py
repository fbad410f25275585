"""A whole local stack: stores, Dapr's control plane, services and their sidecars."""

import signal
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import psutil
from filelock import FileLock, Timeout

from deploy.local import left_behind
from deploy.local.parts import MONGO_DATABASE, SQS_QUEUE, Part, Site, all_parts, port_names, sidecar_name
from deploy.local.places import COMPONENTS
from deploy.local.ports import PortBlock, public_ports
from deploy.local.private_files import Credentials, merged_values
from deploy.local.problem import Problem
from deploy.local.programs import Programs, find_programs
from deploy.local.progress import Say, Steps, silent
from deploy.local.readiness import start_in_order, wait_until_ready
from deploy.local.services import SERVICES, Service
from deploy.local.supervision import Supervision, log_path
from deploy.local.watch import Watch

# Secrets of the demo tenants. None: generated once per data folder.
DEMO_SECRETS: dict[str, str | None] = {
    "acme-twilio-token": None,
    "acme-webchat-key": None,
    "acme-meta-app-secret": None,
    "acme-meta-verify-token": None,
    "acme-whatsapp-access-token": None,
    "acme-messenger-page-token": None,
    "acme-signal-path-secret": None,
    "acme-telegram-bot-token": None,
    "acme-telegram-secret-token": None,
    "nordlicht-twilio-token": None,
    "nordlicht-webchat-key": None,
}
READY_LIMIT_S = 60.0


class Stack:
    """Starts and stops everything below one data folder. Stacks share nothing but the caches.

    `extra_env` is for all services, `part_env` for single parts, by name.

    With `ports="fixed"` the public services have their well-known ports (M2N_PORT_<NAME> changes one), with "free"
    all ports are free ones. `secrets` are added to the secret file (name to value; None generates one). `components`
    is the folder of Dapr's resources, for sidecars of services that the usual ones are not scoped to.

    Usable as a context manager. `start` and `stop` block; call them from a thread when an event loop is running.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        ports: Literal["free", "fixed"] = "free",
        services: Iterable[Service] = SERVICES,
        extra_env: Mapping[str, str] | None = None,
        part_env: Mapping[str, Mapping[str, str]] | None = None,
        secrets: Mapping[str, str | None] | None = None,
        programs: Programs | None = None,
        components: Path = COMPONENTS,
        say: Say = silent,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.services = tuple(services)
        self._ports_kind = ports
        self._extra_env = dict(extra_env or {})
        self._part_env = dict(part_env or {})
        self._wanted_secrets = {**DEMO_SECRETS, **(secrets or {})}
        self._programs = programs
        self._components = components
        self._say = say
        self._lock = FileLock(self.data_dir / "lock", thread_local=False)
        self._block = PortBlock(self.data_dir / "ports.json")
        self._killed: dict[str, int] = {}
        self._site: Site | None = None
        self._supervision: Supervision | None = None
        self._watch: Watch | None = None
        self._parts: dict[str, Part] = {}
        self.secrets: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts everything and returns when all of it is healthy. On any failure everything is stopped again.

        Raises:
            Problem: a program is missing, a port is taken, a part did not come up, or the folder is in use.
        """
        programs = self._programs or find_programs(Steps())
        self._claim_folder()
        try:
            self._prepare(programs)
            self._run()
        except BaseException:
            self.stop()
            raise

    def _claim_folder(self) -> None:
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise Problem(
                f"A stack is already running in {self.data_dir}.", remedy="use it, or end it with `make stop`."
            ) from error

    def _prepare(self, programs: Programs) -> None:
        left_behind.stop_left_behind(self.data_dir, self._say)
        fixed = public_ports(self.services) if self._ports_kind == "fixed" else {}
        free = self._block.take([name for name in port_names(self.services) if name not in fixed])
        credentials = Credentials.load(self.data_dir / "credentials.json", (service.name for service in self.services))
        ports = {**free, **fixed}
        self._site = Site(self.data_dir, programs, ports, credentials, self._extra_env, self._components)
        self.secrets = merged_values(self._site.secrets_file, self._wanted_secrets)
        # Names of the last run: the sidecars enter themselves again.
        for leftover in self.data_dir.glob("names.db*"):
            leftover.unlink()

    def _run(self) -> None:
        assert self._site is not None
        usual = all_parts(self._site, self.services)
        parts = [_with_environment(part, self._part_env.get(part.name, {})) for part in usual]
        self._parts = {part.name: part for part in parts}
        self._supervision = Supervision(parts, self.data_dir)
        supervisor = self._supervision.begin()
        left_behind.StackRecord(
            owner=left_behind.Identity.of(psutil.Process()),
            supervisor=left_behind.Identity.of(supervisor),
            addresses=self.addresses(),
            socket=str(self._supervision.socket),
        ).write(self.data_dir)
        start_in_order(self._supervision, parts, self._say)
        self._watch = Watch(self._supervision, self._say)

    def stop(self) -> None:
        """Stops everything in reverse order. A KeyboardInterrupt on the way (a second Ctrl-C) kills it all at once."""
        if self._watch is not None:
            self._watch.end()
            self._watch = None
        supervision, self._supervision = self._supervision, None
        try:
            if supervision is not None:
                supervision.end()
        except KeyboardInterrupt:
            if supervision is not None:
                supervision.kill()
            raise
        finally:
            left_behind.forget_own(self.data_dir)
            self._block.release()
            self._lock.release()

    def wait(self, ended: threading.Event | None = None) -> None:
        """Blocks until the stack is ended from outside (`make stop`) or the event is set."""
        watch = self._running_watch()
        while not watch.supervision_ended.wait(0.5):
            if ended is not None and ended.is_set():
                return

    # What tests and the demo ask for.

    def url(self, service: str) -> str:
        """The base address of a service, without a slash at the end."""
        return self.site.url(service)

    def sidecar_url(self, service: str) -> str:
        """The base address of a service's sidecar (its HTTP API)."""
        return self.site.url(sidecar_name(service))

    def addresses(self) -> dict[str, str]:
        """The base address of each service."""
        return {service.name: self.url(service.name) for service in self.services}

    @property
    def site(self) -> Site:
        if self._site is None:
            raise RuntimeError("the stack has not been started")
        return self._site

    @property
    def mongo_url(self) -> str:
        return self.site.mongo_url

    @property
    def mongo_database(self) -> str:
        return MONGO_DATABASE

    @property
    def redis_url(self) -> str:
        return self.site.redis_url

    @property
    def sqs_endpoint(self) -> str:
        return self.site.url("sqs")

    @property
    def sqs_queue(self) -> str:
        return SQS_QUEUE

    @property
    def admin_key(self) -> str:
        return self.site.credentials.admin_key

    def app_token(self, service: str) -> str:
        """What a sidecar shows its app (header dapr-api-token)."""
        return self.site.credentials.app_tokens[service]

    def sidecar_token(self, service: str) -> str:
        """What an app shows its sidecar (header dapr-api-token)."""
        return self.site.credentials.sidecar_tokens[service]

    def environment(self, part: str) -> dict[str, str]:
        """The environment a part was started with."""
        return dict(self._part(part).environment)

    def part_names(self) -> list[str]:
        """`redis`, `mongod`, `sqs`, `placement`, `scheduler`, each service, and `<service>-dapr`."""
        return list(self._parts)

    def log(self, part: str) -> Path:
        self._part(part)
        return log_path(self.data_dir, part)

    def pid(self, part: str) -> int:
        """The process id of a part; 0 when it has none at the moment."""
        self._part(part)
        return self._running().condition(part).pid

    def kill(self, part: str) -> int:
        """Sends SIGKILL to a part and returns its pid. supervisord starts it again; `wait_ready` waits for that."""
        pid = self.pid(part)
        if pid == 0:
            raise RuntimeError(f"{part} has no process")
        self._killed[part] = pid
        psutil.Process(pid).send_signal(signal.SIGKILL)
        return pid

    def stop_part(self, part: str) -> None:
        """Stops a part and keeps it stopped until `start_part`."""
        watch = self._running_watch()
        watch.expect_down(part)
        self._running().stop(self._part(part))

    def start_part(self, part: str) -> None:
        """Starts a stopped part and waits until it is ready."""
        self._running().start(self._part(part))
        self.wait_ready(part)
        self._running_watch().expect_up(part)

    def restart(self, part: str) -> None:
        """Stops a part gently, starts it again and waits until it is ready."""
        self.stop_part(part)
        self.start_part(part)

    def change_environment(self, part: str, **changes: str) -> None:
        """What the part finds in its environment besides, or instead, from its next start on."""
        changed = self._parts[part] = _with_environment(self._part(part), changes)
        self._running().change(changed)

    def suspend(self, part: str) -> None:
        """Stops a part's process in its tracks (SIGSTOP), until `resume`."""
        psutil.Process(self.pid(part)).suspend()

    def resume(self, part: str) -> None:
        psutil.Process(self.pid(part)).resume()

    def wait_ready(self, part: str, limit_s: float = READY_LIMIT_S) -> None:
        """Waits until a part is up and healthy (after `kill`: in a new process).

        Raises:
            Problem: it is not within the limit.
        """
        wait_until_ready(self._running(), self._part(part), not_pid=self._killed.get(part, 0), limit_s=limit_s)

    def pids(self) -> dict[str, int]:
        """The process id of supervisord and of every part that has one."""
        supervision = self._running()
        up = {name: each.pid for name, each in supervision.conditions().items() if each.is_up}
        return {"supervisord": supervision.pid, **up}

    def memory(self) -> dict[str, int]:
        """Bytes of memory of supervisord and of each part; pages that several share are divided among them."""
        return {name: _memory_of(psutil.Process(pid)) for name, pid in self.pids().items()}

    def _part(self, name: str) -> Part:
        if name not in self._parts:
            raise KeyError(f"no part {name!r}; there are {', '.join(self._parts)}")
        return self._parts[name]

    def _running(self) -> Supervision:
        if self._supervision is None:
            raise RuntimeError("the stack is not running")
        return self._supervision

    def _running_watch(self) -> Watch:
        if self._watch is None:
            raise RuntimeError("the stack is not running")
        return self._watch


def _with_environment(part: Part, changes: Mapping[str, str]) -> Part:
    return replace(part, environment={**part.environment, **changes})


def _memory_of(process: psutil.Process) -> int:
    """The proportional set size where the system tells it (Linux), else the resident set size."""
    figures = process.memory_full_info()
    return getattr(figures, "pss", figures.rss)
