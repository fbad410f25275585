"""The demo tenants on a running stack: their accounts at the simulator, their configuration, an agent's key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from deploy.local import left_behind
from deploy.local.health import mongo_url
from deploy.local.private_files import Credentials
from deploy.local.problem import Problem
from deploy.local.stack import Stack
from m2n.tenant_files import TenantFileError, read_tenant_file
from m2n.tenants_client import TenantsApiError, TenantsClient

TENANT_FILES = Path(__file__).parent / "tenants"
TENANTS = ("acme-bikes", "nordlicht")
AGENT_KEY = "demo-agent"


@dataclass(frozen=True)
class DemoSite:
    """Where the demo's stack is and what opens it."""

    addresses: Mapping[str, str]
    admin_key: str = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    mongo_url: str

    @classmethod
    def of(cls, stack: Stack) -> "DemoSite":
        return cls(stack.addresses(), stack.admin_key, stack.secrets, stack.mongo_url)

    @classmethod
    def running_in(cls, data_dir: Path) -> "DemoSite":
        """The stack that runs in a data folder. Raises Problem when there is none."""
        record = left_behind.StackRecord.read(data_dir)
        if record is None or record.supervisor.process() is None:
            raise Problem(f"No stack is running in {data_dir}.", remedy="start one with `make run`.")
        credentials = Credentials.load(data_dir / "credentials.json", ())
        ports = json.loads((data_dir / "ports.json").read_text())["ports"]
        secrets = json.loads((data_dir / "secrets.json").read_text())
        return cls(record.addresses, credentials.admin_key, secrets, mongo_url(ports["mongod"]))

    @property
    def values(self) -> dict[str, str]:
        """What ``${NAME}`` in the tenant files stands for."""
        simulator = self.addresses["simulator"]
        return {"SIMULATOR_URL": simulator, "SIMULATOR_LOCALHOST_URL": simulator.replace("127.0.0.1", "localhost")}


def set_up(site: DemoSite) -> dict[str, str]:
    """Load the demo tenants, again if need be; returns an agent's API key for each.

    Raises Problem with the field when a tenant file is not in order.
    """
    keys: dict[str, str] = {}
    strangers = f"{site.addresses['simulator']}/control/strangers"
    httpx.put(strangers, json={"wrote": True}, timeout=10, trust_env=False).raise_for_status()
    with TenantsClient(site.addresses["tenants"], site.admin_key) as tenants:
        for name in TENANTS:
            document = _document(site, name)
            _enter_at_simulator(site, document)
            try:
                tenants.apply(name, document)
            except TenantsApiError as refused:
                raise _problem(name, refused) from refused
            keys[name] = _agent_key(site, name)
    return keys


def _document(site: DemoSite, name: str) -> Any:
    try:
        return read_tenant_file(TENANT_FILES / f"{name}.yaml", site.values)
    except TenantFileError as bad:
        raise _problem(name, bad) from bad


def _problem(name: str, error: TenantsApiError | TenantFileError) -> Problem:
    details = "\n".join(f"  {problem}" for problem in error.problems)
    return Problem(
        f"The tenant file {TENANT_FILES / name}.yaml is not in order: {error}\n{details}".rstrip(),
        remedy="correct it, check it with `.venv/bin/m2n tenant check FILE`, then start again.",
    )


def _enter_at_simulator(site: DemoSite, document: Any) -> None:
    """Give the stand-in the accounts, numbers and web chats that the tenant's connections name."""
    with httpx.Client(base_url=site.addresses["simulator"], timeout=10, trust_env=False) as simulator:
        for connection in document["connections"]:
            if connection["kind"] != "channel":
                continue
            if connection["adapter"] == "whatsapp_twilio":
                _enter_sender(simulator, site, document["name"], connection)
                _enter_line(simulator, site, document["name"], connection)
            elif connection["adapter"] == "webchat":
                body = {
                    "connection": connection["id"],
                    "base_url": site.addresses["webhooks"],
                    "title": document["name"],
                }
                simulator.post("/control/webchats", json=body).raise_for_status()
            else:
                _enter_line(simulator, site, document["name"], connection)


def _enter_line(simulator: httpx.Client, site: DemoSite, title: str, connection: Any) -> None:
    secrets = {name: site.secrets[reference["key"]] for name, reference in connection["secrets"].items()}
    webhook = f"{site.addresses['webhooks']}/webhooks/{connection['adapter']}/{connection['id']}"
    if connection["adapter"] == "signal":  # its gateway signs nothing, so the address carries a secret
        webhook += f"?secret={secrets['path-secret']}"
    body = {
        "channel": connection["adapter"],
        "connection": connection["id"],
        "title": title,
        "webhook_url": webhook,
        "settings": connection["settings"],
        "secrets": secrets,
    }
    answer = simulator.put("/control/lines", json=body)
    if answer.status_code != 204:
        raise Problem(f"The simulator does not take the line {connection['id']}: {answer.text}")


def _enter_sender(simulator: httpx.Client, site: DemoSite, title: str, connection: Any) -> None:
    settings = connection["settings"]
    token = site.secrets[connection["secrets"]["auth-token"]["key"]]
    simulator.put(f"/control/accounts/{settings['account_sid']}", json={"token": token}).raise_for_status()
    webhook = f"{site.addresses['webhooks']}/webhooks/whatsapp_twilio/{connection['id']}"
    body = {
        "sender": settings["sender"],
        "account_sid": settings["account_sid"],
        "title": title,
        "webhook_url": webhook,
    }
    simulator.post("/control/senders", json=body).raise_for_status()


def _agent_key(site: DemoSite, tenant: str) -> str:
    """A fresh key each time: a key is shown once only, when it is made."""
    headers = {"authorization": f"Bearer {site.admin_key}"}
    with httpx.Client(base_url=site.addresses["tenants"], headers=headers, timeout=10, trust_env=False) as tenants:
        tenants.delete(f"/v1/tenants/{tenant}/api-keys/{AGENT_KEY}")
        made = tenants.post(f"/v1/tenants/{tenant}/api-keys", json={"id": AGENT_KEY, "role": "agent"})
        made.raise_for_status()
        return made.json()["key"]
