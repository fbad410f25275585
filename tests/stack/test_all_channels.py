"""Every channel on the real stack: customer, bot, agent and back, media both ways, choices, consent, receipts."""

import secrets
import time
from typing import Any

import orjson
import pytest
import pytest_asyncio

from services.channels.meta_core.signature import signature
from tests.stack.line_customer import LineCustomer, picture_at
from tests.stack.world import Agent, World
from tests.waiting import eventually

pytestmark = pytest.mark.stack
LINES = {
    "whatsapp_twilio": "acme-whatsapp",
    "sms": "acme-sms",
    "whatsapp_cloud": "acme-whatsapp-cloud",
    "messenger": "acme-messenger",
    "signal": "acme-signal",
    "telegram": "acme-telegram",
}
"""Channels of the simulator's lines that are written on; voice and web chat have tests of their own as well."""
ALL_LINES = LINES | {"voice": "acme-voice"}
WITH_RECEIPTS = ("whatsapp_twilio", "sms", "whatsapp_cloud", "messenger", "signal")
CONSENT_OURS = ("whatsapp_cloud", "messenger", "signal", "telegram")
each_channel = pytest.mark.parametrize("channel", LINES)


@pytest_asyncio.fixture
async def agent(world: World) -> Agent:
    return await world.agent("acme-bikes")


def customer_of(world: World, channel: str) -> LineCustomer:
    return LineCustomer(world, channel, ALL_LINES[channel])


async def handed_over(customer: LineCustomer, agent: Agent) -> str:
    """The conversation that an agent has accepted."""
    await customer.asks("I would like to talk to a real person", "one of our bike people")
    conversation = (await agent.waiting())["id"]
    assert (await agent.does(conversation, "accept", agent="Ada")).status_code == 200
    await customer.hears_text("You are now talking to Ada")
    return conversation


async def whole(agent: Agent, conversation: str) -> dict[str, Any]:
    answer = await agent.desk.get(f"/conversations/{conversation}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("channel", ALL_LINES)
async def test_bot_agent_and_bot_again(world: World, agent: Agent, channel: str) -> None:
    customer = customer_of(world, channel)
    await customer.asks("how much is an e-bike for a day?", "32")
    conversation = await handed_over(customer, agent)
    await agent.does(conversation, "messages", id="m1", text="Hello, Ada here.")
    await customer.hears_text("Hello, Ada here.")
    await customer.does(text="my tyre is flat")
    await agent.sees(conversation, "my tyre is flat")
    assert (await agent.does(conversation, "end")).status_code == 200
    await customer.hears_text("assistant again")
    await customer.asks("how much is an e-bike for a day?", "32")


@each_channel
async def test_a_picture_reaches_the_agent_and_one_comes_back(world: World, agent: Agent, channel: str) -> None:
    customer = customer_of(world, channel)
    conversation = await handed_over(customer, agent)
    picture = f"{world.stack.url('simulator')}/static/picture.png"
    bytes_of_it = await picture_at(picture)
    await customer.does(media=[{"url": picture, "content_type": "image/png"}])

    async def seen() -> dict[str, Any] | None:
        lines = (await whole(agent, conversation))["lines"]
        return next((line["media"] for line in lines if line.get("media", {}).get("state") == "stored"), None)

    media = await eventually(seen)
    assert media["mime"].startswith("image/png")
    assert await picture_at(media["link"]) == bytes_of_it

    headers = {"content-type": "image/png", "x-filename": "map.png"}
    uploaded = await agent.desk.post("/media", content=bytes_of_it, headers=headers)
    assert uploaded.status_code == 201, uploaded.text
    sent = await agent.does(conversation, "messages", id="p1", media=uploaded.json()["id"], text="Here is the map.")
    assert sent.status_code == 200, sent.text
    heard, pictures = "", list[str]()
    while "Here is the map." not in heard or not pictures:
        message = await customer.hears()
        heard, pictures = heard + message["text"], pictures + message["pictures"] + message["files"]
    assert await picture_at(pictures[0]) == bytes_of_it
    await agent.does(conversation, "end")


@each_channel
async def test_what_the_bot_offers_can_be_picked(world: World, channel: str) -> None:
    """As a button where the channel has those, else by its number."""
    customer = customer_of(world, channel)
    await customer.does(text="hi")
    offered = await customer.hears()
    while not (offered["choices"] or "\n2. " in offered["text"]):
        offered = await customer.hears()
    if offered["choices"]:
        said = offered["choices"][1]["says"]
        title = offered["choices"][1]["title"]
    else:
        said = {"text": "2"}
        title = next(line[3:] for line in offered["text"].splitlines() if line.startswith("2. "))
    await customer.does(**said)
    await customer.hears()

    async def turned() -> bool:
        lines = await customer.lines()
        answers = [line for line in lines if line["author"] == "bot" and line["intent"]]
        return len(answers) >= 2 and answers[-1]["intent"] != answers[0]["intent"]

    await eventually(turned)
    assert title


@pytest.mark.parametrize("channel", CONSENT_OURS)
async def test_stop_holds_everything_back_until_start(world: World, channel: str) -> None:
    customer = customer_of(world, channel)
    await customer.asks("how much is an e-bike for a day?", "32")
    await customer.asks("STOP", "You will not get any more messages")
    await customer.does(text="how much is an e-bike for a day?")
    await customer.asks("START", "Welcome back")
    await customer.asks("how much is an e-bike for a day?", "32")
    heard = [entry["text"] for entry in await customer.ledger("outbound")]
    assert len([text for text in heard if "32" in text]) == 2, "not while the customer had opted out"
    profile = (await customer.lines())[0]["profile_id"]

    async def recorded() -> bool:
        """Events are written beside the conversation, too."""
        events = await world.database["session_events"].find({"profile_id": profile}).to_list()
        return {"consent.withdrawn", "consent.given"} <= {event["what"] for event in events}

    await eventually(recorded)


async def test_twilio_answers_stop_itself_and_the_bot_is_silent(world: World) -> None:
    customer = customer_of(world, "sms")
    await customer.asks("how much is an e-bike for a day?", "32")
    await customer.does(text="STOP")
    assert (await customer.hears_text("unsubscribed"))["by"]
    await customer.does(text="how much is an e-bike for a day?")
    await customer.does(text="START")
    assert (await customer.hears_text("re-subscribed"))["by"]
    await customer.asks("how much is an e-bike for a day?", "32")
    assert await customer.ledger("refused") == []
    ours = [entry for entry in await customer.ledger("outbound") if not entry["by"] and "32" in entry["text"]]
    assert len(ours) == 2


@pytest.mark.parametrize("channel", WITH_RECEIPTS)
async def test_receipts_reach_the_transcript(world: World, channel: str) -> None:
    customer = customer_of(world, channel)
    await customer.asks("how much is an e-bike for a day?", "32")
    wanted = "delivered" if channel == "sms" else "read"

    async def told() -> bool:
        answers = [line for line in await customer.lines() if line["author"] == "bot"]
        return bool(answers) and all(line.get("status") == wanted for line in answers)

    await eventually(told)


@each_channel
async def test_the_same_message_twice_has_one_effect(world: World, channel: str) -> None:
    customer = customer_of(world, channel)
    first = await customer.does(text="how much is an e-bike for a day?")
    await customer.hears_text("32")
    await customer.does(text="how much is an e-bike for a day?", message_id=first["message_id"])
    await customer.asks("how much is delivery", "within 10 km")

    async def written() -> list[str] | None:
        """The transcript is written beside the conversation, a customer's lines in their order."""
        said = [line["content"]["text"] for line in await customer.lines() if line["author"] == "customer"]
        return said if "how much is delivery" in said else None

    assert await eventually(written) == ["how much is an e-bike for a day?", "how much is delivery"]


async def test_a_piece_in_a_private_network_is_not_fetched(world: World) -> None:
    """Messenger's webhook names the address of a piece itself; this one leads to a service of ours."""
    mid = f"m_{secrets.token_hex(12)}"
    attachment = {"type": "image", "payload": {"url": f"{world.stack.url('tenants')}/health"}}
    item = {
        "sender": {"id": "700000000000001"},
        "recipient": {"id": "300000000000001"},
        "timestamp": int(time.time() * 1000),
        "message": {"mid": mid, "attachments": [attachment]},
    }
    entry = {"id": "300000000000001", "time": item["timestamp"], "messaging": [item]}
    body = orjson.dumps({"object": "page", "entry": [entry]})
    signed = {"x-hub-signature-256": signature(world.stack.secrets["acme-meta-app-secret"], body)}
    path = "/webhooks/messenger/acme-messenger"
    headers = {"content-type": "application/json", **signed}
    assert (await world.edge.post(path, content=body, headers=headers)).status_code == 200

    async def line() -> dict[str, Any] | None:
        return await world.database["messages"].find_one({"vendor_message_id": mid})

    media = (await eventually(line))["content"]["media"]
    assert (media["state"], media["problem"]) == ("failed", "its address leads into a private network")


async def test_an_agent_sees_what_became_of_a_message(world: World, agent: Agent) -> None:
    customer = customer_of(world, "whatsapp_cloud")
    conversation = await handed_over(customer, agent)
    await agent.does(conversation, "messages", id="m1", text="Hello")
    await customer.hears_text("Hello")

    async def read() -> bool:
        lines = (await whole(agent, conversation))["lines"]
        said = next(line for line in lines if line["key"] == "say:m1")
        return said["delivery"]["status"] == "read"

    await eventually(read)
    await customer.asks("STOP", "You will not get any more messages")
    await agent.does(conversation, "messages", id="m2", text="Are you still there?")

    async def refused() -> dict[str, Any] | None:
        lines = (await whole(agent, conversation))["lines"]
        said = next(line for line in lines if line["key"] == "say:m2")
        return said["delivery"] if said["delivery"]["status"] == "failed" else None

    assert (await eventually(refused))["code"] == "m2n-opted-out"
    await agent.does(conversation, "end")
