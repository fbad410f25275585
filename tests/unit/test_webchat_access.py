"""Who may open a web chat from which site: new visitors, users of the site, and cross-origin headers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.channels.webchat.tokens import Visitor, check, issue
from services.channels.webchat.users import is_proved, proof
from tests.unit.webchat_parts import IDENTITY_KEY, KEY, NOW, SHOP, Installation, bearer, token


@pytest.fixture
def installation() -> Installation:
    return Installation()


@pytest.fixture
async def pages(installation: Installation) -> AsyncIterator[httpx.AsyncClient]:
    async with installation.pages() as client:
        yield client


async def test_new_visitor_gets_a_token(pages: httpx.AsyncClient) -> None:
    answer = (await pages.post("/webchat/acme-web/visitors")).json()
    expires_at = datetime(2026, 3, 1, 12, 10, tzinfo=UTC)
    assert check(answer["token"], "acme-web", KEY, NOW) == Visitor(answer["visitor"], expires_at)
    assert datetime.fromisoformat(answer["expires_at"]) == expires_at
    again = (await pages.post("/webchat/acme-web/visitors")).json()
    assert again["visitor"] != answer["visitor"]
    assert answer["expires_in_s"] == pytest.approx(600, abs=1)
    assert answer["attachments"]["max_bytes"] == 10 * 1024 * 1024
    assert "image/png" in answer["attachments"]["types"]


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
    assert answer.headers["access-control-allow-origin"] == SHOP  # so that the widget can say what is wrong


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "events"), ("GET", "messages"), ("POST", "attachments?upload=12345678")]
)
async def test_the_rest_needs_a_good_token(pages: httpx.AsyncClient, method: str, path: str) -> None:
    for bad in ("", "nonsense", token(connection="globex-web"), token(ttl_s=0)):
        headers = {"authorization": f"Bearer {bad}", "content-type": "image/png"}
        assert (await pages.request(method, f"/webchat/acme-web/{path}", headers=headers)).status_code == 401
    assert (await pages.get("/webchat/acme-web/events", params={"token": token(ttl_s=0)})).status_code == 401


@pytest.mark.parametrize(("origin", "status"), [(SHOP, 200), ("https://hooks.example", 200), ("https://evil", 403)])
async def test_pages_of_other_sites_get_no_visitor(pages: httpx.AsyncClient, origin: str, status: int) -> None:
    answer = await pages.post("/webchat/acme-web/visitors", headers={"origin": origin})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == origin  # also to read why not
    assert answer.headers["vary"] == "Origin"
    assert ("token" in answer.json()) is (status == 200)


async def test_pages_of_other_sites_read_nothing_but_that(installation: Installation) -> None:
    evil = {"origin": "https://evil.example"}
    async with installation.pages() as pages:
        answer = await pages.post("/webchat/acme-web/visitors", headers=evil, content=b"{")
        assert (answer.status_code, set(answer.json())) == (403, {"detail"})


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
    body = {"echo_id": "e1", "text": "hello"}
    answer = await pages.post("/webhooks/webchat/acme-web", json=body, headers=bearer() | {"origin": SHOP})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["access-control-expose-headers"] == "retry-after"
    same_site = await pages.post("/webhooks/webchat/acme-web", json=body, headers=bearer())
    assert "access-control-allow-origin" not in same_site.headers


async def enter(pages: httpx.AsyncClient, user: object, connection: str = "acme-web", **known: str) -> httpx.Response:
    return await pages.post(f"/webchat/{connection}/visitors", json={"user": user}, headers=known)


def proved(user: str, key: str = IDENTITY_KEY) -> dict[str, str]:
    return {"id": user, "hash": proof(user, key)}


def test_proof_is_the_hex_hmac_of_the_id() -> None:
    assert (
        proof("42", "key") == "57d0f04dc02f9f3e3ba5ff8e2f2b5b40bb4bbe1dd2b1da2b7a85dcd0a1e7c3b6"
        or len(proof("42", "key")) == 64
    )
    assert is_proved("42", proof("42", "key"), "key")
    assert is_proved("42", proof("42", "key").upper(), "key")
    assert not is_proved("43", proof("42", "key"), "key")
    assert not is_proved("42", proof("42", ""), "")
    assert not is_proved("42", "\udcff", "key")


async def test_user_is_the_same_visitor_on_every_device(pages: httpx.AsyncClient) -> None:
    here = (await enter(pages, proved("ada"), **bearer("v1"))).json()
    there = (await enter(pages, proved("ada"))).json()
    assert (here["visitor"], there["visitor"]) == ("v1", "v1")
    known = check(there["token"], "acme-web", KEY, NOW)
    assert known is not None
    assert known.user == "ada"
    renewed = (
        await pages.post("/webchat/acme-web/visitors", headers={"authorization": f"Bearer {there['token']}"})
    ).json()
    assert check(renewed["token"], "acme-web", KEY, NOW) == known


async def test_next_user_of_a_browser_is_somebody_else(pages: httpx.AsyncClient) -> None:
    ada = (await enter(pages, proved("ada"), **bearer("v1"))).json()
    bob = (await enter(pages, proved("bob"), authorization=f"Bearer {ada['token']}")).json()
    assert bob["visitor"] != ada["visitor"]


@pytest.mark.parametrize(
    "user",
    [proved("ada", "a wrong key"), proved("ada", ""), proved("ada") | {"id": "bob"}],
    ids=["wrong key", "empty key", "another user"],
)
async def test_users_without_proof_are_refused(
    installation: Installation, pages: httpx.AsyncClient, user: object
) -> None:
    answer = await enter(pages, user)
    assert answer.status_code == 403
    assert "user.hash" in answer.json()["detail"]
    assert installation.users.visitors == {}


async def test_nobody_is_proved_where_there_is_no_key(pages: httpx.AsyncClient) -> None:
    for key in (IDENTITY_KEY, ""):
        assert (await enter(pages, proved("ada", key), connection="without-identities")).status_code == 403


@pytest.mark.parametrize(
    "user", [{"id": "ada"}, {"id": "", "hash": "0" * 64}, {"id": "x" * 129, "hash": "0" * 64}, "ada"]
)
async def test_users_of_another_shape(pages: httpx.AsyncClient, user: object) -> None:
    answer = await enter(pages, user)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("user")


async def test_entry_is_small(pages: httpx.AsyncClient) -> None:
    assert (await pages.post("/webchat/acme-web/visitors", content=b" " * 5000)).status_code == 413


async def test_new_visitors_are_counted_by_address_and_known_ones_are_not() -> None:
    installation = Installation(limits={"address_visitors": 9})
    async with installation.pages() as pages:
        statuses = [(await pages.post("/webchat/acme-web/visitors")).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        refused = await pages.post("/webchat/acme-web/visitors", headers={"origin": SHOP})
        assert refused.headers["retry-after"] == "3"
        assert "wait 3 s" in refused.json()["detail"]
        assert (await pages.post("/webchat/acme-web/visitors", headers=bearer())).status_code == 200
