"""The tenants' REST API as its users and the other services see it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.stack.tenant_documents import tenant_document, unused_id

pytestmark = pytest.mark.stack


@pytest_asyncio.fixture
async def api(stack: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the installation's admin key."""
    headers = {"authorization": f"Bearer {stack.admin_key}"}
    async with httpx.AsyncClient(base_url=stack.url("tenants"), headers=headers, timeout=20) as client:
        yield client


@pytest_asyncio.fixture
async def tenant(api: httpx.AsyncClient) -> str:
    tenant_id = unused_id()
    created = await api.put(f"/v1/tenants/{tenant_id}", json=tenant_document(tenant_id))
    assert created.status_code == 201, created.text
    return tenant_id


async def new_key(api: httpx.AsyncClient, tenant: str, role: str) -> dict[str, str]:
    made = await api.post(f"/v1/tenants/{tenant}/api-keys", json={"id": unused_id(role), "role": role})
    assert made.status_code == 201, made.text
    return {"authorization": f"Bearer {made.json()['key']}"}


async def test_nothing_is_anonymous_but_health(stack: Any) -> None:
    paths = ["/v1/tenants", "/v1/tenants/x", "/v1/tenants/x/audit", "/v1/tenants/x/api-keys"]
    paths += ["/v1/tenants/x/connections", "/v1/tenants/x/connections/y"]
    async with httpx.AsyncClient(base_url=stack.url("tenants")) as anyone:
        assert (await anyone.get("/health")).status_code == 200
        for path in paths:
            for method in ("GET", "PUT", "POST", "DELETE"):
                answer = await anyone.request(method, path, json={})
                assert answer.status_code in (401, 405, 422), (method, path)
            assert (await anyone.get(path)).status_code == 401
            wrong = await anyone.get(path, headers={"authorization": f"Bearer m2n_x_{'A' * 43}"})
            assert wrong.status_code == 401
        for path in ("/internal/tenants/x", "/internal/connections/x"):
            assert (await anyone.get(path, headers={"dapr-api-token": "wrong"})).status_code == 401


async def test_a_tenant_is_created_read_replaced_and_deleted(api: httpx.AsyncClient) -> None:
    tenant_id = unused_id()
    path, document = f"/v1/tenants/{tenant_id}", tenant_document(tenant_id)
    created = await api.put(path, json=document)
    assert (created.status_code, created.headers["etag"]) == (201, '"1"')
    assert (await api.get(path)).json()["name"] == "Test"

    same = await api.put(path, json=document, headers={"if-match": '"1"'})
    assert (same.status_code, same.headers["etag"]) == (200, '"1"')
    renamed = await api.put(path, json=document | {"name": "New"}, headers={"if-match": '"1"'})
    assert (renamed.status_code, renamed.headers["etag"]) == (200, '"2"')
    assert (await api.get(path)).json()["name"] == "New"

    assert (await api.delete(path)).status_code == 204
    assert (await api.get(path)).status_code == 404
    again = await api.put(path, json=document)
    assert (again.status_code, again.headers["etag"]) == (201, '"4"'), "a version is never used twice"


async def test_replacing_needs_the_version(api: httpx.AsyncClient, tenant: str) -> None:
    path, document = f"/v1/tenants/{tenant}", tenant_document(tenant, name="Changed")
    assert (await api.put(path, json=document)).status_code == 428
    assert (await api.put(path, json=document, headers={"if-match": '"7"'})).status_code == 412
    assert (await api.put(path, json=document, headers={"if-none-match": "*"})).status_code == 412
    assert (await api.put(path + "?force=true", json=document)).status_code == 200
    missing = unused_id()
    created = await api.put(f"/v1/tenants/{missing}", json=tenant_document(missing), headers={"if-match": '"1"'})
    assert created.status_code == 412


async def test_of_many_at_once_one_wins(api: httpx.AsyncClient, tenant: str) -> None:
    def put(number: int) -> Any:
        document = tenant_document(tenant, name=f"Name {number}")
        return api.put(f"/v1/tenants/{tenant}", json=document, headers={"if-match": '"1"'})

    answers = await asyncio.gather(*(put(number) for number in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 7]
    entries = (await api.get(f"/v1/tenants/{tenant}/audit")).json()["entries"]
    assert [entry["version"] for entry in entries] == [2, 1]


async def test_of_many_creations_at_once_one_wins(api: httpx.AsyncClient) -> None:
    tenant_id = unused_id()
    document = tenant_document(tenant_id)
    answers = await asyncio.gather(
        *(api.put(f"/v1/tenants/{tenant_id}", json=document, headers={"if-none-match": "*"}) for _ in range(8))
    )
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(201) == 1
    assert set(statuses) <= {201, 409, 412}


async def test_a_connection_id_belongs_to_one_tenant(api: httpx.AsyncClient) -> None:
    """Eight tenants want the same id at once; the refused ones leave nothing behind."""
    wanted, tenants = unused_id("shared"), [unused_id() for _ in range(8)]

    def put(tenant_id: str) -> Any:
        document = tenant_document(tenant_id)
        document["connections"].append({"id": wanted, "kind": "desk", "adapter": "builtin"})
        return api.put(f"/v1/tenants/{tenant_id}", json=document)

    answers = await asyncio.gather(*(put(tenant_id) for tenant_id in tenants))
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [201, *[409] * 7]
    winner = tenants[statuses.index(201)]
    for tenant_id, answer in zip(tenants, answers, strict=True):
        if tenant_id != winner:
            assert winner not in answer.text
            assert (await api.get(f"/v1/tenants/{tenant_id}")).status_code == 404

    assert (await api.delete(f"/v1/tenants/{winner}")).status_code == 204
    loser = next(tenant_id for tenant_id in tenants if tenant_id != winner)
    assert (await put(loser)).status_code == 201, "deleting a tenant frees its ids"


async def test_problems_are_named_field_by_field(api: httpx.AsyncClient) -> None:
    tenant_id = unused_id()
    document = tenant_document(tenant_id, timezone="Mars/Olympus", langages=["en"])
    refused = await api.put(f"/v1/tenants/{tenant_id}", json=document)
    assert refused.status_code == 422
    found = {problem["field"]: problem for problem in refused.json()["details"]}
    assert found["langages"]["do"] == "did you mean 'languages'?"
    assert "IANA" in found["timezone"]["expected"] + found["timezone"]["do"]
    assert all(set(problem) == {"field", "expected", "do"} for problem in found.values())


async def test_connections_are_checked_with_their_adapter(api: httpx.AsyncClient) -> None:
    tenant_id = unused_id()
    document = tenant_document(tenant_id)
    sender = {"account_sid": "AC123", "sender": "whatsapp:+15550100009"}
    document["connections"] += [
        {"id": f"{tenant_id}-wa", "kind": "channel", "adapter": "whatsapp_twilio", "settings": sender},
        {"id": f"{tenant_id}-no", "kind": "channel", "adapter": "carrier_pigeon"},
    ]
    document["connections"][0]["settings"]["content"] = {"default_language": "en"}
    refused = await api.put(f"/v1/tenants/{tenant_id}", json=document)
    fields = {problem["field"] for problem in refused.json()["details"]}
    assert fields >= {
        "connections[0].settings.content.fallback",
        "connections[3].settings.account_sid",
        "connections[3].secrets.auth-token",
        "connections[4].adapter",
    }
    assert "AC123" not in refused.text, "values are not quoted"


async def test_a_body_that_is_no_json(api: httpx.AsyncClient) -> None:
    refused = await api.put(f"/v1/tenants/{unused_id()}", content=b'{"id": ')
    assert refused.status_code == 400
    assert "line 1" in refused.json()["error"]


async def test_connections_as_resources(api: httpx.AsyncClient, tenant: str) -> None:
    path = f"/v1/tenants/{tenant}/connections/{tenant}-second"
    connection = {"kind": "desk", "adapter": "builtin"}
    added = await api.put(path, json=connection)
    assert (added.status_code, added.headers["etag"]) == (201, '"2"')
    assert (await api.get(path)).json()["adapter"] == "builtin"
    assert (await api.put(path, json=connection)).status_code == 428
    wrong = await api.put(path, json=connection | {"settings": {"x": 1}}, headers={"if-match": '"2"'})
    assert [problem["field"] for problem in wrong.json()["details"]] == ["settings.x"]
    assert (await api.delete(path)).status_code == 204
    assert (await api.get(path)).status_code == 404

    used = await api.delete(f"/v1/tenants/{tenant}/connections/{tenant}-bot")
    assert used.status_code == 422
    assert used.json()["details"][0]["field"] == "rules.engine"


async def test_a_tenants_admin_sees_only_its_own(api: httpx.AsyncClient, tenant: str, stack: Any) -> None:
    other = unused_id()
    await api.put(f"/v1/tenants/{other}", json=tenant_document(other))
    own = await new_key(api, tenant, "admin")
    async with httpx.AsyncClient(base_url=stack.url("tenants"), headers=own) as limited:
        listed = (await limited.get("/v1/tenants")).json()["tenants"]
        assert [entry["id"] for entry in listed] == [tenant]
        unknown = unused_id()
        for part in ("", "/audit", "/api-keys", "/connections", f"/connections/{other}-bot"):
            foreign = await limited.get(f"/v1/tenants/{other}{part}")
            nothing = await limited.get(f"/v1/tenants/{unknown}{part}")
            assert foreign.status_code == nothing.status_code == 404
            assert foreign.text.replace(other, unknown) == nothing.text
        for tenant_id in (other, unknown):
            put = await limited.put(f"/v1/tenants/{tenant_id}?force=true", json=tenant_document(tenant_id))
            assert put.status_code == 404
            assert (await limited.delete(f"/v1/tenants/{tenant_id}")).status_code == 404
            made = await limited.post(f"/v1/tenants/{tenant_id}/api-keys", json={"id": "spy", "role": "admin"})
            assert made.status_code == 404
        renamed = await limited.put(f"/v1/tenants/{tenant}?force=true", json=tenant_document(tenant, name="Own"))
        assert renamed.status_code == 200
        assert (await limited.get(f"/v1/tenants/{tenant}")).status_code == 200, "replacing keeps the API keys"


async def test_a_tenants_admin_cannot_use_the_secrets_of_others(
    api: httpx.AsyncClient, tenant: str, stack: Any
) -> None:
    """The installation gave the web chat a secret of another name; it stays there, as long as nothing else changes."""
    chat = {"kind": "channel", "adapter": "webchat", "secrets": {"signing-key": {"key": "acme-webchat-key"}}}
    own = {"secrets": {"signing-key": {"key": f"{tenant}.webchat-key"}}}
    new, given = f"/v1/tenants/{tenant}/connections/{tenant}-new", f"/v1/tenants/{tenant}/connections/{tenant}-web"
    force = {"force": "true"}
    headers = await new_key(api, tenant, "admin")
    async with httpx.AsyncClient(base_url=stack.url("tenants"), headers=headers, timeout=20) as limited:
        refused = await limited.put(new, json=chat)
        assert refused.status_code == 422
        (problem,) = refused.json()["details"]
        assert problem["field"] == "secrets.signing-key.key"
        assert f"'{tenant}.'" in problem["expected"]
        assert (await limited.put(new, json=chat | own)).status_code == 201

        elsewhere = {"settings": {"allowed_origins": ["https://elsewhere.example"]}}
        assert (await limited.put(given, json=chat, params=force)).status_code == 200
        assert (await limited.put(given, json=chat | elsewhere, params=force)).status_code == 422
        document = tenant_document(tenant)
        document["connections"].append({"id": f"{tenant}-more", **chat})
        whole = await limited.put(f"/v1/tenants/{tenant}", json=document, params=force)
        assert [p["field"] for p in whole.json()["details"]] == ["connections[3].secrets.signing-key.key"]
    by_installation = await api.put(given, json=chat | elsewhere, params=force)
    assert by_installation.status_code == 200


async def test_a_refused_change_changes_nothing(api: httpx.AsyncClient, tenant: str, stack: Any) -> None:
    other = unused_id()
    await api.put(f"/v1/tenants/{other}", json=tenant_document(other))
    document = tenant_document(tenant, name="Never")
    document["connections"][1]["id"] = f"{other}-web"
    refused = await api.put(f"/v1/tenants/{tenant}?force=true", json=document)
    assert refused.status_code == 409
    assert refused.json() == {"error": f"the connection id '{other}-web' is taken in this installation; choose another"}
    headers = {"dapr-api-token": stack.app_token("tenants")}
    for owner in (tenant, other):
        found = await api.get(f"/internal/connections/{owner}-web", headers=headers)
        assert found.json() == {"tenant": owner}
    assert (await api.get(f"/v1/tenants/{tenant}")).json()["name"] == "Test"
    assert len((await api.get(f"/v1/tenants/{tenant}/audit")).json()["entries"]) == 1


async def test_agents_keys_may_do_nothing_here(api: httpx.AsyncClient, tenant: str, stack: Any) -> None:
    agent = await new_key(api, tenant, "agent")
    async with httpx.AsyncClient(base_url=stack.url("tenants"), headers=agent) as limited:
        assert (await limited.get(f"/v1/tenants/{tenant}")).status_code == 403
        assert (await limited.get("/v1/tenants")).status_code == 403


async def test_a_key_is_shown_once_and_ends_with_its_deletion(api: httpx.AsyncClient, tenant: str) -> None:
    path = f"/v1/tenants/{tenant}/api-keys"
    key = (await api.post(path, json={"id": "console", "role": "admin"})).json()["key"]
    assert key.startswith(f"m2n_{tenant}_")
    listed = await api.get(path)
    assert listed.json() == {"api_keys": [{"id": "console", "role": "admin"}]}
    assert (await api.post(path, json={"id": "console", "role": "agent"})).status_code == 409

    headers = {"authorization": f"Bearer {key}"}
    assert (await api.get(f"/v1/tenants/{tenant}", headers=headers)).status_code == 200
    assert (await api.delete(f"{path}/console")).status_code == 204
    assert (await api.get(f"/v1/tenants/{tenant}", headers=headers)).status_code == 401


async def test_the_audit_says_who_changed_which_fields(api: httpx.AsyncClient, tenant: str) -> None:
    admin = await new_key(api, tenant, "admin")
    changed = tenant_document(tenant, session_timeout_s=60)
    changed["connections"][1]["secrets"]["signing-key"]["key"] = f"{tenant}.webchat-key"
    changed["connections"][1]["settings"] = {"allowed_origins": ["https://private.example"]}
    await api.put(f"/v1/tenants/{tenant}?force=true", json=changed, headers=admin)
    answer = await api.get(f"/v1/tenants/{tenant}/audit")
    newest, keys, first = answer.json()["entries"]
    assert newest["by"].startswith(f"{tenant}/admin-")
    fields = {change["field"]: change["change"] for change in newest["changes"]}
    assert fields["session_timeout_s"] == "changed"
    assert fields[f"connections[{tenant}-web].settings.allowed_origins[0]"] == "added"
    assert "private.example" not in answer.text
    assert (keys["by"], first["action"]) == ("installation", "created")
    page = (await api.get(f"/v1/tenants/{tenant}/audit?limit=1&before=3")).json()
    assert [entry["version"] for entry in page["entries"]] == [2]


async def test_services_get_snapshots_by_version(api: httpx.AsyncClient, tenant: str, stack: Any) -> None:
    rules = tenant_document(tenant)["rules"]
    rules["handover"]["max_fallbacks"] = None
    await api.put(f"/v1/tenants/{tenant}?force=true", json=tenant_document(tenant, rules=rules))
    headers = {"dapr-api-token": stack.app_token("tenants")}
    snapshot = await api.get(f"/internal/tenants/{tenant}", headers=headers)
    assert snapshot.json()["version"] == 2
    assert snapshot.json()["tenant"]["rules"]["handover"]["max_fallbacks"] is None
    unchanged = await api.get(f"/internal/tenants/{tenant}", headers=headers | {"if-none-match": '"2"'})
    assert unchanged.status_code == 304
    assert (await api.get(f"/internal/tenants/{unused_id()}", headers=headers)).status_code == 404
    owner = await api.get(f"/internal/connections/{tenant}-web", headers=headers)
    assert owner.json() == {"tenant": tenant}
    assert (await api.get(f"/internal/connections/{unused_id()}", headers=headers)).status_code == 404


async def test_names_that_the_database_reserves(api: httpx.AsyncClient, tenant: str) -> None:
    """Bot content may hold any text, also as a name; it comes back as it went in."""
    document = tenant_document(tenant)
    content = document["connections"][0]["settings"]["content"] = dict(
        document["connections"][0]["settings"]["content"],
        entities={"plan": {"values": {"$where": {"en": ["basic.plan"]}, "a.b": {"en": ["🚲"]}}}},
    )
    assert (await api.put(f"/v1/tenants/{tenant}?force=true", json=document)).status_code == 200
    read = (await api.get(f"/v1/tenants/{tenant}")).json()
    assert read["connections"][0]["settings"]["content"] == content
