"""The echo engine in a stack: its service beside the others, its entry point where tenants are checked, its scopes."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from deploy.local.places import COMPONENTS
from deploy.local.services import SERVICES, Service
from deploy.local.stack import Stack
from tests.faults.echo import ECHO_SERVICE, INSTALLED

SCOPED = ("pubsub", "secrets", "state")


READS_ADAPTERS = ("tenants", "webhooks", "delivery")


def services_with_echo(services: Iterable[Service] = SERVICES) -> tuple[Service, ...]:
    """The services and the echo engine's; those that load adapters find the ones for verification, too."""
    known = [replace(each, import_path=INSTALLED) if each.name in READS_ADAPTERS else each for each in services]
    return (*known, ECHO_SERVICE)


def components_with(folder: Path, app_ids: Iterable[str]) -> Path:
    """A copy of Dapr's components in ``folder``, with the sidecars of these apps in their scopes, too."""
    shutil.copytree(COMPONENTS, folder, dirs_exist_ok=True)
    for name in SCOPED:
        path = folder / f"{name}.yaml"
        document = yaml.safe_load(path.read_text())
        document["scopes"] += app_ids
        path.write_text(yaml.safe_dump(document))
    return folder


def stack_with_echo(folder: Path, services: Iterable[Service] = SERVICES, **options: Any) -> Stack:
    """A stack on free ports below ``folder``, not started yet; ``options`` are those of Stack."""
    components = components_with(folder / "components", [ECHO_SERVICE.app_id])
    return Stack(folder / "stack", services=services_with_echo(services), components=components, **options)
