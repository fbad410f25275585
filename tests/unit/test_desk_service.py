"""The service around a desk: what it offers the desk, and what the lane hears."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import pytest
import pytest_asyncio
from pydantic import BaseModel

from m2n.adapters.desk import ConversationOver, DeskContext, DeskUnavailable
from m2n.adapters.desk_service import desk_service
from m2n.dapr import DaprClient
from m2n.events import Action, DeskNoted, DeskNotice, Turn
from m2n.lanes import LaneAnswer
from m2n.message import Hop
from m2n.serialization import to_json
from m2n.tenant import Connection, ConnectionKind, SecretRef, TenantSnapshot
from m2n.tenants import TenantDirectory
from tests.unit.builders import NOON, tenant
from tests.unit.test_desk_conversation import turn

TOKEN = "the sidecar's token"


class NoSettings(BaseModel):
    pass


@dataclass
class RecordingDesk:
    name: str = "paper"
    settings: type[BaseModel] = NoSettings
    secrets: tuple[str, ...] = ("pen",)
    failure: Exception | None = None
    taken: list[tuple[Turn, DeskContext]] = field(default_factory=list)
    notices: list[DeskNotice] = field(default_factory=list)

    async def take(self, turn: Turn, context: DeskContext) -> None:
        if self.failure:
            raise self.failure
        self.taken.append((turn, context))

    async def notice(self, notice: DeskNotice) -> None:
        self.notices.append(notice)


class Sidecar:
    """Answers as the tenants service, the secret store and lanes would; keeps what lanes are told."""

    def __init__(self) -> None:
        desk = {"id": "acme-paper", "kind": ConnectionKind.DESK, "adapter": "paper"}
        paper = Connection(**desk, secrets={"pen": SecretRef(key="acme-pen")})
        whole = tenant()
        self.snapshot = TenantSnapshot(
            tenant=whole.model_copy(update={"connections": (*whole.connections, paper)}), version=1
        )
        self.told: list[tuple[str, Any]] = []

    async def invoke(self, _: str, __: str, path: str, **___: Any) -> httpx.Response:
        connection = path.removeprefix("/internal/connections/")
        if path == "/internal/tenants/acme":
            return httpx.Response(200, text=self.snapshot.model_dump_json())
        known = self.snapshot.tenant.connection(connection)
        return httpx.Response(200, json={"tenant": "acme"}) if known else httpx.Response(404)

    async def secret(self, store: str, key: str) -> str:
        return f"value of {store}/{key}"

    async def invoke_actor(self, actor_type: str, actor_id: str, method: str, argument: BaseModel) -> bytes:
        self.told.append((method, argument))
        return to_json(LaneAnswer(result="applied"))


@dataclass
class Setting:
    desk: RecordingDesk
    sidecar: Sidecar
    http: httpx.AsyncClient

    async def bring(self, event: Turn | DeskNotice) -> httpx.Response:
        body = {"data": event.model_dump(mode="json")}
        return await self.http.post("/events/desk.paper", json=body, headers={"dapr-api-token": TOKEN})


@pytest_asyncio.fixture
async def at(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Setting]:
    monkeypatch.setenv("APP_API_TOKEN", TOKEN)
    desk, sidecar = RecordingDesk(), Sidecar()
    service = desk_service(desk, "handover-paper")
    await service.dapr.close()
    service.dapr = cast(DaprClient, sidecar)
    service.tenants = TenantDirectory(service.dapr)
    transport = httpx.ASGITransport(app=service.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk") as http:
        yield Setting(desk, sidecar, http)


def addressed(connection: str | None) -> Turn:
    trail = (Hop(service="router", did="to the desk", at=NOON),)
    return turn(1, 2).model_copy(update={"connection": connection, "trail": trail})


async def test_a_turn_is_offered_with_its_connection_and_secrets(at: Setting) -> None:
    assert (await at.bring(addressed("acme-paper"))).json() == {"status": "SUCCESS"}
    ((offered, context),) = at.desk.taken
    assert offered == addressed("acme-paper")
    assert (context.connection.id, context.secrets) == ("acme-paper", {"pen": "value of m2n-secrets/acme-pen"})
    ((method, reply),) = at.sidecar.told
    assert method == "reply"
    assert (reply.action, reply.id, reply.turn_id, reply.epoch) == (Action.TAKEN, "P1.1.t3.taken.2", "P1.1.t3", 2)
    assert [hop.service for hop in reply.trail] == ["router", "handover-paper"]


async def test_an_unavailable_desk_gets_it_again(at: Setting) -> None:
    at.desk.failure = DeskUnavailable("closed for cleaning")
    assert (await at.bring(addressed("acme-paper"))).status_code == 500
    assert at.sidecar.told == []
    at.desk.failure = None
    assert (await at.bring(addressed("acme-paper"))).status_code == 200
    assert len(at.sidecar.told) == 1


async def test_a_turn_of_an_ended_conversation_is_not_said_to_be_taken(at: Setting) -> None:
    at.desk.failure = ConversationOver("P1.1:2")
    assert (await at.bring(addressed("acme-paper"))).json() == {"status": "SUCCESS"}
    assert at.sidecar.told == []


@pytest.mark.parametrize("connection", [None, "unknown", "acme-bot", "acme-desk"])
async def test_a_misrouted_turn_goes_back(at: Setting, connection: str | None) -> None:
    assert (await at.bring(addressed(connection))).status_code == 200
    assert at.desk.taken == []
    ((_, reply),) = at.sidecar.told
    assert (reply.action, reply.turn_id) == (Action.FAILED, "P1.1.t3")


async def test_another_tenants_connection_is_not_used(at: Setting) -> None:
    ours = addressed("acme-paper")
    foreign = ours.model_copy(update={"session": ours.session.model_copy(update={"tenant": "other"})})
    await at.bring(foreign)
    assert at.desk.taken == []
    ((_, reply),) = at.sidecar.told
    assert (reply.action, reply.because) == (Action.FAILED, "the desk's connection is not the tenant's")


async def test_notices_reach_the_desk(at: Setting) -> None:
    notice = DeskNotice(id="n", tenant="acme", profile_id="P1", session_id="P1.1", epoch=2, what="cancelled", at=NOON)
    await at.bring(notice)
    assert at.desk.notices == [notice]
    assert at.sidecar.told == [("noted", DeskNoted(tenant="acme", profile_id="P1", notice_id="n"))]
