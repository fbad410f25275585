"""Who may open a web chat from which site: new visitors, and cross-origin headers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from m2n.tenant import Connection, ConnectionKind
from services.channels.webchat.cors import WebChatCors
from services.channels.webchat.inbox import VisitorInbox
from services.channels.webchat.routes import Resolved, router
from services.channels.webchat.tokens import Visitor, check, issue

NOW = datetime(2026, 3, 1, 12, 0, 0, 500, tzinfo=UTC)
KEY = "a long random text"
SHOP = "https://shop.example"


def resolved(connection_id: str, adapter: str = "webchat", key: str = KEY, tenant: str = "acme") -> Resolved:
    settings: dict[str, Any] = {"allowed_origins": [SHOP], "token_ttl_s": 600} if adapter == "webchat" else {}
    connection = Connection(id=connection_id, kind=ConnectionKind.CHANNEL, adapter=adapter, settings=settings)
    return Resolved(tenant, connection, {"signing-key": key})


KNOWN = {
    "acme-web": resolved("acme-web"),
    "globex-web": resolved("globex-web", tenant="globex"),
    "acme-whatsapp": resolved("acme-whatsapp", adapter="whatsapp_twilio"),
    "without-key": resolved("without-key", key=""),
}


async def lookup(connection_id: str) -> Resolved:
    return KNOWN[connection_id]


async def webhook() -> dict[str, str]:
    return {"status": "accepted"}


@pytest.fixture
async def pages() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(router(lookup, cast(VisitorInbox, None), lambda: NOW))
    app.add_api_route("/webhooks/webchat/acme-web", webhook, methods=["POST"])
    app.add_middleware(WebChatCors, lookup=lookup)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://hooks.example") as client:
        yield client


async def test_new_visitor_gets_a_token(pages: httpx.AsyncClient) -> None:
    answer = (await pages.post("/webchat/acme-web/visitors")).json()
    expires_at = datetime(2026, 3, 1, 12, 10, tzinfo=UTC)
    assert check(answer["token"], "acme-web", KEY, NOW) == Visitor(answer["visitor"], expires_at)
    assert datetime.fromisoformat(answer["expires_at"]) == expires_at
    again = (await pages.post("/webchat/acme-web/visitors")).json()
    assert again["visitor"] != answer["visitor"]


async def test_known_visitor_stays_the_same(pages: httpx.AsyncClient) -> None:
    token = issue(Visitor("v1", NOW + timedelta(seconds=5)), "acme-web", KEY)
    answer = await pages.post("/webchat/acme-web/visitors", headers={"authorization": f"Bearer {token}"})
    assert answer.json()["visitor"] == "v1"


@pytest.mark.parametrize("expired", [True, False])
async def test_other_tokens_make_a_new_visitor(pages: httpx.AsyncClient, expired: bool) -> None:
    connection = "acme-web" if expired else "globex-web"
    token = issue(Visitor("v1", NOW + timedelta(seconds=0 if expired else 60)), connection, KEY)
    answer = await pages.post("/webchat/acme-web/visitors", headers={"authorization": f"Bearer {token}"})
    assert answer.json()["visitor"] != "v1"


@pytest.mark.parametrize("connection", ["nobody", "acme-whatsapp", "without-key"])
@pytest.mark.parametrize(("method", "path"), [("POST", "visitors"), ("GET", "events")])
async def test_only_web_chats_with_a_key_are_found(
    pages: httpx.AsyncClient, connection: str, method: str, path: str
) -> None:
    answer = await pages.request(method, f"/webchat/{connection}/{path}", headers={"origin": SHOP})
    assert answer.status_code == 404
    assert "access-control-allow-origin" not in answer.headers


async def test_events_need_a_good_token(pages: httpx.AsyncClient) -> None:
    others = issue(Visitor("v1", NOW + timedelta(hours=1)), "globex-web", KEY)
    over = issue(Visitor("v1", NOW), "acme-web", KEY)
    for token in ("", "nonsense", others, over):
        assert (await pages.get("/webchat/acme-web/events", params={"token": token})).status_code == 401


@pytest.mark.parametrize(("origin", "status"), [(SHOP, 200), ("https://hooks.example", 200), ("https://evil", 403)])
async def test_pages_of_other_sites_get_no_visitor(pages: httpx.AsyncClient, origin: str, status: int) -> None:
    answer = await pages.post("/webchat/acme-web/visitors", headers={"origin": origin})
    assert answer.status_code == status
    assert answer.headers.get("access-control-allow-origin") == (origin if status == 200 else None)
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "path", ["/webhooks/webchat/acme-web", "/webchat/acme-web/visitors", "/webchat/acme-web/events"]
)
async def test_browsers_may_ask_before(pages: httpx.AsyncClient, path: str) -> None:
    asked = {"origin": SHOP, "access-control-request-method": "POST"}
    answer = await pages.options(path, headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "authorization" in answer.headers["access-control-allow-headers"]
    refused = await pages.options(path, headers=asked | {"origin": "https://evil.example"})
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers


async def test_webhook_answers_name_the_site(pages: httpx.AsyncClient) -> None:
    answer = await pages.post("/webhooks/webchat/acme-web", headers={"origin": SHOP})
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "access-control-allow-origin" not in (await pages.post("/webhooks/webchat/acme-web")).headers
