"""What the stack writes and what its parts are told."""

import json
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.parts import Part, Site, Stage, all_parts, app_environment, port_names, sidecar_environment
from deploy.local.places import COMPONENTS
from deploy.local.private_files import Credentials, merged_values
from deploy.local.programs import DaprRuntime, Programs
from deploy.local.services import SERVICES, Service
from deploy.local.supervision import render_config


@pytest.fixture
def site(tmp_path: Path) -> Site:
    programs = Programs(DaprRuntime.in_folder(Path("/bin")), *(Path("/bin/true") for _ in range(3)))
    ports = {name: 20_000 + number for number, name in enumerate(port_names(SERVICES))}
    credentials = Credentials.load(tmp_path / "credentials.json", (service.name for service in SERVICES))
    return Site(tmp_path, programs, ports, credentials, {"M2N_EXTRA": "yes"})


def test_every_part_is_supervised_in_the_group_of_its_stage(tmp_path: Path) -> None:
    parts = [Part("redis", Stage.STORES, ("/bin/true",), {}, bool), Part("app", Stage.APPS, ("/bin/true",), {}, bool)]
    folder = tmp_path / "100% mine"
    config = RawConfigParser()
    config.read_string(render_config(parts, data_dir=folder, socket=tmp_path / "s.sock"))
    assert config["group:stores"]["programs"] == "redis"
    assert int(config["group:apps"]["priority"]) > int(config["group:stores"]["priority"])
    for name in ("redis", "app"):
        program = config[f"program:{name}"]
        assert [program[key] for key in ("autostart", "autorestart", "stopasgroup", "killasgroup")] == [
            "false",
            "true",
            "true",
            "true",
        ]
        assert program["stdout_logfile"].endswith(f"/100%% mine/logs/{name}.log")
    assert config["unix_http_server"]["chmod"] == "0700"


def test_no_secret_stands_on_a_command_line(site: Site) -> None:
    values = json.loads((site.data_dir / "credentials.json").read_text()).values()
    for part in all_parts(site, SERVICES):
        assert not [value for value in values if any(value in word for word in part.command)], part.name


def test_every_port_is_on_loopback(site: Site) -> None:
    for part in all_parts(site, SERVICES):
        assert "0.0.0.0" not in " ".join(part.command), part.name
        given = dict(zip(part.command, part.command[1:], strict=False))
        wanted = {name for name in given if name.endswith(("listen-address", "listen-addresses", "bind_ip", "--host"))}
        assert all(given[name] == "127.0.0.1" for name in wanted), part.name


def test_a_service_knows_its_own_tokens_only(site: Site) -> None:
    environment = app_environment(site, SERVICES[0])
    own = {site.credentials.app_tokens["webhooks"], site.credentials.sidecar_tokens["webhooks"]}
    every = {*site.credentials.app_tokens.values(), *site.credentials.sidecar_tokens.values()}
    assert own <= set(environment.values())
    assert not (every - own) & set(environment.values())
    assert "M2N_ADMIN_KEY" not in environment
    assert environment["M2N_EXTRA"] == "yes"
    assert "DAPR_HTTP_PORT" not in app_environment(site, Service("simulator", "x", sidecar=False))


def test_the_environment_of_whoever_starts_it_stays_outside(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("AWS_PROFILE", "production")
    for part in all_parts(site, SERVICES):
        assert not {"HTTPS_PROXY", "AWS_PROFILE"} & part.environment.keys(), part.name


def test_generated_values_stay_and_given_ones_replace(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = merged_values(path, {"a": None, "b": "given"})
    second = merged_values(path, {"a": None, "b": "changed"})
    assert first["a"] == second["a"]
    assert len(first["a"]) >= 32
    assert second["b"] == "changed"
    assert path.stat().st_mode & 0o777 == 0o600


def documents() -> dict[str, dict[str, Any]]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted(COMPONENTS.glob("*.yaml"))}


def test_components_are_scoped_to_known_services_and_read_known_variables(site: Site) -> None:
    with_sidecar = {service.name for service in SERVICES if service.sidecar}
    known = sidecar_environment(site, SERVICES[0])
    for name, document in documents().items():
        if document["kind"] == "Component":
            assert set(document["scopes"]) <= with_sidecar, name
            metadata = document["spec"]["metadata"]
            assert {each["envRef"] for each in metadata if "envRef" in each} <= known.keys(), name
    assert set(documents()["pubsub"]["scopes"]) == with_sidecar


def test_a_message_is_not_taken_up_again_while_it_is_still_being_retried() -> None:
    pubsub = {each["name"]: each.get("value") for each in documents()["pubsub"]["spec"]["metadata"]}
    policies = documents()["resiliency"]["spec"]["policies"]
    retry, handler = policies["retries"]["inbound"], policies["timeouts"]["handler"]
    assert retry["maxInterval"] == "5s"
    # Dapr's exponential back-off: 0.5 s, times 1.5 each, at most maxInterval, each up to half as long again.
    pauses = sum(min(0.5 * 1.5**number, 5.0) * 1.5 for number in range(retry["maxRetries"]))
    worst = pauses + (retry["maxRetries"] + 1) * float(handler.removesuffix("s"))
    assert worst < int(pubsub["processingTimeout"] or 0) / 1000
    assert int(pubsub["queueDepth"] or 0) <= int(pubsub["concurrency"] or 0)
    assert (pubsub["redeliverInterval"] or "").isdigit()
