"""docker-compose.yml describes the fleet that the native stack starts."""

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.dapr_runtime import DaprRuntime
from deploy.local.golang import required_dapr
from deploy.local.parts import (
    CHOSEN,
    MONGO_DATABASE,
    REGION,
    SQS_QUEUE,
    Site,
    all_parts,
    app_environment,
    inherited_environment,
    port_names,
    sidecar_environment,
    sidecar_name,
)
from deploy.local.places import COMPONENTS, DAPR_MODULE, ROOT
from deploy.local.private_files import Credentials
from deploy.local.programs import Programs
from deploy.local.services import SERVICES, Service

FILE = ROOT / "docker-compose.yml"
DOCKER = ROOT / "deploy" / "docker"
EXAMPLE = DOCKER / "example.env"
FLEET: dict[str, Any] = yaml.safe_load(FILE.read_text())
CONTAINERS: dict[str, dict[str, Any]] = FLEET["services"]
WITH_SIDECAR = tuple(service for service in SERVICES if service.sidecar)
INFRASTRUCTURE = {"redis", "mongodb", "mongodb-init", "sqs", "placement", "scheduler"}
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[?-])(?P<rest>[^}]*))?\}")

each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
each_twin = pytest.mark.parametrize("service", WITH_SIDECAR, ids=lambda service: service.name)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    programs = Programs(DaprRuntime.in_folder(Path("/bin")), *(Path("/bin/true") for _ in range(3)))
    ports = {name: 20_000 + number for number, name in enumerate(port_names(SERVICES))}
    credentials = Credentials.load(tmp_path / "credentials.json", (service.name for service in SERVICES))
    return Site(tmp_path, programs, ports, credentials, {})


def twin(service: Service) -> dict[str, Any]:
    return CONTAINERS[sidecar_name(service.name)]


def words(container: dict[str, Any]) -> list[str]:
    return [*container["entrypoint"], *container["command"]]


def compose_options(service: Service) -> dict[str, str]:
    """A twin's flags by name; those without a value have ''."""
    return {name: value for name, _, value in (word.partition("=") for word in words(twin(service))[1:])}


def native_options(site: Site, service: Service) -> dict[str, str]:
    part = next(part for part in all_parts(site, SERVICES) if part.name == sidecar_name(service.name))
    found: dict[str, str] = {}
    for word, following in zip(part.command[1:], [*part.command[2:], ""], strict=True):
        if word.startswith("--"):
            name, _, value = word.partition("=")
            found[name] = value or ("" if following.startswith("--") else following)
    return found


def component_documents() -> dict[str, dict[str, Any]]:
    found = [yaml.safe_load(path.read_text()) for path in sorted(COMPONENTS.glob("*.yaml"))]
    return {document["metadata"]["name"]: document for document in found if document["kind"] == "Component"}


def test_it_fits_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_it_has_every_service_its_twin_and_nothing_else() -> None:
    services = {service.name for service in SERVICES}
    twins = {sidecar_name(service.name) for service in WITH_SIDECAR}
    assert CONTAINERS.keys() == services | twins | INFRASTRUCTURE


@each_service
def test_a_container_runs_the_service_of_its_name(service: Service) -> None:
    container = CONTAINERS[service.name]
    assert f"{service.module}:app" in container["command"]
    assert container["environment"]["APP_ID"] == service.name
    given = dict(zip(words(container), words(container)[1:], strict=False))
    assert given["--port"] == container["environment"]["APP_PORT"]
    assert given["--host"] == ("0.0.0.0" if service.public_port else "127.0.0.1")
    assert container["image"] == CONTAINERS[SERVICES[0].name]["image"]


@each_service
def test_only_public_services_have_a_host_port_and_it_is_on_loopback(service: Service) -> None:
    container = CONTAINERS[service.name]
    port, variable = service.public_port, service.port_variable
    inside = container["environment"]["APP_PORT"]
    assert container.get("ports", []) == ([f"127.0.0.1:${{{variable}:-{port}}}:{inside}"] if port else [])


def test_nothing_else_has_a_host_port() -> None:
    public = {service.name for service in SERVICES if service.public_port}
    assert {name for name, container in CONTAINERS.items() if "ports" in container} == public


@each_twin
def test_a_twin_shares_its_services_network_and_starts_after_it(service: Service) -> None:
    assert twin(service)["network_mode"] == f"service:{service.name}"
    assert service.name in twin(service)["depends_on"]


@each_twin
def test_a_twin_has_the_flags_of_the_native_sidecar(service: Service, site: Site) -> None:
    given, native = compose_options(service), native_options(site, service)
    # In containers the internal port has to be reached by the other sidecars.
    assert native.keys() - given.keys() == {"--dapr-internal-grpc-listen-address"}
    assert not given.keys() - native.keys()
    placed = {name for name in native if name.endswith(("-port", "-host-address", "-path")) or name == "--config"}
    same = native.keys() - placed | {"--app-health-check-path"}
    for name in same & given.keys():
        assert given[name] == native[name], name


@each_twin
def test_a_twin_and_its_service_know_each_others_ports(service: Service) -> None:
    given, environment = compose_options(service), CONTAINERS[service.name]["environment"]
    assert given["--app-port"] == environment["APP_PORT"]
    assert given["--dapr-http-port"] == environment["DAPR_HTTP_PORT"]
    assert given["--dapr-grpc-port"] == environment["DAPR_GRPC_PORT"]
    addresses = (given["--placement-host-address"], given["--scheduler-host-address"])
    for name, address in zip(("placement", "scheduler"), addresses, strict=True):
        host, port = address.split(":")
        assert host == name
        assert f"--port={port}" in CONTAINERS[name]["entrypoint"]


@each_twin
def test_a_service_and_its_twin_show_each_other_their_own_tokens(service: Service) -> None:
    suffix = service.port_variable.removeprefix("M2N_PORT_")
    app, sidecar = CONTAINERS[service.name]["environment"], twin(service)["environment"]
    for name, kind in (("APP_API_TOKEN", "APP"), ("DAPR_API_TOKEN", "SIDECAR")):
        assert app[name] == sidecar[name]
        assert app[name].startswith(f"${{M2N_{kind}_TOKEN_{suffix}:?")


@each_twin
def test_containers_are_told_what_native_parts_are_told(service: Service, site: Site) -> None:
    app, sidecar = CONTAINERS[service.name]["environment"], twin(service)["environment"]
    inherited = inherited_environment().keys() - set(CHOSEN)
    in_the_image = {"PYTHONPATH", "PYTHONUNBUFFERED"}
    native_app = app_environment(site, service).keys() - inherited - in_the_image
    assert app.keys() == native_app | set(CHOSEN)
    by_the_network = {"M2N_NAME_RESOLUTION_FILE", "DAPR_HOST_IP"}
    assert sidecar.keys() == sidecar_environment(site, service).keys() - inherited - by_the_network - set(CHOSEN)
    assert app["M2N_MONGO_DATABASE"] == sidecar["M2N_MONGO_DATABASE"] == MONGO_DATABASE
    assert app["M2N_MONGO_URL"] == sidecar["M2N_MONGO_URL"]
    assert (app["M2N_SQS_QUEUE"], app["AWS_REGION"]) == (SQS_QUEUE, REGION)


@pytest.mark.parametrize("name", component_documents())
def test_a_components_sidecars_have_what_it_refers_to(name: str) -> None:
    document = component_documents()[name]
    wanted = {each["envRef"] for each in document["spec"]["metadata"] if "envRef" in each}
    assert wanted
    for app_id in document["scopes"]:
        container = CONTAINERS[sidecar_name(app_id)]
        assert wanted <= container["environment"].keys(), app_id
        assert "./components:/components:ro" in container["volumes"]


def test_only_the_sidecars_of_the_secret_store_get_the_secret_file() -> None:
    scopes = component_documents()["m2n-secrets"]["scopes"]
    holders = {name for name, container in CONTAINERS.items() if "secrets" in container}
    assert holders == {sidecar_name(app_id) for app_id in scopes}
    for name in holders:
        (secret,) = CONTAINERS[name]["secrets"]
        assert CONTAINERS[name]["environment"]["M2N_SECRETS_FILE"] == f"/run/secrets/{secret}"
        assert secret in FLEET["secrets"]


def test_the_configuration_is_the_native_one_without_its_name_resolution() -> None:
    native = yaml.safe_load((COMPONENTS / "configuration.yaml").read_text())
    del native["spec"]["nameResolution"]
    assert yaml.safe_load((DOCKER / "configuration.yaml").read_text()) == native


def test_the_dapr_images_are_of_the_version_that_is_built_natively() -> None:
    version = required_dapr((DAPR_MODULE / "go.mod").read_text())
    images = {container["image"] for container in CONTAINERS.values()}
    dapr = {image for image in images if image.startswith("daprio/")}
    assert dapr == {f"daprio/{name}:{version}" for name in ("daprd", "placement", "scheduler")}


def test_every_container_is_restarted_and_waits_only_for_what_can_come() -> None:
    for name, container in CONTAINERS.items():
        assert container["restart"] in ("unless-stopped", "on-failure"), name
        for other, wanted in container.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in CONTAINERS[other], f"{name} waits for {other}"
            if wanted["condition"] == "service_completed_successfully":
                assert CONTAINERS[other]["restart"] == "on-failure"


def test_what_is_stored_is_kept_in_volumes() -> None:
    mounted = [volume.split(":")[0] for each in CONTAINERS.values() for volume in each.get("volumes", [])]
    assert {name for name in mounted if not name.startswith("./")} == FLEET["volumes"].keys()
    kept = ("redis", "mongodb", "sqs", "scheduler")
    assert all(CONTAINERS[name].get("volumes") for name in kept)
    assert [path for path in mounted if path.startswith("./") and not (ROOT / path).exists()] == []


@each_twin
def test_a_service_has_a_folder_of_its_own_for_what_must_not_be_lost(service: Service) -> None:
    """Dead letters wait there while the database is away."""
    assert f"{service.name}-data:/data" in CONTAINERS[service.name]["volumes"]


def test_secrets_come_from_the_environment_and_have_no_default() -> None:
    used = {found["name"]: found["kind"] for found in VARIABLE.finditer(FILE.read_text())}
    secrets = {line.removesuffix("=") for line in EXAMPLE.read_text().splitlines() if re.fullmatch(r"M2N_\w+=", line)}
    assert {name for name, kind in used.items() if kind == "?"} == secrets
    optional = {found[1] for found in re.finditer(r"(?m)^#(M2N_\w+)=", EXAMPLE.read_text())}
    assert {name for name, kind in used.items() if kind != "?"} == optional


def test_the_documented_command_makes_every_secret_and_touches_no_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "deploy" / "docker").mkdir(parents=True)
    shutil.copy(EXAMPLE, tmp_path / "deploy" / "docker")
    (command,) = re.findall(r"(?m)^# +(\(umask .*)$", EXAMPLE.read_text())
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    made = tmp_path / ".env"
    values = dict(line.split("=", 1) for line in made.read_text().splitlines() if re.match(r"M2N_\w+=", line))
    wanted = [line for line in EXAMPLE.read_text().splitlines() if re.fullmatch(r"M2N_\w+=", line)]
    assert len(values) == len(wanted)
    assert len(set(values.values())) == len(values)
    assert all(re.fullmatch(r"[\w-]{32}", value) for value in values.values())
    assert made.stat().st_mode & 0o777 == 0o600
    again = subprocess.run(["bash", "-c", command], cwd=tmp_path, check=False, capture_output=True)
    assert again.returncode != 0
    assert values["M2N_ADMIN_KEY"] in made.read_text()


def test_no_password_stands_on_a_command_line() -> None:
    for name, container in CONTAINERS.items():
        line = " ".join([*container.get("entrypoint", []), *container.get("command", [])]).replace("$$", "")
        assert not VARIABLE.search(line), name


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204 if self.path in ("/health", "/v1.0/healthz") else 500)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return None


@contextmanager
def answering_server() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def health_code(*arguments: str, **environment: int) -> int:
    values = {name: str(port) for name, port in environment.items()}
    command = [sys.executable, "-I", str(DOCKER / "healthy.py"), *arguments]
    return subprocess.run(command, env=values, check=False).returncode


def test_a_container_is_healthy_when_its_app_and_its_twin_answer() -> None:
    with answering_server() as port:
        assert health_code(APP_PORT=port) == 0
        assert health_code(APP_PORT=port, DAPR_HTTP_PORT=port) == 0
        assert health_code("/broken", APP_PORT=port) == 1
    assert health_code(APP_PORT=port) == 1


def test_a_container_is_unhealthy_without_its_twin() -> None:
    with answering_server() as closed:
        pass
    with answering_server() as port:
        assert health_code(APP_PORT=port, DAPR_HTTP_PORT=closed) == 1
