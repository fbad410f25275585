"""``m2n replay`` beside the running stack: what the services recorded comes out the same."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.stack.world import Customer, World
from tests.waiting import eventually

pytestmark = pytest.mark.stack

M2N = Path(sys.executable).with_name("m2n")
PERSON = {"handover": {"phrases": {"en": ["real person"]}}}


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


async def m2n_replay(world: World, *arguments: object) -> Said:
    environment = {"M2N_MONGO_URL": world.stack.mongo_url, "M2N_MONGO_DATABASE": world.stack.mongo_database}
    process = await asyncio.create_subprocess_exec(
        str(M2N), "replay", *map(str, arguments), env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return Said(process.returncode or 0, out.decode(), err.decode())


async def recorded(world: World, customer: Customer, at_least: int) -> str:
    """The customer's session, once the lane has written so many steps of it."""
    session = str((await customer.transcript())[0]["session_id"])

    async def written() -> bool:
        return await world.database["session_steps"].count_documents({"sessions": session}) >= at_least

    await eventually(written)
    return session


async def test_a_conversation_with_bot_and_agent_replays_equal(world: World, tmp_path: Path) -> None:
    line = await world.make_tenant(rules=PERSON)
    customer, agent = world.customer(line), await world.agent(line.tenant)
    await customer.asks("opening hours")
    await customer.asks("a real person please")
    conversation = (await agent.waiting())["id"]
    await agent.does(conversation, "accept", agent="Ada")
    await customer.hears()
    await agent.does(conversation, "messages", id="m1", text="hello from Ada")
    await agent.does(conversation, "end")
    await customer.hears(2)
    await customer.asks("opening hours")
    session = str((await customer.transcript())[0]["session_id"])

    async def equal() -> Said | None:
        said = await m2n_replay(world, session)
        return said if said.out.startswith("equal: ") and int(said.out.split()[1]) >= 9 else None

    said = await eventually(equal)
    assert (said.code, said.err) == (0, "")

    file = tmp_path / "session.json"
    saved = await m2n_replay(world, session, "--tenant", line.tenant, "--save", file, "--anonymous")
    assert (saved.code, saved.err) == (0, "")
    assert (await m2n_replay(world, "--file", file)).code == 0
    text = file.read_text(encoding="utf-8")
    private = [customer.phone.removeprefix("+"), "hello from Ada", "opening hours", line.tenant, line.sender, session]
    assert [word for word in private if word in text] == []


async def test_an_unknown_session_and_a_foreign_tenant_exit_with_2(world: World) -> None:
    customer = world.customer(await world.make_tenant())
    await customer.asks("opening hours")
    session = await recorded(world, customer, 2)
    assert (await m2n_replay(world, session, "--tenant", "nordlicht")).code == 2
    listed = await m2n_replay(world, "--tenant", customer.line.tenant)
    assert (listed.code, listed.out.split()[:2]) == (0, [session, customer.line.tenant])
    said = await m2n_replay(world, "nobody.1")
    assert (said.code, said.out) == (2, "")
    assert said.err == "nobody.1: nothing is recorded of a session 'nobody.1'; it may be too long ago\n"


async def test_a_step_that_is_gone_and_one_that_came_out_otherwise_are_said(world: World) -> None:
    customer = world.customer(await world.make_tenant())
    for _ in range(2):
        await customer.asks("opening hours")
    session = await recorded(world, customer, 4)
    steps: Any = world.database["session_steps"]
    second = await steps.find_one({"sessions": session, "step": 2})
    changed = second["result"].replace('"owner":"bot"', '"owner":"human"')
    await steps.update_one({"_id": second["_id"]}, {"$set": {"result": changed}})
    said = await m2n_replay(world, session)
    assert said.code == 1
    assert "different at step 2" in said.out
    assert '  field:    session.owner\n  recorded: "human"\n  now:      "bot"' in said.out
    await steps.delete_one({"_id": second["_id"]})
    said = await m2n_replay(world, session)
    assert (said.code, said.err) == (2, f"{session}: missing: step 2 (after step 1 comes step 3)\n")


async def test_records_and_tenants_expire(world: World) -> None:
    for name in ("session_steps", "session_step_tenants"):
        indexes = await world.database[name].index_information()
        assert indexes["expiry"]["expireAfterSeconds"] == 0
    customer = world.customer(await world.make_tenant())
    await customer.asks("opening hours")
    session = await recorded(world, customer, 2)
    steps, tenants = world.database["session_steps"], world.database["session_step_tenants"]
    step = await steps.find_one({"sessions": session})
    assert step
    tenant = await tenants.find_one({"_id": f"{customer.line.tenant}:{step['tenant_digest']}"})
    assert tenant
    assert tenant["expires_at"] > step["expires_at"]
