"""The parts of a stack: which program with which arguments, environment and health check."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from pathlib import Path

from deploy.local.health import http_answers, mongo_is_primary, mongo_url, redis_answers
from deploy.local.places import COMPONENTS, ROOT
from deploy.local.ports import HOST
from deploy.local.private_files import Credentials, write_private
from deploy.local.programs import Programs
from deploy.local.scheduler_lease import SchedulerLease
from deploy.local.services import Service

MONGO_DATABASE = "m2n"
SQS_QUEUE = "m2n-inbound.fifo"
REGION = "eu-central-1"
CHOSEN = ("M2N_LOG_LEVEL", "M2N_RECORDINGS_DAYS", "M2N_MEDIA_DAYS", "M2N_MEDIA_BUCKET", "M2N_MEDIA_ENDPOINT")
"""What whoever starts a stack may say for all services."""
INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", *CHOSEN)


class Stage(IntEnum):
    """Parts of a stage start together once those of the stages before are ready; sidecars and apps wait for each
    other and start together. Stopping goes the other way round, sidecars before apps, so that no message is handed
    to an app that is going away."""

    STORES = 1
    APPS = 2
    SIDECARS = 3


@dataclass(frozen=True)
class Part:
    """One process that is kept running."""

    name: str
    stage: Stage
    command: tuple[str, ...]
    environment: dict[str, str]
    healthy: Callable[[], bool]


@dataclass(frozen=True)
class Site:
    """What the parts of one stack have in common."""

    data_dir: Path
    programs: Programs
    ports: Mapping[str, int]
    credentials: Credentials
    extra_env: Mapping[str, str]
    components: Path = COMPONENTS
    """Dapr's resources and configuration that the sidecars load."""

    def folder(self, name: str) -> Path:
        """A folder for the data of one part."""
        folder = self.data_dir / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def url(self, port_name: str) -> str:
        return f"http://{HOST}:{self.ports[port_name]}"

    @property
    def mongo_url(self) -> str:
        return mongo_url(self.ports["mongod"])

    @property
    def redis_url(self) -> str:
        return f"redis://:{self.credentials.redis_password}@{HOST}:{self.ports['redis']}/0"

    @property
    def secrets_file(self) -> Path:
        return self.data_dir / "secrets.json"


STORE_PORTS = (
    "redis",
    "mongod",
    "sqs",
    "placement",
    "placement-raft",
    "placement-health",
    "placement-metrics",
    "scheduler",
    "scheduler-etcd",
    "scheduler-peer",
    "scheduler-health",
    "scheduler-metrics",
)


def sidecar_name(service: str) -> str:
    return f"{service}-dapr"


def port_names(services: Iterable[Service]) -> list[str]:
    """Every port that a stack of these services listens on."""
    names: list[str] = list(STORE_PORTS)
    for service in services:
        names.append(service.name)
        if service.sidecar:
            names += [f"{sidecar_name(service.name)}{kind}" for kind in ("", "-grpc", "-internal", "-metrics")]
    return names


def inherited_environment() -> dict[str, str]:
    """What parts get from this process's environment; no proxies and no accounts of the person who runs it."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def all_parts(site: Site, services: Iterable[Service]) -> list[Part]:
    """Every part, in the order of the stages."""
    parts = [_redis(site), _mongod(site), _sqs(site), _placement(site), _scheduler(site)]
    chosen = list(services)
    parts += [_app(site, service) for service in chosen]
    parts += [_sidecar(site, service) for service in chosen if service.sidecar]
    return parts


def _redis(site: Site) -> Part:
    port, password = site.ports["redis"], site.credentials.redis_password
    config = site.folder("redis") / "redis.conf"
    lines = [
        f"bind {HOST}",
        f"port {port}",
        f"requirepass {password}",
        f'dir "{config.parent}"',
        'save ""',
        "appendonly yes",
        "appendfsync everysec",
    ]
    write_private(config, "\n".join(lines) + "\n")
    command = (str(site.programs.redis_server), str(config))
    return Part("redis", Stage.STORES, command, inherited_environment(), partial(redis_answers, port, password))


_MONGOD_PARAMETERS = (
    # A lone primary has nobody to hand over to, so it need not wait for that when it stops.
    "--setParameter=shutdownTimeoutMillisForSignaledShutdown=100",
    # A process that dies in the middle of a transaction (`tenants` has some) leaves it open; until MongoDB ends it, its
    # documents cannot be written: 60 to 90 s if nothing else is said.
    "--setParameter=transactionLifetimeLimitSeconds=5",
    # Its recorder of diagnostic data is a third of what it needs when idle.
    "--setParameter=diagnosticDataCollectionEnabled=false",
)


def _mongod(site: Site) -> Part:
    port = site.ports["mongod"]
    options = {
        "--bind_ip": HOST,
        "--port": port,
        "--dbpath": site.folder("mongod"),
        "--replSet": "m2n",
        "--oplogSize": 256,
        "--wiredTigerCacheSizeGB": 0.25,
    }
    command = (str(site.programs.mongod), *_arguments(options), *_MONGOD_PARAMETERS, "--nounixsocket", "--quiet")
    return Part("mongod", Stage.STORES, command, inherited_environment(), partial(mongo_is_primary, port))


def _sqs(site: Site) -> Part:
    """The SQS server. It keeps its queues in its data folder when it is stopped, not when it is killed."""
    folder = site.folder("sqs")
    environment = {
        **inherited_environment(),
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(site.ports["sqs"]),
        "SERVICES": "sqs",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder),
        "S3_DATA_DIR": str(folder / "s3"),
        "TMPDIR": str(folder),
        "MINISTACK_REGION": REGION,
        "LOG_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
    }
    command = (str(site.programs.sqs_python), str(ROOT / "deploy" / "sqs" / "server.py"))
    healthy = partial(http_answers, site.url("sqs") + "/_ministack/health")
    return Part("sqs", Stage.STORES, command, environment, healthy)


def _placement(site: Site) -> Part:
    options = {
        "--listen-address": HOST,
        "--port": site.ports["placement"],
        "--initial-cluster": f"dapr-placement-0={HOST}:{site.ports['placement-raft']}",
        **_control_plane_options(site, "placement"),
    }
    command = (str(site.programs.dapr.placement), *_arguments(options), "--log-as-json")
    healthy = partial(http_answers, site.url("placement-health") + "/healthz")
    return Part("placement", Stage.STORES, command, _dapr_environment(), healthy)


def _scheduler(site: Site) -> Part:
    """Actor reminders live in its etcd, so its folder is kept."""
    address = f"{HOST}:{site.ports['scheduler']}"
    options = {
        "--listen-address": HOST,
        "--port": site.ports["scheduler"],
        "--override-broadcast-host-port": address,
        "--etcd-data-dir": site.folder("scheduler") / "etcd",
        "--etcd-initial-cluster": f"dapr-scheduler-server-0=http://{HOST}:{site.ports['scheduler-peer']}",
        "--etcd-client-listen-address": HOST,
        "--etcd-client-port": site.ports["scheduler-etcd"],
        "--identity-directory-write": site.folder("scheduler") / "identity",
        **_control_plane_options(site, "scheduler"),
    }
    command = (str(site.programs.dapr.scheduler), *_arguments(options), "--log-as-json")
    health = site.url("scheduler-health") + "/healthz"
    lease = SchedulerLease(site.url("scheduler-etcd"), site.folder("scheduler") / "lease")
    return Part(
        "scheduler",
        Stage.STORES,
        command,
        _dapr_environment(),
        lambda: http_answers(health) and lease.is_held(),
    )


def _control_plane_options(site: Site, name: str) -> dict[str, object]:
    return {
        "--healthz-listen-address": HOST,
        "--healthz-port": site.ports[f"{name}-health"],
        "--metrics-listen-address": HOST,
        "--metrics-port": site.ports[f"{name}-metrics"],
    }


def _app(site: Site, service: Service) -> Part:
    command = (sys.executable, "-m", "uvicorn", f"{service.module}:app", "--host", HOST)
    command += ("--port", str(site.ports[service.name]), "--no-access-log")
    healthy = partial(http_answers, site.url(service.name) + "/health")
    return Part(service.name, Stage.APPS, command, app_environment(site, service), healthy)


def app_environment(site: Site, service: Service) -> dict[str, str]:
    """What a service finds in its environment."""
    import_paths = [*([service.import_path] if service.import_path else []), ROOT / "common", ROOT]
    environment = {
        **inherited_environment(),
        "PYTHONPATH": os.pathsep.join(map(str, import_paths)),
        "PYTHONUNBUFFERED": "1",
        "APP_ID": service.app_id,
        "APP_PORT": str(site.ports[service.name]),
        "M2N_MONGO_URL": site.mongo_url,
        "M2N_MONGO_DATABASE": MONGO_DATABASE,
        "M2N_REDIS_URL": site.redis_url,
        "M2N_SQS_ENDPOINT": site.url("sqs"),
        "M2N_SQS_QUEUE": SQS_QUEUE,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "M2N_LINK_KEY": site.credentials.link_key,
        "M2N_DATA_DIR": str(site.folder(f"services/{service.name}")),
    }
    if "webhooks" in site.ports:
        environment["M2N_PUBLIC_URL"] = site.url("webhooks")
    if "simulator" in site.ports:
        port = site.ports["simulator"]
        environment["M2N_PRIVATE_HOSTS"] = f"{HOST}:{port},localhost:{port}"
    if service.name == "tenants":
        environment["M2N_ADMIN_KEY"] = site.credentials.admin_key
    if service.sidecar:
        environment |= _tokens(site, service) | _sidecar_ports(site, service)
    return environment | dict(site.extra_env)


def _tokens(site: Site, service: Service) -> dict[str, str]:
    return {
        "APP_API_TOKEN": site.credentials.app_tokens[service.name],
        "DAPR_API_TOKEN": site.credentials.sidecar_tokens[service.name],
    }


def _sidecar_ports(site: Site, service: Service) -> dict[str, str]:
    sidecar = sidecar_name(service.name)
    return {
        "DAPR_HTTP_PORT": str(site.ports[sidecar]),
        "DAPR_GRPC_PORT": str(site.ports[f"{sidecar}-grpc"]),
    }


def _sidecar(site: Site, service: Service) -> Part:
    sidecar = sidecar_name(service.name)
    options = {
        "--app-id": service.app_id,
        "--app-port": site.ports[service.name],
        "--dapr-http-port": site.ports[sidecar],
        "--dapr-grpc-port": site.ports[f"{sidecar}-grpc"],
        "--dapr-listen-addresses": HOST,
        "--dapr-internal-grpc-port": site.ports[f"{sidecar}-internal"],
        "--dapr-internal-grpc-listen-address": HOST,
        "--metrics-port": site.ports[f"{sidecar}-metrics"],
        "--metrics-listen-address": HOST,
        "--placement-host-address": f"{HOST}:{site.ports['placement']}",
        "--scheduler-host-address": f"{HOST}:{site.ports['scheduler']}",
        "--resources-path": site.components,
        "--config": site.components / "configuration.yaml",
        "--app-health-check-path": "/health",
        "--app-health-probe-interval": 1,
        "--app-health-probe-timeout": 500,
        "--app-health-threshold": 3,
        "--dapr-graceful-shutdown-seconds": 2,
    }
    flags = ("--enable-app-health-check", "--enable-profiling=false", "--log-as-json")
    command = (str(site.programs.dapr.daprd), *_arguments(options), *flags)
    healthy = partial(http_answers, site.url(sidecar) + "/v1.0/healthz")
    return Part(sidecar, Stage.SIDECARS, command, sidecar_environment(site, service), healthy)


def sidecar_environment(site: Site, service: Service) -> dict[str, str]:
    """What a sidecar finds in its environment; components/ refers to these names."""
    return {
        **_dapr_environment(),
        **_tokens(site, service),
        "M2N_REDIS_HOST": f"{HOST}:{site.ports['redis']}",
        "M2N_REDIS_PASSWORD": site.credentials.redis_password,
        "M2N_MONGO_URL": site.mongo_url,
        "M2N_MONGO_DATABASE": MONGO_DATABASE,
        "M2N_SECRETS_FILE": str(site.secrets_file),
        "M2N_NAME_RESOLUTION_FILE": str(site.data_dir / "names.db"),
    }


def _dapr_environment() -> dict[str, str]:
    return {**inherited_environment(), "DAPR_HOST_IP": HOST}


def _arguments(options: Mapping[str, object]) -> list[str]:
    return [text for name, value in options.items() for text in (name, str(value))]
