"""Dead letters on the real stack: kept wherever they arise, shown to their tenant alone, put back once."""

import asyncio
import secrets
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aioboto3
import httpx
import orjson
import pytest
from redis.asyncio import Redis
from typer.testing import CliRunner

from m2n.cli import app as m2n
from m2n.clock import now
from m2n.dead_letter_spool import Spool
from m2n.deadletters import DeadLetters, failed_webhook
from m2n.keys import group_id
from m2n.message import Identity
from m2n.queue import dead_letter_queue
from m2n.settings import Settings
from tests.stack.tenant_documents import tenant_document, unused_id
from tests.stack.world import Customer, World
from tests.unit.builders import inbound, reply
from tests.waiting import eventually

pytestmark = pytest.mark.stack

Letter = dict[str, Any]


@asynccontextmanager
async def stopped(world: World, part: str) -> AsyncIterator[None]:
    await asyncio.to_thread(world.stack.stop_part, part)
    try:
        yield
    finally:
        await asyncio.to_thread(world.stack.start_part, part)


def place(tenant: str) -> str:
    return f"/v1/tenants/{tenant}/dead-letters" if tenant else "/v1/dead-letters"


async def letters(world: World, tenant: str, **params: str) -> list[Letter]:
    """None for a tenant that is not there and of which no letter is either."""
    answer = await world.tenants.get(place(tenant), params=params)
    assert answer.status_code in (200, 404), answer.text
    return answer.json().get("dead_letters", [])


async def kept_letter(world: World, tenant: str, limit_s: float = 30, **fields: Any) -> Letter:
    """The tenant's first letter that has these values."""

    async def look() -> Letter | None:
        found = await letters(world, tenant, state="kept")
        return next((letter for letter in found if letter | fields == letter), None)

    return await eventually(look, limit_s)


async def redriven_at_once(world: World, letter: Letter, times: int) -> list[int]:
    """The answers' codes when so many ask for it at the same time."""
    path = f"{place(letter['tenant'])}/{letter['id']}/redrive"
    answers = await asyncio.gather(*(world.tenants.post(path) for _ in range(times)))
    return sorted(answer.status_code for answer in answers)


async def shown(world: World, letter: Letter, **params: str) -> Letter:
    answer = await world.tenants.get(f"{place(letter['tenant'])}/{letter['id']}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def publish(world: World, service: str, topic: str, data: Any) -> None:
    headers = {"dapr-api-token": world.stack.sidecar_token(service)}
    async with httpx.AsyncClient(base_url=world.stack.sidecar_url(service), headers=headers) as sidecar:
        answer = await sidecar.post(f"/v1.0/publish/m2n-pubsub/{topic}", json=data)
        assert answer.status_code == 204, answer.text


async def put_on_queue(world: World, body: str, group: str, queue: str = "") -> None:
    session = aioboto3.Session(region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test")
    opened: Any = session.client("sqs", endpoint_url=world.stack.sqs_endpoint)
    async with opened as sqs:
        url = (await sqs.get_queue_url(QueueName=queue or world.stack.sqs_queue))["QueueUrl"]
        key = secrets.token_hex(16)
        await sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=key)


async def poison(world: World, tenant: str, group: str | None = None) -> Letter:
    """Put a message that nobody can read on the queue; its letter."""
    marker = secrets.token_hex(8)
    await put_on_queue(world, orjson.dumps({"tenant": tenant, "marker": marker}).decode(), group or marker)
    return await kept_letter(world, tenant)


def group_of(customer: Customer) -> str:
    identity = Identity(scheme="phone", value=customer.phone)
    return group_id(inbound().model_copy(update={"tenant": customer.line.tenant, "identities": (identity,)}))


async def figure(world: World, service: str, line: str) -> float:
    async with httpx.AsyncClient(base_url=world.stack.url(service)) as anyone:
        lines = (await anyone.get("/metrics")).text.splitlines()
    return next((float(each.rpartition(" ")[2]) for each in lines if each.startswith(line)), 0.0)


# -- the queue -------------------------------------------------------------------------------------------------------


async def test_a_message_whose_tenant_was_gone_takes_effect_once_after_the_tenants_return(world: World) -> None:
    line = await world.make_tenant()
    customer = world.customer(line)
    document = (await world.tenants.get(f"/v1/tenants/{line.tenant}")).json()
    async with stopped(world, "identification-dapr"):
        assert (await customer.says("opening hours"))["status"] == 200
        assert (await world.tenants.delete(f"/v1/tenants/{line.tenant}")).status_code == 204
    letter = await kept_letter(world, line.tenant)
    assert (letter["origin"], letter["source"], letter["topic"]) == ("identification", "queue", world.stack.sqs_queue)
    assert (letter["tries"], letter["group"]) == (3, group_of(customer))
    assert letter["reason"] == "failed by the lane: UnknownTenant"
    await world.put_tenant(document)
    assert (await redriven_at_once(world, letter, 5))[1:] == [409] * 4
    assert await customer.hears() == ["Always."]
    assert [each["state"] for each in await letters(world, line.tenant)] == ["redriven"]
    assert await redriven_at_once(world, letter, 1) == [409]
    assert await customer.asks("opening hours") == ["Always."]
    assert [each["author"] for each in await customer.transcript()] == ["customer", "bot"] * 2


async def test_behind_poison_the_customers_messages_go_on_and_poison_put_back_is_kept_again(world: World) -> None:
    customer = world.customer(await world.make_tenant())
    tenant, group = customer.line.tenant, group_of(customer)
    await put_on_queue(world, orjson.dumps({"tenant": tenant, "marker": "x"}).decode(), group)
    for _ in range(2):
        assert (await customer.says("opening hours"))["status"] == 200
    assert await customer.hears(2) == ["Always."] * 2
    letter = await kept_letter(world, tenant)
    assert (letter["tries"], letter["group"]) == (1, group)
    assert letter["reason"] == "rejected: not a message in the common format"
    assert await redriven_at_once(world, letter, 1) == [200]
    again = await kept_letter(world, tenant, tries=2)
    assert (again["id"], again["first_at"]) == (letter["id"], letter["first_at"])
    assert again["last_at"] > letter["last_at"]
    assert await customer.asks("opening hours") == ["Always."]
    said = [each["what"] for each in (await shown(world, again))["history"]]
    said = [each["what"] for each in (await shown(world, again))["history"]]
    assert (said.count("redrive asked for"), said.count(f"kept: {letter['reason']}")) == (1, 2)


async def test_what_the_queue_itself_moved_away_is_kept_too(world: World) -> None:
    tenant = (await world.make_tenant()).tenant
    dead_queue = dead_letter_queue(world.stack.sqs_queue)
    await put_on_queue(world, orjson.dumps({"tenant": tenant}).decode(), tenant, dead_queue)
    letter = await kept_letter(world, tenant)
    assert (letter["tries"], letter["reason"]) == (50, "received 50 times and never finished")
    assert (letter["topic"], letter["group"]) == (world.stack.sqs_queue, tenant)


async def test_a_redrive_whose_service_died_is_finished_by_another(world: World) -> None:
    letter = await poison(world, (await world.make_tenant()).tenant)
    redrive = {"id": secrets.token_hex(8), "by": "who died", "at": now(), "until": now() - timedelta(seconds=1)}
    change = {"$set": {"state": "redriving", "redrive": redrive}}
    assert (await world.database["dead_letters"].update_one({"_id": letter["id"]}, change)).modified_count == 1
    await kept_letter(world, letter["tenant"], tries=2)


async def test_while_the_queues_service_cannot_be_reached_a_redrive_waits_and_is_done_later(world: World) -> None:
    letter = await poison(world, (await world.make_tenant()).tenant)
    async with stopped(world, "identification-dapr"):
        assert await redriven_at_once(world, letter, 1) == [202]
        assert await redriven_at_once(world, letter, 1) == [409]
    await kept_letter(world, letter["tenant"], tries=2)


async def test_figures_and_an_alert_line_tell_of_it(world: World) -> None:
    failures = 'm2n_dead_letters_total{origin="identification"}'
    before = await figure(world, "identification", failures)
    letter = await poison(world, (await world.make_tenant()).tenant)

    async def counted() -> bool:
        kept = await figure(world, "tenants", f'm2n_dead_letters_kept{{tenant="{letter["tenant"]}"}}')
        return kept == 1 and await figure(world, "identification", failures) > before

    async def alert() -> dict[str, Any] | None:
        lines = world.stack.log("identification").read_text().splitlines()
        return next((orjson.loads(line) for line in lines if letter["id"] in line), None)

    await eventually(counted)
    said = await eventually(alert)
    assert (said["level"], said["alert"], said["tenant"]) == ("error", "dead letter", letter["tenant"])


# -- topics ----------------------------------------------------------------------------------------------------------


async def test_an_event_that_no_try_could_handle_is_kept_and_handled_after_the_repair(world: World) -> None:
    tenant, session = unused_id(), unused_id("S")
    event = reply(session, f"{session}.t1", 1, "hello").model_copy(update={"tenant": tenant})
    await publish(world, "nlp-builtin", "replies", event.model_dump(mode="json"))
    letter = await kept_letter(world, tenant, limit_s=60)
    assert (letter["origin"], letter["source"], letter["topic"]) == ("sessions", "topic", "replies")
    assert (letter["tries"], letter["reason"]) == (8, "LaneFault: reply: failed (UnknownTenant)")
    await world.put_tenant(tenant_document(tenant))
    answer = await world.tenants.post(f"{place(tenant)}/redrive")
    assert (answer.status_code, answer.json()) == (202, {"redriving": 1})

    async def handled() -> bool:
        return any(
            session in line for line in world.stack.log("sessions").read_text().splitlines() if "refused" in line
        )

    await eventually(handled)
    assert [each["state"] for each in await letters(world, tenant)] == ["redriven"]


async def test_an_unreadable_event_is_kept_and_its_words_are_shown_only_when_asked_for(world: World) -> None:
    line = await world.make_tenant()
    marker = secrets.token_hex(8)
    await publish(world, "webhooks", "outbound", {"session": {"tenant": line.tenant}, "words": marker})
    letter = await kept_letter(world, line.tenant)
    assert (letter["origin"], letter["topic"]) == ("delivery", "outbound")
    assert (letter["tries"], letter["reason"]) == (1, "unreadable: ValidationError")
    plain = await shown(world, letter)
    assert marker not in orjson.dumps([letter, plain]).decode()
    whole = await shown(world, letter, body="true")
    assert orjson.loads(whole["body"])["data"]["words"] == marker
    read = (await shown(world, letter))["history"][-1]
    assert (read["by"], read["what"]) == ("installation", "its body was read")
    assert await redriven_at_once(world, letter, 1) == [200]
    await kept_letter(world, line.tenant, tries=2)


async def test_what_is_no_event_at_all_is_kept_for_the_installation(world: World, redis: Redis) -> None:
    marker = secrets.token_hex(8)
    await redis.xadd("outbound", {"data": f"\x01 no JSON {marker}"})

    async def look() -> Letter | None:
        for found in await letters(world, "", state="kept"):
            whole = await shown(world, found, body="true")
            if marker in whole.get("body", ""):
                return found
        return None

    letter = await eventually(look)
    assert (letter["origin"], letter["tenant"], letter["reason"]) == ("delivery", "", "unreadable: JSONDecodeError")
    assert await redriven_at_once(world, letter, 1) == [409]


async def test_a_part_of_a_webhook_that_still_cannot_be_read_stays_a_letter(world: World) -> None:
    line = await world.make_tenant()
    body = orjson.dumps({"messages": [secrets.token_hex(8)]})
    spoiled = failed_webhook("whatsapp_twilio", line.connection, line.tenant, body, "unreadable: messages.0", now())
    values = {
        "APP_API_TOKEN": "x" * 16,
        "M2N_MONGO_URL": world.stack.mongo_url,
        "M2N_MONGO_DATABASE": world.stack.mongo_database,
    }
    opened = DeadLetters(Settings.model_validate(values))
    assert await opened.keep(spoiled)
    await opened.close()
    letter = await kept_letter(world, line.tenant, source="webhook", topic=f"whatsapp_twilio/{line.connection}")
    assert await redriven_at_once(world, letter, 1) == [409]
    said = [each["what"] for each in (await shown(world, letter))["history"]]
    assert "webhooks refuses it" in said[-1]
    assert [each["state"] for each in await letters(world, line.tenant)] == ["kept"]


async def test_while_mongodb_is_away_a_letter_lies_on_disk_and_outlives_its_service(world: World) -> None:
    line = await world.make_tenant()
    folder = world.stack.data_dir / "services" / "delivery" / "dead-letters"
    spool, marker = Spool(folder), secrets.token_hex(8)

    async def spooled() -> bool:
        return any(marker.encode() in spool.read(name).body for name in spool.names())

    async with stopped(world, "mongod"):
        await publish(world, "webhooks", "outbound", {"session": {"tenant": line.tenant}, "words": marker})
        await eventually(spooled)
        assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        await asyncio.to_thread(world.stack.restart, "delivery")
        assert await spooled()
    letter = await kept_letter(world, line.tenant)
    assert letter["reason"] == "unreadable: ValidationError"

    async def empty() -> bool:
        return not list(folder.iterdir())

    await eventually(empty)
    customer = world.customer(line)
    assert await customer.asks("opening hours") == ["Always."]


# -- who may -----------------------------------------------------------------------------------------------------------


async def test_another_tenant_sees_and_moves_nothing(world: World) -> None:
    letter = await poison(world, (await world.make_tenant()).tenant)
    own, foreign, agent = [await api_key(world, letter["tenant"], "admin"),
                           await api_key(world, (await world.make_tenant()).tenant, "admin"),
                           await api_key(world, letter["tenant"], "agent")]  # fmt: skip
    base, none = place(letter["tenant"]), place("")
    calls = [("GET", base), ("POST", f"{base}/redrive"), ("GET", f"{base}/{letter['id']}"),
             ("GET", f"{base}/{letter['id']}?body=true"), ("POST", f"{base}/{letter['id']}/redrive")]  # fmt: skip
    async with httpx.AsyncClient(base_url=world.stack.url("tenants")) as client:
        for method, path in calls:
            codes = [(await client.request(method, path, headers=key)).status_code for key in ({}, foreign, agent)]
            assert codes == [401, 404, 403], path
        foreign_base = place((await client.get("/v1/tenants", headers=foreign)).json()["tenants"][0]["id"])
        assert (await client.get(f"{foreign_base}/{letter['id']}", headers=foreign)).status_code == 404
        assert (await client.post(f"{foreign_base}/{letter['id']}/redrive", headers=foreign)).status_code == 404
        assert (await client.get(none, headers=own)).status_code == 403
        assert (await client.get(base, headers=own)).json()["dead_letters"] == [letter]
        assert (await client.get(base, params={"state": "lost"}, headers=own)).status_code == 422
    assert (await world.tenants.get(place(unused_id()))).status_code == 404
    assert (await shown(world, letter))["state"] == "kept"


async def api_key(world: World, tenant: str, role: str) -> dict[str, str]:
    made = await world.tenants.post(f"/v1/tenants/{tenant}/api-keys", json={"id": unused_id(role), "role": role})
    return {"authorization": f"Bearer {made.json()['key']}"}


async def test_pages_follow_one_another_without_gap(world: World) -> None:
    tenant = (await world.make_tenant()).tenant
    for number in range(5):
        await put_on_queue(world, orjson.dumps({"tenant": tenant, "number": number}).decode(), f"{tenant}-{number}")

    async def all_there() -> bool:
        return len(await letters(world, tenant)) == 5

    await eventually(all_there)
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = (await world.tenants.get(place(tenant), params={"limit": "2", "after": after})).json()
        found += [letter["id"] for letter in page["dead_letters"]]
        after = page["next"]
    assert found == [letter["id"] for letter in await letters(world, tenant)]


async def test_the_command_lists_shows_and_redrives(world: World) -> None:
    letter = await poison(world, (await world.make_tenant()).tenant)
    tenant = letter["tenant"]
    environment = {"M2N_TENANTS_URL": world.stack.url("tenants"), "M2N_ADMIN_KEY": world.stack.admin_key}

    async def run(*arguments: str) -> tuple[int, str]:
        command = ("dead-letters", *arguments)
        result = await asyncio.to_thread(CliRunner().invoke, m2n, command, env=environment | {"COLUMNS": "300"})
        return result.exit_code, result.output

    code, listed = await run("list", tenant, "--state", "kept")
    assert (code, letter["id"] in listed, letter["reason"] in listed) == (0, True, True)
    code, said = await run("show", tenant, letter["id"])
    assert (code, "marker" in said, f"tries: {letter['tries']}" in said) == (0, False, True)
    code, said = await run("show", tenant, letter["id"], "--body")
    assert (code, "marker" in said) == (0, True)
    assert await run("redrive", tenant, letter["id"]) == (0, f"{letter['id']}: redriven\n")
    await kept_letter(world, tenant, tries=2)
    code, said = await run("redrive", tenant, "--all")
    assert (code, said.startswith("1 letters are being put back")) == (0, True)
    await kept_letter(world, tenant, tries=3)
    assert (await run("redrive", tenant))[0] == 2
    code, said = await run("list", unused_id())
    assert (code, said.startswith("404: there is no tenant")) == (1, True)
    assert (await run("list", "-"))[0] == 0
