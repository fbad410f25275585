"""Being the customer, the vendor and the agent on a real stack; waiting for conditions, never for time."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from pymongo.asynchronous.database import AsyncDatabase

from deploy.local.demo_site import DemoSite
from deploy.local.stack import Stack
from services.channels.twilio_core.signature import signature
from tests.stack.tenant_documents import tenant_document, unused_id
from tests.waiting import LIMIT_S, eventually


def random_phone() -> str:
    return f"+1555{secrets.randbelow(10**7):07d}"


@dataclass(frozen=True)
class WhatsAppLine:
    """A tenant's WhatsApp number at the simulator."""

    tenant: str
    connection: str
    account: str
    sender: str
    token: str


class World:
    def __init__(self, stack: Stack, site: DemoSite, keys: Mapping[str, str], database: AsyncDatabase[Any]) -> None:
        self.stack, self.site, self.keys, self.database = stack, site, keys, database
        self.simulator = httpx.AsyncClient(base_url=stack.url("simulator"), timeout=60)
        self.edge = httpx.AsyncClient(base_url=stack.url("webhooks"), timeout=30)
        admin = {"authorization": f"Bearer {stack.admin_key}"}
        self.tenants = httpx.AsyncClient(base_url=stack.url("tenants"), headers=admin, timeout=30)
        self._agents: list[Agent] = []

    async def close(self) -> None:
        for client in (self.simulator, self.edge, self.tenants, *(agent.desk for agent in self._agents)):
            await client.aclose()

    # -- tenants -----------------------------------------------------------------------------------------------

    def demo_line(self, tenant: str = "acme-bikes") -> WhatsAppLine:
        short = tenant.split("-")[0]
        account, sender = {
            "acme-bikes": ("AC5d1c9f0b7e3a46829b04c6e1f7a83d25", "whatsapp:+15550100001"),
            "nordlicht": ("ACe27b40c8d96f4153a1c07f528be9d364", "whatsapp:+4915550200001"),
        }[tenant]
        return WhatsAppLine(tenant, f"{short}-whatsapp", account, sender, self.stack.secrets[f"{short}-twilio-token"])

    async def make_tenant(self, content: dict[str, Any] | None = None, **changes: Any) -> WhatsAppLine:
        """A tenant of one's own with a WhatsApp number; ``rules`` are laid over the usual ones."""
        tenant = unused_id()
        token_name = "acme-twilio-token"
        line = WhatsAppLine(
            tenant, f"{tenant}-wa", f"AC{secrets.token_hex(16)}", f"whatsapp:{random_phone()}",
            self.stack.secrets[token_name],
        )  # fmt: skip
        document = tenant_document(tenant)
        rules = changes.pop("rules", {})
        handover = document["rules"]["handover"] | rules.pop("handover", {})
        document["rules"] |= rules | {"handover": handover}
        document["connections"].append(
            {
                "id": line.connection,
                "kind": "channel",
                "adapter": "whatsapp_twilio",
                "settings": {
                    "account_sid": line.account,
                    "sender": line.sender,
                    "base_url": self.stack.url("simulator"),
                },
                "secrets": {"auth-token": {"key": token_name}},
            }
        )
        if content:
            document["connections"][0]["settings"]["content"] = content
        await self.put_tenant(document | changes)
        await self._enter_sender(line)
        return line

    async def put_tenant(self, document: dict[str, Any]) -> None:
        answer = await self.tenants.put(f"/v1/tenants/{document['id']}", params={"force": "true"}, json=document)
        assert answer.status_code in (200, 201), answer.text

    async def _enter_sender(self, line: WhatsAppLine) -> None:
        await self.simulator.put(f"/control/accounts/{line.account}", json={"token": line.token})
        url = f"{self.stack.url('webhooks')}/webhooks/whatsapp_twilio/{line.connection}"
        body = {"sender": line.sender, "account_sid": line.account, "webhook_url": url}
        answer = await self.simulator.post("/control/senders", json=body)
        assert answer.status_code == 204, answer.text

    async def agent(self, tenant: str) -> "Agent":
        path = f"/v1/tenants/{tenant}/api-keys"
        made = await self.tenants.post(path, json={"id": unused_id("agent"), "role": "agent"})
        assert made.status_code == 201, made.text
        agent = Agent(self.stack.url("handover-desk"), made.json()["key"])
        self._agents.append(agent)
        return agent

    # -- customers ---------------------------------------------------------------------------------------------

    def customer(self, line: WhatsAppLine) -> "Customer":
        return Customer(self, line, random_phone())

    async def messages(self, **where: Any) -> list[dict[str, Any]]:
        """Transcript lines, in order of session and sequence."""
        found = await self.database["messages"].find(where).to_list()
        return sorted(found, key=lambda line: (int(line["session_id"].rpartition(".")[2]), line["seq"]))

    async def ledger(self, customer: str) -> list[dict[str, Any]]:
        answer = await self.simulator.get("/control/ledger")
        entries = [orjson.loads(line) for line in answer.text.splitlines()]
        return [entry for entry in entries if entry["customer"] == customer]


class Customer:
    """A customer on WhatsApp."""

    def __init__(self, world: World, line: WhatsAppLine, phone: str) -> None:
        self.world, self.line, self.phone = world, line, phone
        self._heard = 0
        self._posted: list[str] = []

    async def says(self, text: str = "", **more: Any) -> dict[str, Any]:
        """Send through the simulator; the webhook's answer."""
        body = {"to": self.line.sender, "body": text, **more}
        answer = await self.world.simulator.post(f"/control/whatsapp/customers/{self.phone}/messages", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def hears(self, count: int = 1, limit_s: float = LIMIT_S) -> list[str]:
        """The next ``count`` replies; fails when they do not come in time."""
        heard: list[str] = []
        deadline = time.monotonic() + limit_s
        while len(heard) < count:
            wait = deadline - time.monotonic()
            assert wait > 0, f"heard only {heard} within {limit_s:.0f} s"
            params = {"after": self._heard, "wait": min(wait, 20), "sender": self.line.sender}
            path = f"/control/whatsapp/customers/{self.phone}/messages"
            found = (await self.world.simulator.get(path, params=params)).json()
            heard += [message["body"] for message in found["messages"]]
            self._heard = found["last"]
        return heard

    async def asks(self, text: str, replies: int = 1) -> list[str]:
        assert (await self.says(text))["status"] == 200
        return await self.hears(replies)

    async def transcript(self) -> list[dict[str, Any]]:
        """All lines of this customer, found by the vendor's ids of what they sent, once the transcript has what the
        vendor has: it is written beside the conversation."""

        async def complete() -> list[dict[str, Any]] | None:
            ledger = await self.world.ledger(self.phone)
            sent = self._posted + [entry["sid"] for entry in ledger if entry["kind"] == "inbound"]
            first = await self.world.database["messages"].find_one({"vendor_message_id": {"$in": sent}})
            if first is None:
                return None
            lines = await self.world.messages(tenant=self.line.tenant, profile_id=first["profile_id"])
            settled = [line for line in lines if line["author"] != "customer" and "status" in line]
            return lines if len(settled) >= len([each for each in ledger if each["kind"] == "outbound"]) else None

        return await eventually(complete)

    def form(self, text: str, sid: str | None = None) -> dict[str, str]:
        """A webhook's form as Twilio sends it."""
        sid = sid or f"SM{secrets.token_hex(16)}"
        return {
            "MessageSid": sid, "SmsSid": sid, "SmsMessageSid": sid, "AccountSid": self.line.account,
            "From": f"whatsapp:{self.phone}", "To": self.line.sender, "Body": text, "NumMedia": "0",
            "NumSegments": "1", "SmsStatus": "received", "ApiVersion": "2010-04-01", "MessageType": "text",
            "ProfileName": "Test", "WaId": self.phone.removeprefix("+"),
        }  # fmt: skip

    async def posts(self, form: Mapping[str, str], token: str | None = None, signed: bool = True) -> httpx.Response:
        """Post a webhook oneself, signed with the line's token unless told otherwise."""
        self._posted.append(form["MessageSid"])
        path = f"/webhooks/whatsapp_twilio/{self.line.connection}"
        url = f"{self.world.stack.url('webhooks')}{path}"
        pairs = [(name.encode(), value.encode()) for name, value in form.items()]
        headers = {"x-twilio-signature": signature(token or self.line.token, url, pairs)} if signed else {}
        return await self.world.edge.post(path, data=dict(form), headers=headers)


class Agent:
    """A human agent at the built-in desk."""

    def __init__(self, url: str, key: str) -> None:
        self.desk = httpx.AsyncClient(base_url=f"{url}/v1/desk", headers={"authorization": f"Bearer {key}"}, timeout=30)

    async def waiting(self) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            answer = await self.desk.get("/conversations", params={"status": "waiting"})
            found = answer.json().get("conversations") if answer.status_code == 200 else None
            return found[0] if found else None

        return await eventually(look)

    async def does(self, conversation: str, what: str, **body: str) -> httpx.Response:
        return await self.desk.post(f"/conversations/{conversation}/{what}", json=body)

    async def sees(self, conversation: str, text: str) -> None:
        async def look() -> bool:
            lines = (await self.desk.get(f"/conversations/{conversation}")).json()["lines"]
            return any(line["content"].get("text") == text for line in lines)

        await eventually(look)
