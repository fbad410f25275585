"""The tenants and customers of a run: made through the tenants API and the simulator's control API."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.faults import webhooks
from tests.faults.batches import CHANNEL as BATCHES
from tests.faults.plan import Plan
from tests.faults.site import Site
from tests.faults.webhooks import Webhook

WHATSAPP = "whatsapp_twilio"
TOKEN = "acme-twilio-token"
SYSTEM_TEXTS = {
    "handover_requested": "#requested",
    "agent_joined": "#joined",
    "agent_left": "#left",
    "nobody_available": "#nobody",
    "closed": "#closed",
    "engine_failed": "#failed",
}
"""What the tenants say instead of the built-in sentences, so that the checker knows them."""
_NAMES = ("acme", "nordlicht", "kiwi", "lumen", "orbit", "pano", "quay", "ruby")


@dataclass(frozen=True)
class Line:
    """A tenant's number at the vendor."""

    tenant: str
    channel: str
    connection: str
    account: str
    sender: str
    token: str = field(repr=False)

    @property
    def path(self) -> str:
        return f"/webhooks/{self.channel}/{self.connection}"


@dataclass(frozen=True)
class Customer:
    line: Line
    label: str
    phone: str

    def webhook(self, sid: str, text: str) -> Webhook:
        """The message as its channel's vendor posts it."""
        if self.line.channel == BATCHES:
            return webhooks.batch(self.line.path, [self.entry(sid, text)], self.line.token)
        return webhooks.twilio(self.line.path, self.form(sid, text), self.line.token)

    def entry(self, sid: str, text: str) -> dict[str, str]:
        """The message in a batch."""
        return {"id": sid, "from": self.phone, "text": text}

    def form(self, sid: str, text: str) -> dict[str, str]:
        """A webhook's form as Twilio sends it."""
        return {
            "MessageSid": sid,
            "SmsSid": sid,
            "SmsMessageSid": sid,
            "AccountSid": self.line.account,
            "From": f"whatsapp:{self.phone}",
            "To": self.line.sender,
            "Body": text,
            "NumMedia": "0",
            "NumSegments": "1",
            "SmsStatus": "received",
            "ApiVersion": "2010-04-01",
            "MessageType": "text",
            "ProfileName": self.label,
            "WaId": self.phone.removeprefix("+"),
        }


async def make_lines(site: Site, plan: Plan) -> tuple[Line, ...]:
    """The plan's tenants, with names that no other run has, known to M2N and to the vendor."""
    run = secrets.token_hex(3)
    names = [f"{_NAMES[n % len(_NAMES)]}{n // len(_NAMES) or ''}-{run}" for n in range(plan.tenants)]
    lines = tuple(_line(site, name, plan.channel) for name in names)
    admin = {"authorization": f"Bearer {site.admin_key}"}
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        await _put(http, f"{site.addresses['simulator']}/control/strangers", {"wrote": True})
        await _put(http, f"{site.addresses['simulator']}/control/statuses", {"final": plan.receipts_final})
        for line in lines:
            await _enter_at_vendor(http, site, line)
            url = f"{site.addresses['tenants']}/v1/tenants/{line.tenant}"
            answer = await http.put(url, headers=admin, json=tenant_document(site, plan, line))
            _expect(answer)
    return lines


def make_customers(plan: Plan, lines: tuple[Line, ...]) -> tuple[Customer, ...]:
    """Customers ``c1``, ``c2``..., of the tenants in turn, with phone numbers that no other run has."""
    block = secrets.randbelow(10**6)
    return tuple(
        Customer(lines[n % len(lines)], f"c{n + 1}", f"+1555{block:06d}{n:04d}") for n in range(plan.customers)
    )


async def agent_key(site: Site, tenant: str) -> str:
    """A new API key of an agent."""
    admin = {"authorization": f"Bearer {site.admin_key}"}
    body = {"id": f"agent-{secrets.token_hex(4)}", "role": "agent"}
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        answer = await http.post(f"{site.addresses['tenants']}/v1/tenants/{tenant}/api-keys", headers=admin, json=body)
    _expect(answer)
    return answer.json()["key"]


def tenant_document(site: Site, plan: Plan, line: Line) -> dict[str, Any]:
    settings = {"account_sid": line.account, "sender": line.sender, "base_url": site.addresses["simulator"]}
    return {
        "id": line.tenant,
        "name": line.tenant,
        "languages": ["en"],
        "session_timeout_s": plan.session_timeout_s,
        "texts": {name: {"en": text} for name, text in SYSTEM_TEXTS.items()},
        "rules": {
            "engine": f"{line.tenant}-bot",
            "turn_timeout_s": plan.turn_timeout_s,
            "turn_attempts": plan.turn_attempts,
            "handover": {
                "desk": f"{line.tenant}-desk",
                "max_fallbacks": None,
                "on_engine_failure": False,
                "assign_timeout_s": plan.assign_timeout_s,
            },
        },
        "connections": [
            {"id": f"{line.tenant}-bot", "kind": "engine", "adapter": "echo"},
            {"id": f"{line.tenant}-desk", "kind": "desk", "adapter": "builtin"},
            {
                "id": line.connection,
                "kind": "channel",
                "adapter": line.channel,
                "settings": settings,
                "secrets": {"auth-token": {"key": TOKEN}},
                # The stand-in takes what comes: it is the fleet that is looked at, not Twilio's 80 a second.
                "rate": {"per_s": 10_000, "burst": 10_000},
            },
        ],
    }


def _line(site: Site, tenant: str, channel: str) -> Line:
    sender = f"whatsapp:+1556{secrets.randbelow(10**9):09d}"
    return Line(tenant, channel, f"{tenant}-wa", f"AC{secrets.token_hex(16)}", sender, site.secrets[TOKEN])


async def _enter_at_vendor(http: httpx.AsyncClient, site: Site, line: Line) -> None:
    control = f"{site.addresses['simulator']}/control"
    await _put(http, f"{control}/accounts/{line.account}", {"token": line.token})
    webhook = f"{site.public_url}{line.path}"
    body = {"sender": line.sender, "account_sid": line.account, "webhook_url": webhook}
    _expect(await http.post(f"{control}/senders", json=body))


async def _put(http: httpx.AsyncClient, url: str, body: Mapping[str, Any]) -> None:
    _expect(await http.put(url, json=body))


def _expect(answer: httpx.Response) -> None:
    assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
