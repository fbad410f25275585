"""The built-in desk: turns come in as the sidecar brings them, agents work through the API."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import pytest_asyncio

from m2n.clock import now
from m2n.events import DeskNotice, HandoverReason, Line, Owner, SessionFacts, Turn
from m2n.message import Address, Author, Identity, Inbound, TextContent
from m2n.serialization import to_json
from tests.stack.tenant_documents import tenant_document, unused_id
from tests.waiting import eventually

pytestmark = pytest.mark.stack
CONVERSATIONS = "/v1/desk/conversations"


@dataclass
class Desk:
    """A tenant with an agent, and the sidecar's way to the desk."""

    tenant: str
    api: httpx.AsyncClient
    agent: dict[str, str]
    sidecar: dict[str, str]
    lanes: str
    to_lanes: dict[str, str]

    def turn(self, session: str, *texts: str, first_seq: int = 1, epoch: int = 1, number: int = 1) -> Turn:
        lines = tuple(customer_line(first_seq + at, text) for at, text in enumerate(texts))
        facts = SessionFacts(
            tenant=self.tenant,
            profile_id="p1",
            session_id=session,
            epoch=epoch,
            owner=Owner.HUMAN,
            language="en",
            address=Address(connection=f"{self.tenant}-web", channel="webchat", to="+15550100077"),
            display_name="Ada",
            handover_reason=HandoverReason.ASKED,
            history=lines[:1],
        )
        return Turn(
            id=f"{session}.t{number}",
            session=facts,
            lines=lines,
            received_at=now(),
            connection=f"{self.tenant}-desk",
        )

    async def bring(self, event: Turn | DeskNotice) -> None:
        body = {"data": event.model_dump(mode="json")}
        answer = await self.api.post("/events/desk.builtin", json=body, headers=self.sidecar)
        assert (answer.status_code, answer.json()) == (200, {"status": "SUCCESS"})

    async def notice(self, session: str, *, epoch: int = 1) -> None:
        id_ = f"{session}.{epoch}.cancelled"
        await self.bring(
            DeskNotice(
                id=id_, tenant=self.tenant, profile_id="P1", session_id=session, epoch=epoch, what="cancelled", at=now()
            )
        )

    async def call(self, conversation: str, action: str, **body: Any) -> httpx.Response:
        return await self.api.post(f"{CONVERSATIONS}/{conversation}/{action}", json=body, headers=self.agent)

    async def listed(self, status: str, **query: Any) -> dict[str, Any]:
        answer = await self.api.get(CONVERSATIONS, params={"status": status, **query}, headers=self.agent)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def read(self, conversation: str) -> dict[str, Any]:
        answer = await self.api.get(f"{CONVERSATIONS}/{conversation}", headers=self.agent)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def waiting(self, *texts: str) -> str:
        """A new conversation that waits."""
        session = unused_id("s")
        await self.bring(self.turn(session, *(texts or ("a human please",))))
        return f"{session}:1"

    async def says(self, profile: str, text: str) -> None:
        """A customer's message, given to the lane itself."""
        message = Inbound(
            tenant=self.tenant,
            address=Address(connection=f"{self.tenant}-web", channel="webchat", to="+15550100077"),
            vendor_message_id=unused_id("m"),
            identities=(Identity(scheme="web_visitor", value=profile),),
            content=TextContent(text=text),
            received_at=now(),
            display_name="Ada",
        )
        path = f"{self.lanes}/v1.0/actors/SessionActor/{self.tenant}:{profile}/method/accept"
        answer = await self.api.post(path, content=to_json(message), headers=self.to_lanes)
        assert answer.json()["result"] == "applied"

    async def handed_over(self, *said: str) -> str:
        """A conversation that the lane gave to the desk, as the tenant pins everything to humans; it waits."""
        profile = unused_id("p")
        conversation = f"{profile}.1:2"
        for text in said or ("a human please",):
            await self.says(profile, text)
            await self.shows(conversation, text)
        return conversation

    async def shows(self, conversation: str, text: str) -> None:
        async def look() -> bool:
            answer = await self.api.get(f"{CONVERSATIONS}/{conversation}", headers=self.agent)
            return answer.status_code == 200 and text in texts(answer.json())

        await eventually(look)

    async def active(self) -> str:
        conversation = await self.handed_over()
        assert (await self.call(conversation, "accept", agent="Grace")).status_code == 200
        return conversation


def customer_line(seq: int, text: str) -> Line:
    return Line(seq=seq, author=Author.CUSTOMER, author_name="Ada", content=TextContent(text=text), at=now())


async def open_desk(stack: Any, client: httpx.AsyncClient, role: str = "agent") -> Desk:
    """A new tenant and a key of it that the desk knows."""
    tenant, admin = unused_id(), bearer(stack.admin_key)
    async with httpx.AsyncClient(base_url=stack.url("tenants"), headers=admin, timeout=20) as tenants:
        document = tenant_document(tenant)
        document["rules"]["pin"] = "human"
        made = await tenants.put(f"/v1/tenants/{tenant}", json=document)
        assert made.status_code == 201, made.text
        key = (await tenants.post(f"/v1/tenants/{tenant}/api-keys", json={"id": "desk", "role": role})).json()["key"]
    sidecar = {"dapr-api-token": stack.app_token("handover-desk")}
    to_lanes = {"dapr-api-token": stack.sidecar_token("handover-desk")}
    lanes = stack.sidecar_url("handover-desk")
    return await usable(Desk(tenant, client, bearer(key), sidecar, lanes, to_lanes))


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def usable(desk: Desk) -> Desk:
    """The desk, once its copy of the tenant holds the key."""

    async def known() -> bool:
        return (await desk.api.get(CONVERSATIONS, headers=desk.agent)).status_code == 200

    await eventually(known)
    return desk


@pytest_asyncio.fixture
async def client(stack: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.url("handover-desk"), timeout=20) as opened:
        yield opened


@pytest_asyncio.fixture
async def desk(stack: Any, client: httpx.AsyncClient) -> Desk:
    return await open_desk(stack, client)


def texts(conversation: dict[str, Any]) -> list[str]:
    return [line["content"]["text"] for line in conversation["lines"]]


async def test_a_conversation_from_waiting_to_closed(desk: Desk) -> None:
    conversation = await desk.handed_over("hello", "a human please")
    (listed,) = (await desk.listed("waiting"))["conversations"]
    assert listed["id"] == conversation
    assert (listed["reason"], listed["display_name"]) == ("pinned", "Ada")
    assert listed["last_line"]["content"]["text"] == "a human please"

    accepted = await desk.call(conversation, "accept", agent="Grace")
    assert (accepted.status_code, accepted.json()["status"]) == (200, "active")
    assert (await desk.call(conversation, "messages", id="m1", text="Hello Ada")).status_code == 200
    assert (await desk.call(conversation, "notes", text="knows us")).status_code == 200
    await desk.says(conversation.removesuffix(".1:2"), "thanks")
    await desk.shows(conversation, "thanks")
    assert (await desk.call(conversation, "end")).status_code == 200

    read = await desk.read(conversation)
    assert texts(read) == ["hello", "a human please", "Hello Ada", "thanks"]
    assert [line["author"] for line in read["lines"]] == ["customer", "customer", "agent", "customer"]
    assert (read["status"], read["closed_because"], read["agent"]) == ("closed", "ended", "Grace")
    assert [note["text"] for note in read["notes"]] == ["knows us"]
    assert "+15550100077" not in str(read), "the customer's number is not the agents' to see"


async def test_lines_that_come_again_or_at_once_are_kept_once(desk: Desk) -> None:
    session = unused_id("s")
    first, second = desk.turn(session, "one", "two"), desk.turn(session, "three", first_seq=3, number=2)
    await asyncio.gather(*(desk.bring(first) for _ in range(8)))
    await asyncio.gather(*(desk.bring(turn) for turn in [first, second] * 4))
    assert texts(await desk.read(f"{session}:1")) == ["one", "two", "three"]


async def test_of_many_agents_one_gets_it(desk: Desk) -> None:
    conversation = await desk.handed_over()
    names = [f"Agent {number}" for number in range(10)]
    answers = await asyncio.gather(*(desk.call(conversation, "accept", agent=name) for name in names))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 9]
    winner = (await desk.read(conversation))["agent"]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["error"] == f"the conversation was accepted by {winner} already"
    assert (await desk.call(conversation, "accept", agent=winner)).status_code == 200


async def test_only_the_agent_who_accepted_writes(desk: Desk) -> None:
    conversation = await desk.handed_over()
    early = await desk.call(conversation, "messages", id="m0", text="Hello")
    assert (early.status_code, "accept it first" in early.text) == (409, True)
    await desk.call(conversation, "accept", agent="Grace")
    other = await desk.call(conversation, "messages", id="m1", text="Hello", agent="Mallory")
    assert (other.status_code, "Grace" in other.text) == (409, True)
    assert (await desk.call(conversation, "end", agent="Mallory")).status_code == 409
    assert (await desk.call(conversation, "messages", id="m1", text="Hello", agent="Grace")).status_code == 200


async def test_a_repeated_message_is_one_message(desk: Desk) -> None:
    conversation = await desk.active()
    answers = await asyncio.gather(*(desk.call(conversation, "messages", id="m1", text="Hi") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert texts(await desk.read(conversation)) == ["a human please", "Hi"]
    other = await desk.call(conversation, "messages", id="m1", text="Something else")
    assert other.status_code == 409
    assert texts(await desk.read(conversation)) == ["a human please", "Hi"]


async def test_end_and_return_are_repeatable_but_exclude_each_other(desk: Desk) -> None:
    conversation = await desk.active()
    assert (await desk.call(conversation, "return")).status_code == 200
    again = await desk.call(conversation, "return")
    assert (again.status_code, again.json()["closed_because"]) == (200, "returned")
    late = await desk.call(conversation, "end")
    assert (late.status_code, "given back to the bot" in late.text) == (409, True)
    assert (await desk.call(conversation, "messages", id="m9", text="late")).status_code == 409


async def test_the_lane_takes_a_conversation_back(desk: Desk) -> None:
    conversation = await desk.waiting()
    session = conversation.removesuffix(":1")
    await desk.notice(session)
    late = await desk.call(conversation, "accept", agent="Grace")
    assert (late.status_code, "nobody accepted in time" in late.text) == (409, True)
    await desk.bring(desk.turn(session, "still there?", first_seq=2, number=2))
    assert texts(await desk.read(conversation)) == ["a human please"], "a closed epoch takes no more lines"
    await desk.bring(desk.turn(session, "hello again", first_seq=5, epoch=3, number=3))
    assert (await desk.read(f"{session}:3"))["status"] == "waiting", "a new handover is a new conversation"


async def test_a_notice_that_overtakes_its_turn(desk: Desk) -> None:
    session = unused_id("s")
    await desk.notice(session)
    await desk.bring(desk.turn(session, "a human please"))
    assert (await desk.listed("waiting"))["conversations"] == []
    answer = await desk.api.get(f"{CONVERSATIONS}/{session}:1", headers=desk.agent)
    assert answer.status_code == 404


async def test_pages(desk: Desk) -> None:
    opened = [await desk.waiting() for _ in range(5)]
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = await desk.listed("waiting", **query)
        found += [conversation["id"] for conversation in page["conversations"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert found == opened, "oldest first, each once"


async def test_tenants_never_meet(desk: Desk, stack: Any, client: httpx.AsyncClient) -> None:
    conversation = await desk.waiting()
    other = await open_desk(stack, client)
    assert (await other.listed("waiting"))["conversations"] == []
    assert (await other.api.get(f"{CONVERSATIONS}/{conversation}", headers=other.agent)).status_code == 404
    for action, body in {"accept": {"agent": "Eve"}, "messages": {"id": "m", "text": "x"}, "end": {}}.items():
        assert (await other.call(conversation, action, **body)).status_code == 404
    assert (await desk.read(conversation))["status"] == "waiting"


async def test_a_turn_with_a_foreign_connection_is_not_shown(desk: Desk, stack: Any, client: httpx.AsyncClient) -> None:
    other = await open_desk(stack, client)
    session = unused_id("s")
    foreign = desk.turn(session, "hello").model_copy(update={"connection": f"{other.tenant}-desk"})
    await desk.bring(foreign)
    for each in (desk, other):
        assert (await each.listed("waiting"))["conversations"] == []


async def test_a_supervisor_may_end_what_another_key_accepted(stack: Any, client: httpx.AsyncClient) -> None:
    desk = await open_desk(stack, client, role="admin")
    conversation = await desk.active()
    admin = bearer(stack.admin_key)
    async with httpx.AsyncClient(base_url=stack.url("tenants"), headers=admin) as tenants:
        path = f"/v1/tenants/{desk.tenant}/api-keys"
        key = (await tenants.post(path, json={"id": "agent-2", "role": "agent"})).json()["key"]
    second = await usable(replace(desk, agent=bearer(key)))
    assert (await second.call(conversation, "messages", id="m1", text="x", agent="Grace")).status_code == 409
    assert (await second.call(conversation, "end")).status_code == 409
    mine = await second.handed_over()
    assert (await second.call(mine, "accept", agent="Linus")).status_code == 200
    assert (await desk.call(mine, "end")).status_code == 200


async def test_nothing_is_anonymous(desk: Desk) -> None:
    conversation = await desk.waiting()
    for path in (CONVERSATIONS, f"{CONVERSATIONS}/{conversation}"):
        assert (await desk.api.get(path)).status_code == 401
        assert (await desk.api.get(path, headers={"authorization": "Bearer nonsense"})).status_code == 401
    accept = await desk.api.post(f"{CONVERSATIONS}/{conversation}/accept", json={"agent": "Eve"})
    assert accept.status_code == 401
    body = {"data": desk.turn("s", "x").model_dump(mode="json")}
    assert (await desk.api.post("/events/desk.builtin", json=body)).status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": "no id"}, "id"),
        ({"id": "m1", "text": ""}, "text"),
        ({"id": "m1", "text": " \n"}, "text"),
        ({"id": "m1", "text": "x" * 4097}, "text"),
        ({"id": "a b", "text": "x"}, "id"),
        ({"id": "m1", "text": "x", "agnet": "Grace"}, "agnet"),
    ],
)
async def test_bad_messages_are_refused_with_the_field(desk: Desk, body: dict[str, str], field: str) -> None:
    conversation = await desk.active()
    refused = await desk.call(conversation, "messages", **body)
    assert refused.status_code == 422
    assert [problem["field"] for problem in refused.json()["details"]] == [field]


async def test_words_that_a_database_could_take_for_its_own(desk: Desk) -> None:
    said = ["$lines", '{"$gt": ""}', "5h", "null", "🚲 שלום", "a\x00b"]
    conversation = await desk.handed_over(*said)
    await desk.call(conversation, "accept", agent="$agent")
    await desk.call(conversation, "messages", id="m1", text="$status")
    read = await desk.read(conversation)
    assert texts(read) == [*said, "$status"]
    assert read["agent"] == "$agent"


async def test_an_agent_is_told_when_the_lane_has_moved_on(desk: Desk) -> None:
    """The desk still shows the conversation, but the session is not the human side's any more."""
    conversation = await desk.waiting()
    answer = await desk.call(conversation, "accept", agent="Grace")
    assert (answer.status_code, "not the desk's any more" in answer.text) == (409, True)
    assert (await desk.read(conversation))["status"] == "closed"
