"""The main job on the real stack: webhook in, bot, human, bot; order, one effect, tenants apart."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import aioboto3
import httpx
import orjson
import pytest
from redis.asyncio import Redis

from tests.stack.world import Customer, World
from tests.waiting import eventually

pytestmark = pytest.mark.stack

NUMBERS = {
    "default_language": "en",
    "fallback": {"en": ["not understood"]},
    "base": "false",
    "intents": {
        f"n{number}": {"phrases": {"en": [f"question number {word}"]}, "answers": {"en": [f"answer {number}"]}}
        for number, word in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    },
}
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


async def test_bot_then_human_then_bot(world: World) -> None:
    line = await world.make_tenant(rules={"handover": {"phrases": {"en": ["real person"]}}})
    customer, agent = world.customer(line), await world.agent(line.tenant)
    assert await customer.asks("opening hours") == ["Always."]
    assert "colleague" in (await customer.asks("a real person please"))[0]
    conversation = (await agent.waiting())["id"]
    assert (await agent.does(conversation, "accept", agent="Ada")).status_code == 200
    assert await customer.hears() == ["You are now talking to Ada."]
    for number in range(5):
        said = await agent.does(conversation, "messages", id=f"m{number}", text=f"line {number}")
        assert said.status_code == 200, said.text
    assert await customer.hears(5) == [f"line {number}" for number in range(5)]
    await customer.says("thank you Ada")
    await agent.sees(conversation, "thank you Ada")
    assert (await agent.does(conversation, "end")).status_code == 200
    assert "assistant again" in (await customer.hears())[0]
    assert await customer.asks("opening hours") == ["Always."]
    authors = [line["author"] for line in await customer.transcript()]
    assert authors == ["customer", "bot", "customer", "system", "system", *["agent"] * 5, "customer", "system",
                       "customer", "bot"]  # fmt: skip


async def test_both_demo_tenants_answer_in_their_own_words(world: World) -> None:
    acme, nordlicht = world.customer(world.demo_line("acme-bikes")), world.customer(world.demo_line("nordlicht"))
    english, german = await asyncio.gather(
        acme.asks("what are your opening hours?", 2), nordlicht.asks("Wann haben Sie geöffnet?", 2)
    )
    assert "Acme Bikes" in english[0]
    assert "Nordlicht" in german[0]
    assert "Uhr" in german[1]


async def test_agent_gives_the_conversation_back_and_the_bot_answers_the_last_question(world: World) -> None:
    line = await world.make_tenant(rules={"handover": {"phrases": {"en": ["real person"]}}})
    customer, agent = world.customer(line), await world.agent(line.tenant)
    await customer.asks("real person")
    conversation = (await agent.waiting())["id"]
    await agent.does(conversation, "accept", agent="Ada")
    await customer.hears()
    await customer.says("opening hours")
    await agent.sees(conversation, "opening hours")
    assert (await agent.does(conversation, "return")).status_code == 200
    assert await customer.hears() == ["Always."]


async def test_nobody_accepts_and_the_bot_takes_back(world: World) -> None:
    rules = {"handover": {"phrases": {"en": ["real person"]}, "assign_timeout_s": 5}}
    line = await world.make_tenant(rules=rules)
    customer, agent = world.customer(line), await world.agent(line.tenant)
    await customer.asks("real person")
    conversation = (await agent.waiting())["id"]
    assert "nobody is free" in (await customer.hears())[0]
    assert await customer.asks("opening hours") == ["Always."]

    async def refused() -> bool:
        return (await agent.does(conversation, "accept", agent="Ada")).status_code == 409

    await eventually(refused)


async def test_two_messages_by_hand_with_a_right_signature_are_answered_and_a_wrong_one_gets_403(world: World) -> None:
    customer = world.customer(await world.make_tenant())
    assert (await customer.posts(customer.form("opening hours"))).text == "<Response/>"
    assert await customer.hears() == ["Always."]
    assert (await customer.posts(customer.form("opening hours"))).status_code == 200
    assert await customer.hears() == ["Always."]
    wrong = await customer.posts(customer.form("opening hours"), token="wrong")
    missing = await customer.posts(customer.form("opening hours"), signed=False)
    assert (wrong.status_code, missing.status_code) == (403, 403)
    assert len([line for line in await customer.transcript() if line["author"] == "customer"]) == 2


async def test_unknown_connection_foreign_channel_and_missing_secret_are_404(world: World) -> None:
    line = await world.make_tenant()
    for path in (
        "/webhooks/whatsapp_twilio/nobody",
        f"/webhooks/webchat/{line.connection}",
        f"/webhooks/no_such_channel/{line.connection}",
        f"/webhooks/whatsapp_twilio/{line.tenant}-bot",
    ):
        assert (await world.edge.post(path, data={"a": "b"})).status_code == 404, path


async def test_too_large_a_body_is_413(world: World) -> None:
    line = await world.make_tenant()
    answer = await world.edge.post(f"/webhooks/whatsapp_twilio/{line.connection}", content=b"x" * (3 * 2**20 + 1))
    assert answer.status_code == 413


async def test_genuine_but_unreadable_webhook_is_400_and_names_the_field(world: World) -> None:
    customer = world.customer(await world.make_tenant())
    form = customer.form("hi") | {"AccountSid": f"AC{'0' * 32}"}
    answer = await customer.posts(form)
    assert answer.status_code == 400
    assert "AccountSid" in answer.text


async def test_ten_quick_messages_are_answered_in_order(world: World) -> None:
    customer = world.customer(await world.make_tenant(content=NUMBERS))
    for word in WORDS:
        assert (await customer.says(f"question number {word}"))["status"] == 200
    assert await customer.hears(10) == [f"answer {number}" for number in range(10)]
    lines = await customer.transcript()
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    asked = [line["content"]["text"] for line in lines if line["author"] == "customer"]
    assert asked == [f"question number {word}" for word in WORDS]


async def test_twenty_customers_at_once_each_keep_their_order(world: World) -> None:
    line = await world.make_tenant(content=NUMBERS)

    async def talk(customer: Customer) -> list[str]:
        for word in WORDS[:5]:
            assert (await customer.says(f"question number {word}"))["status"] == 200
        return await customer.hears(5, limit_s=60)

    heard = await asyncio.gather(*(talk(world.customer(line)) for _ in range(20)))
    assert heard == [[f"answer {number}" for number in range(5)]] * 20


async def test_the_same_webhook_twenty_times_at_once_has_one_effect(world: World) -> None:
    customer = world.customer(await world.make_tenant())
    form = customer.form("opening hours")
    answers = await asyncio.gather(*(customer.posts(form) for _ in range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert await customer.hears() == ["Always."]
    assert await customer.asks("opening hours") == ["Always."]
    assert [line["author"] for line in await customer.transcript()] == ["customer", "bot"] * 2


@pytest.mark.parametrize(
    "text",
    ["5h", "2024-06-01 please book", "P1D", "null", '{"status":"RETRY"}', "$name", "${x} $$",
     "\U0001f600\U0001f469\u200d\U0001f467",
     "\u05e9\u05dc\u05d5\u05dd \u202e abc", "NUL \x00 inside", "\ufffe\uffff", "<b>&amp;</b>", "\u2028\u0085",
     "x" * 5000],
)  # fmt: skip
async def test_a_text_reaches_transcript_and_desk_as_it_was_sent(world: World, text: str) -> None:
    """Through form, queue, lane, pub/sub and desk."""
    line = await world.make_tenant(rules={"pin": "human"})
    customer, agent = world.customer(line), await world.agent(line.tenant)
    assert (await customer.posts(customer.form(text))).status_code == 200
    conversation = await agent.waiting()
    shown = (await agent.desk.get(f"/conversations/{conversation['id']}")).json()["lines"]
    assert shown[0]["content"]["text"][:4000] == text[:4000]
    stored = await eventually(lambda: world.messages(tenant=line.tenant, author="customer"))
    assert [message["content"]["text"] for message in stored] == [text]


async def test_silence_ends_the_session_and_the_next_message_opens_a_linked_one(world: World, redis: Redis) -> None:
    line = await world.make_tenant(session_timeout_s=10)
    customer = world.customer(line)
    await customer.asks("opening hours")
    first = str((await customer.transcript())[0]["session_id"])

    async def expired() -> bool:
        entries: Any = await redis.xrange("events")
        events = [orjson.loads(fields[b"data"])["data"] for _, fields in entries]
        return any(event["what"] == "session.expired" and event["session_id"] == first for event in events)

    await eventually(expired)
    await customer.asks("opening hours")
    sessions = [line["session_id"] for line in await customer.transcript()]
    assert sessions == [first] * 2 + [f"{first.rpartition('.')[0]}.2"] * 2


async def test_receipts_reach_the_transcript_and_never_lower_it(world: World) -> None:
    customer = world.customer(await world.make_tenant())
    plan = {"sent_s": 0.05, "delivered_s": 0.05, "read_s": 0.05, "shuffled": True, "duplicated": True}
    assert (await world.simulator.put("/control/statuses", json=plan)).status_code == 204
    await customer.asks("opening hours")

    async def read() -> bool:
        return [line.get("status") for line in await customer.transcript()] == [None, "read"]

    await eventually(read)


async def _fault(world: World, **fault: Any) -> None:
    assert (await world.simulator.post("/control/faults", json=fault)).status_code == 204


async def _status_of_answer(customer: Customer) -> Callable[[], Awaitable[str | None]]:
    async def look() -> str | None:
        answers = [line for line in await customer.transcript() if line["author"] == "bot"]
        return answers[0].get("status") if answers else None

    return look


async def test_a_busy_vendor_gets_the_message_later_once(world: World) -> None:
    customer = world.customer(await world.make_tenant())
    await _fault(world, count=2, status=429, code=20429)
    assert await customer.asks("opening hours") == ["Always."]
    assert await customer.asks("opening hours") == ["Always."]
    assert len([e for e in await world.ledger(customer.phone) if e["kind"] == "outbound"]) == 2


async def test_a_refused_message_is_recorded_and_the_conversation_goes_on(world: World) -> None:
    customer = world.customer(await world.make_tenant())
    await _fault(world, status=400, code=63016)
    await customer.says("opening hours")
    look = await _status_of_answer(customer)
    assert await eventually(look) == "failed"
    assert await customer.asks("opening hours") == ["Always."]


async def test_a_lost_answer_is_uncertain_and_never_repeated(world: World) -> None:
    customer = world.customer(await world.make_tenant())
    await _fault(world, accepted=True, drop=True)
    assert await customer.asks("opening hours") == ["Always."]
    look = await _status_of_answer(customer)
    assert await eventually(look) == "uncertain"
    assert await customer.asks("opening hours") == ["Always."]
    assert len([e for e in await world.ledger(customer.phone) if e["kind"] == "outbound"]) == 2


async def test_another_tenants_signature_and_agent_are_refused(world: World) -> None:
    rules = {"handover": {"phrases": {"en": ["real person"]}}}
    line = await world.make_tenant(rules=rules)
    customer = world.customer(line)
    foreign_token = world.demo_line("nordlicht").token
    assert (await customer.posts(customer.form("hi"), token=foreign_token)).status_code == 403
    await customer.asks("real person")
    conversation = (await (await world.agent(line.tenant)).waiting())["id"]
    stranger = await world.agent("nordlicht")

    async def known_key() -> bool:
        return (await stranger.desk.get("/conversations")).status_code == 200

    await eventually(known_key)
    assert (await stranger.does(conversation, "accept", agent="Eve")).status_code == 404
    assert (await stranger.desk.get(f"/conversations/{conversation}")).status_code == 404


async def test_a_change_of_the_bots_content_is_followed(world: World) -> None:
    line = await world.make_tenant()
    customer = world.customer(line)
    assert await customer.asks("opening hours") == ["Always."]
    document = (await world.tenants.get(f"/v1/tenants/{line.tenant}")).json()
    intent = document["connections"][0]["settings"]["content"]["intents"]["hours"]
    intent["answers"]["en"] = ["Never."]
    await world.put_tenant(document)

    async def changed() -> bool:
        return await customer.asks("opening hours") == ["Never."]

    await eventually(changed)


async def test_web_chat_answers_and_resumes_with_nothing_missed(world: World) -> None:
    entered = (await world.edge.post("/webchat/acme-web/visitors")).json()
    bearer = {"authorization": f"Bearer {entered['token']}"}

    async def send(text: str) -> None:
        body = {"echo_id": secrets.token_hex(8), "text": text}
        answer = await world.edge.post("/webhooks/webchat/acme-web", json=body, headers=bearer)
        assert answer.json() == {"status": "accepted"}

    async def read(count: int, after: str = "") -> list[tuple[str, dict[str, Any]]]:
        found: list[tuple[str, dict[str, Any]]] = []
        headers = bearer | ({"last-event-id": after} if after else {})
        async with world.edge.stream("GET", "/webchat/acme-web/events", headers=headers) as events:
            last = ""
            async for line in events.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    last = value
                elif name == "data":
                    found.append((last, orjson.loads(value)))
                    if len(found) == count:
                        break
        return found

    await send("what are your opening hours?")
    first = await asyncio.wait_for(read(2), 30)
    assert "9:00" in first[1][1]["content"]["text"]
    await send("what are your prices")
    rest = await asyncio.wait_for(read(1, after=first[-1][0]), 30)
    assert "14 €" in rest[0][1]["content"]["text"]
    everything = await asyncio.wait_for(read(3), 30)
    assert everything == [*first, *rest]


async def test_sidecar_routes_need_the_token(world: World) -> None:
    for service in ("webhooks", "sessions", "delivery", "identification", "nlp-builtin", "handover-desk"):
        async with httpx.AsyncClient(base_url=world.stack.url(service)) as anyone:
            for path in ("/dapr/subscribe", "/dapr/config", "/events/turns", "/internal/tenants/x"):
                for headers in ({}, {"dapr-api-token": "wrong"}):
                    assert (await anyone.post(path, headers=headers)).status_code == 401, (service, path)
    async with httpx.AsyncClient(base_url=world.stack.url("sessions")) as anyone:
        assert (await anyone.put("/actors/SessionActor/acme:x/method/accept")).status_code == 401


async def test_killed_sessions_service_loses_nothing(world: World) -> None:
    customer = world.customer(await world.make_tenant(content=NUMBERS))
    await customer.asks("question number zero")
    for word in WORDS[1:4]:
        await customer.says(f"question number {word}")
    world.stack.kill("sessions")
    for word in WORDS[4:6]:
        await customer.says(f"question number {word}")
    assert await customer.hears(5, limit_s=60) == [f"answer {number}" for number in range(1, 6)]


async def test_redis_that_comes_back_empty_loses_nothing(world: World, redis: Redis) -> None:
    customer = world.customer(await world.make_tenant(content=NUMBERS))
    await customer.asks("question number zero")
    world.stack.stop_part("nlp-builtin")
    await customer.says("question number one")

    async def turn_is_out() -> bool:
        return await redis.xlen("engine.builtin") > 0

    await eventually(turn_is_out)
    await redis.flushall()
    await asyncio.to_thread(world.stack.start_part, "nlp-builtin")
    assert await customer.hears(1, limit_s=60) == ["answer 1"]


async def test_while_the_queue_is_away_the_vendor_is_asked_to_come_again(world: World) -> None:
    customer = world.customer(await world.make_tenant())
    assert await customer.asks("opening hours") == ["Always."]
    form = customer.form("opening hours")
    await asyncio.to_thread(world.stack.stop_part, "sqs")
    try:
        answer = await customer.posts(form)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    finally:
        await asyncio.to_thread(world.stack.start_part, "sqs")
    assert (await customer.posts(form)).status_code == 200
    assert await customer.hears() == ["Always."]


async def test_poison_that_names_no_tenant_is_kept_for_the_installation_and_the_lane_goes_on(world: World) -> None:
    session = aioboto3.Session(region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test")
    marker = secrets.token_hex(8)
    opened: Any = session.client("sqs", endpoint_url=world.stack.sqs_endpoint)
    async with opened as sqs:
        queue = (await sqs.get_queue_url(QueueName=world.stack.sqs_queue))["QueueUrl"]
        body = {"MessageBody": marker, "MessageGroupId": marker, "MessageDeduplicationId": marker}
        await sqs.send_message(QueueUrl=queue, **body)

    async def kept() -> dict[str, Any] | None:
        found = (await world.tenants.get("/v1/dead-letters")).json()["dead_letters"]
        return next((letter for letter in found if letter["group"] == marker), None)

    assert (await eventually(kept))["reason"].startswith("rejected")
    customer = world.customer(await world.make_tenant())
    assert await customer.asks("opening hours") == ["Always."]


async def test_no_log_holds_a_customers_words_number_or_a_secret(world: World) -> None:
    rules = {"handover": {"phrases": {"en": ["real person"]}}}
    line = await world.make_tenant(rules=rules)
    customer = world.customer(line)
    canary = f"zebra{secrets.token_hex(8)}"
    await customer.asks(f"{canary} opening hours")
    await _fault(world, status=400, code=63016)
    await customer.says(f"real person {canary}")
    agent = await world.agent(line.tenant)
    conversation = (await agent.waiting())["id"]
    await agent.does(conversation, "accept", agent="Ada")
    await agent.does(conversation, "messages", id="m1", text=f"{canary} from Ada")
    assert f"{canary} from Ada" in await customer.hears(2)
    private = [canary, customer.phone.removeprefix("+"), line.token, world.stack.admin_key]
    private += [world.stack.app_token("sessions"), world.stack.sidecar_token("sessions")]
    for log in sorted((world.stack.data_dir / "logs").glob("*.log")):
        text = log.read_text(errors="replace")
        assert [secret for secret in private if secret in text] == [], log.name
