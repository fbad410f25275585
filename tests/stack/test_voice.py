"""Calls on the real stack: a caller at the stand-in's telephone, bot, agent, transfers, failures."""

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from m2n.events import DeskNotice
from m2n.message import Author
from m2n.wake_ups import WakeUps
from services.channels.voice.calls import CallKey, CallOver, Calls, NewLine
from services.handover.phone.transfer import Transfer
from tests.stack.tenant_documents import tenant_document, unused_id
from tests.stack.world import World, random_phone
from tests.waiting import LIMIT_S, eventually

pytestmark = pytest.mark.stack
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

MENU = {
    "default_language": "en",
    "fallback": {"en": ["Sorry, I did not understand."]},
    "base": "false",
    "intents": {
        "hours": {"phrases": {"en": ["when are you open", "opening hours"]}, "answers": {"en": ["Always."]}},
        "menu": {
            "phrases": {"en": ["what can I choose"]},
            "answers": {
                "en": [
                    {
                        "text": "Choose one.",
                        "choices": [
                            {"id": "a", "title": "Opening hours", "intent": "hours"},
                            {"id": "b", "title": "Prices", "intent": "prices"},
                        ],
                    }
                ]
            },
        },
        "prices": {"phrases": {"en": ["what does it cost"]}, "answers": {"en": ["It costs ten."]}},
    },
}


@dataclass
class VoiceLine:
    tenant: str
    connection: str
    token: str
    webhook: str


@dataclass
class Caller:
    """A caller on the stand-in's telephone."""

    world: World
    line: VoiceLine
    phone: str = field(default_factory=random_phone)
    heard_until: int = 0

    @property
    def _path(self) -> str:
        return f"/control/lines/voice/{self.line.connection}/customers/{self.phone}/messages"

    async def does(self, **said: Any) -> dict[str, Any]:
        answer = await self.world.simulator.post(self._path, json=said, timeout=90)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def hears(self, wanted: str, limit_s: float = LIMIT_S) -> str:
        """What the caller hears next that has this in it."""

        async def look() -> str | None:
            entries = await self.entries("outbound")
            found = next((e for e in entries if e["n"] > self.heard_until and wanted in e["text"]), None)
            if found:
                self.heard_until = found["n"]
            return found["text"] if found else None

        try:
            return await eventually(look, limit_s)
        except AssertionError:
            entries = await self.entries()
            raise AssertionError(f"{wanted!r} not heard in\n" + "\n".join(map(str, entries))) from None

    async def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        return [entry for entry in await self.world.ledger(self.phone) if kind in (None, entry["kind"])]


async def voice_line(world: World, **changes: Any) -> VoiceLine:
    """A tenant with a telephone number. ``settings`` are the connection's, ``rules`` the tenant's, over the usual."""
    tenant, token_name = unused_id(), "acme-twilio-token"
    document = tenant_document(tenant)
    settings = {
        "account_sid": f"AC{secrets.token_hex(16)}",
        "number": random_phone(),
        "silence_s": 2,
        "answer_within_s": 3,
    } | changes.pop("settings", {})
    rules = changes.pop("rules", {})
    handover = document["rules"]["handover"] | rules.pop("handover", {})
    document["rules"] |= rules | {"handover": handover}
    connection = f"{tenant}-voice"
    document["connections"] += [
        {
            "id": connection,
            "kind": "channel",
            "adapter": "voice",
            "settings": settings,
            "secrets": {"auth-token": {"key": token_name}},
        },
        *changes.pop("connections", []),
    ]
    document["connections"][0]["settings"]["content"] = changes.pop("content", MENU)
    await world.put_tenant(document | changes)
    token = world.stack.secrets[token_name]
    line = VoiceLine(tenant, connection, token, f"{world.stack.url('webhooks')}/webhooks/voice/{connection}")
    body = {
        "channel": "voice",
        "connection": connection,
        "webhook_url": line.webhook,
        "settings": settings,
        "secrets": {"auth-token": token},
    }
    answer = await world.simulator.put("/control/lines", json=body)
    assert answer.status_code == 204, answer.text
    return line


async def test_a_caller_asks_and_hears_the_bot(world: World) -> None:
    caller = Caller(world, await voice_line(world))
    assert (await caller.does(text="opening hours"))["status"] == 200
    await caller.hears("How can I help")
    await caller.hears("Always.")
    assert (await caller.does(hang_up=True))["status"] == 204
    assert await caller.entries("refused") == []


async def test_a_choice_is_offered_by_key_and_chosen_by_key(world: World) -> None:
    caller = Caller(world, await voice_line(world))
    await caller.does(text="what can I choose")
    assert "For Prices, press 2." in await caller.hears("Choose one.")
    await caller.does(digits="2")
    await caller.hears("It costs ten.")


async def test_the_agent_types_and_the_caller_hears(world: World) -> None:
    line = await voice_line(world, rules={"handover": {"phrases": {"en": ["real person"]}}})
    caller, agent = Caller(world, line), await world.agent(line.tenant)
    await caller.does(text="a real person please")
    await caller.hears("colleague")
    conversation = (await agent.waiting())["id"]
    await agent.does(conversation, "accept", agent="Ada")
    await caller.hears("talking to Ada")
    await agent.does(conversation, "messages", id="m1", text="This is Ada.")
    await caller.hears("This is Ada.")
    await caller.does(text="I lost my bike")
    await agent.sees(conversation, "I lost my bike")
    await agent.does(conversation, "end")
    await caller.hears("assistant again")
    await caller.does(text="opening hours")
    await caller.hears("Always.")


async def test_a_caller_who_hangs_up_in_mid_turn_ends_the_session(world: World) -> None:
    line = await voice_line(world)
    caller = Caller(world, line)
    world.stack.stop_part("nlp-builtin")
    try:
        await caller.does(text="opening hours")
        await caller.hears("One moment")
        assert (await caller.does(hang_up=True))["status"] == 204
    finally:
        await asyncio.to_thread(world.stack.start_part, "nlp-builtin")

    async def ended() -> bool:
        lines = await world.messages(tenant=line.tenant)
        return any(each["content"].get("event") == "ended" for each in lines if each["author"] == "customer")

    await eventually(ended)
    calls = await world.database["voice_calls"].find({"tenant": line.tenant}).to_list()
    assert [call["over"]["reason"] for call in calls] == ["completed"]
    again = await caller.does(text="opening hours")
    await caller.hears("Always.")
    assert again["message_id"] != calls[0]["call"]


async def test_over_the_socket_an_interruption_is_remembered(world: World) -> None:
    line = await voice_line(world, settings={"mode": "relay"})
    caller = Caller(world, line)
    await caller.does(text="what can I choose")
    await caller.hears("How can I help")
    await caller.hears("Choose one. For Opening hours, press 1.")
    await caller.does(text="what does it cost", extra={"interrupt": "Choose one. For Opening"})
    await caller.hears("It costs ten.")
    call = await world.database["voice_calls"].find_one({"tenant": line.tenant})
    assert call is not None
    cut = [(each["state"], each.get("heard")) for each in call["lines"]]
    assert cut[0] == ("cut", "Choose one. For Opening")
    await caller.does(digits="1")
    await caller.does(extra={"break_socket": True})
    await caller.hears("Please say it again")
    await caller.does(text="opening hours")
    await caller.hears("Always.")


async def test_a_failing_installation_is_heard_as_a_sentence_and_the_call_goes_on(world: World) -> None:
    caller = Caller(world, await voice_line(world))
    await caller.does(text="opening hours")
    await caller.hears("Always.")
    fault = {"channel": "voice", "status": 502, "drop": True}
    assert (await world.simulator.post("/control/faults", json=fault)).status_code == 204
    await caller.does(text="what does it cost")
    await caller.hears("something is not working at our end")
    await caller.hears("It costs ten.")


async def test_a_caller_is_connected_with_a_human_and_comes_back_to_the_bot(world: World) -> None:
    phone = {"id": unused_id("phone"), "kind": "desk", "adapter": "phone", "settings": {"label": "the shop"}}
    line = await voice_line(
        world,
        settings={"transfer": {"kind": "dial", "number": "+15550100009"}},
        connections=[phone],
        rules={"handover": {"phrases": {"en": ["real person"]}, "desk_by_channel": {"voice": phone["id"]}}},
    )
    caller = Caller(world, line)
    await caller.does(text="a real person please", extra={"human_after_s": 0.2, "human_talks_s": 0.5})
    await caller.hears("colleague")

    async def whispered() -> str | None:
        statuses = await caller.entries("status")
        return next((entry["words"] for entry in statuses if entry["status"] == "whispered"), None)

    assert "a real person please" in await eventually(whispered)
    await caller.hears("assistant again")
    await caller.does(text="opening hours")
    await caller.hears("Always.")
    events = await world.database["voice_calls"].find_one({"tenant": line.tenant})
    assert events is not None
    assert events["transfer"]["answered"] is True
    assert [entry for entry in await caller.entries("outbound") if "talking to" in entry["text"]] == []


async def test_when_nobody_answers_the_bot_goes_on_and_later_somebody_does(world: World) -> None:
    phone = {"id": unused_id("phone"), "kind": "desk", "adapter": "phone"}
    target = {"kind": "enqueue", "workflow_sid": f"WW{secrets.token_hex(16)}"}
    line = await voice_line(
        world,
        settings={"transfer": target},
        connections=[phone],
        rules={"handover": {"phrases": {"en": ["real person"]}, "desk_by_channel": {"voice": phone["id"]}}},
    )
    caller = Caller(world, line)
    await caller.does(text="a real person please", extra={"human": "queue-full"})
    await caller.hears("colleague")
    queued = [entry for entry in await caller.entries("status") if entry["status"] == "queued"]
    assert orjson.loads(queued[0]["task"])["reason"] == "customer_asked"
    await caller.hears("nobody is free")
    again = {"human": "answers", "human_after_s": 0.2, "human_talks_s": 0.5}
    await caller.does(text="opening hours", extra=again)
    await caller.hears("Always.")
    await caller.does(text="a real person please")
    await caller.hears("assistant again")

    async def joined() -> list[str]:
        events = await world.database["voice_calls"].find({"tenant": line.tenant}).to_list()
        return [call["transfer"]["id"] for call in events if call["transfer"].get("joined_at")]

    assert await eventually(joined)


async def test_a_caller_who_waits_in_vain_is_taken_out_of_the_queue(world: World) -> None:
    phone = {"id": unused_id("phone"), "kind": "desk", "adapter": "phone"}
    line = await voice_line(
        world,
        settings={"transfer": {"kind": "enqueue", "queue": "shop", "hold_music": "https://m2n.example/hold.mp3"}},
        connections=[phone],
        rules={
            "handover": {
                "phrases": {"en": ["real person"]},
                "desk_by_channel": {"voice": phone["id"]},
                "assign_timeout_s": 5,
            }
        },
    )
    caller = Caller(world, line)
    await caller.does(text="a real person please", extra={"human_after_s": 300})
    await caller.hears("♪")
    await caller.hears("nobody is free", limit_s=60)
    await caller.does(text="opening hours")
    await caller.hears("Always.")


async def test_while_the_database_stands_still_the_caller_hears_so_and_then_the_answer(world: World) -> None:
    caller = Caller(world, await voice_line(world))
    await caller.does(text="opening hours")
    await caller.hears("Always.")
    world.stack.suspend("mongod")
    try:
        assert (await caller.does(text="what does it cost"))["status"] == 200
        await caller.hears("something is not working at our end")
    finally:
        world.stack.resume("mongod")
    await caller.hears("It costs ten.", limit_s=60)
    assert [entry["text"] for entry in await caller.entries("outbound")].count("It costs ten.") == 1


# -- the calls in a real MongoDB -----------------------------------------------------------------------------------


@pytest.fixture
def calls(database: Any, redis: Redis) -> Calls:
    return Calls(database, WakeUps(redis, "voice"))


def new_key() -> CallKey:
    return CallKey("acme", "acme-voice", f"CA{secrets.token_hex(16)}")


def new_line(number: int, text: str = "hello", **changes: Any) -> NewLine:
    values = {"key": f"s.{number}", "message": f"s.{number}", "text": text, "author": Author.BOT, "at": NOW}
    return NewLine.model_validate(values | changes)


async def test_messages_are_taken_once_by_one_look_and_again_by_the_same(calls: Calls) -> None:
    await calls.prepare()
    key = new_key()
    added = await asyncio.gather(*(calls.append(key, new_line(number % 5)) for number in range(20)))
    assert sum(added) == 5
    taken = await asyncio.gather(*(calls.take(key, f"{number}.0") for number in range(8)))
    assert sorted(line.key for lines in taken for line in lines) == [f"s.{number}" for number in range(5)]
    (look,) = [number for number, lines in enumerate(taken) if lines]
    assert await calls.take(key, f"{look}.0") == taken[look]


async def test_what_a_lost_answer_held_is_taken_by_the_next_look(calls: Calls) -> None:
    key = new_key()
    await calls.append(key, new_line(1))
    assert [line.key for line in await calls.take(key, "1.0")] == ["s.1"]
    await calls.put_back(key, "1.0")
    await calls.put_back(key, "0.9")
    assert [line.key for line in await calls.take(key, "1.1")] == ["s.1"]
    assert await calls.take(key, "1.2") == ()


async def test_a_call_that_is_over_takes_nothing_and_says_what_was_not_heard(calls: Calls) -> None:
    key = new_key()
    await calls.append(key, new_line(1))
    await calls.take(key, "1.0")
    await calls.append(key, new_line(2))
    assert await calls.end(key, "completed") == ("s.2",)
    assert await calls.end(key, "failed") == ()
    with pytest.raises(CallOver):
        await calls.append(key, new_line(3))
    assert await calls.append(key, new_line(2)) is False
    call = await calls.get(key)
    assert call is not None
    assert call.over is not None
    assert call.over.reason == "completed"


async def test_an_interruption_is_kept_and_its_answers_rest_not_said(calls: Calls) -> None:
    key = new_key()
    for number in (1, 2):
        await calls.append(key, new_line(number))
    await calls.take(key, "1.0")
    await calls.cut(key, {"s.1": "hel", "s.2": ""}, NOW)
    await calls.append(key, new_line(3))
    await calls.append(key, new_line(4, at=NOW + timedelta(milliseconds=5)))
    assert [line.key for line in await calls.take(key, "2.0")] == ["s.4"]
    call = await calls.get(key)
    assert call is not None
    assert [(line.state, line.heard) for line in call.lines[:2]] == [("cut", "hel"), ("cut", "")]


async def test_a_transfer_is_begun_once_and_ends_once(calls: Calls) -> None:
    key = new_key()
    target = {"kind": "dial", "number": "+15550100009"}
    transfer = Transfer.model_validate({"id": f"{key.sid}:2", "target": target, "asked_at": NOW})
    asked = await asyncio.gather(*(calls.ask_transfer(key, transfer) for _ in range(5)))
    assert {one.id for one in asked if one} == {transfer.id}
    taken = await asyncio.gather(*(calls.take_transfer(key, f"{number}.0") for number in range(5)))
    (by,) = [one.by for one in taken if one]
    assert by is not None
    assert (await calls.take_transfer(key, by)) is not None
    first, second = await calls.end_transfer(key, True), await calls.end_transfer(key, False)
    assert first == second
    assert first is not None
    assert first.answered is True
    assert await calls.take_transfer(key, by) is None
    assert await calls.ask_transfer(key, transfer) == first


async def test_a_transfer_may_be_taken_back_before_and_after_it_comes(calls: Calls) -> None:
    target = {"kind": "dial", "number": "+15550100009"}
    for before in (True, False):
        key = new_key()
        values = {"id": f"{key.sid}:2", "target": target, "asked_at": NOW}
        notice = DeskNotice.model_validate(
            {"id": "n", "tenant": "acme", "profile_id": "P", "session_id": key.sid, "epoch": 2, "what": "cancelled"}
            | {"at": NOW}
        )
        if before:
            await calls.recall(values["id"], notice)
        await calls.ask_transfer(key, Transfer.model_validate(values))
        if not before:
            await calls.recall(values["id"], notice)
        assert await calls.take_transfer(key, "1.0") is None


async def test_a_waiting_look_is_woken_by_another_process(calls: Calls, database: Any, redis: Redis) -> None:
    elsewhere, key = Calls(database, WakeUps(redis, "voice")), new_key()
    listening = asyncio.create_task(calls.wakeups.listen())
    try:
        with calls.wakeups.waiter(key.id) as waiter:
            await asyncio.wait_for(waiter.wait(30), 10)  # the subscription itself wakes
            await elsewhere.append(key, new_line(1))
            await asyncio.wait_for(waiter.wait(30), 10)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
