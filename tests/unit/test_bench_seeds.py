"""What the benchmark writes straight into the database is what the services would have left there."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from pydantic import BaseModel

from bench.grown_lane import GrownLane, grown_lane
from bench.seeds import Person, address_of, crowd, lane_document, profile_documents
from m2n.message import Address, Identity, Inbound, TextContent
from m2n.serialization import from_json, from_state
from services.identification.profiles import CustomerProfile, ProfileRef, Profiles
from services.sessions.domain import Result, Step
from services.sessions.lane import APPLIED_PER_BUCKET, HISTORY_LINES, Lane
from services.sessions.lane_store import LaneStore
from tests.faults.customers import Line
from tests.unit.builders import NOON, inbound, tenant

LINE = Line("acme", "whatsapp_twilio", "acme-whatsapp", "AC1", "whatsapp:+15550100001", "token")
PERSON = Person(LINE, "P1", "+15550100002")
M = TypeVar("M", bound=BaseModel)


class Collection:
    """Keeps the one document that is made."""

    async def update_one(self, where: dict[str, Any], change: dict[str, Any], upsert: bool) -> SimpleNamespace:
        self.document = where | change["$set"]
        return SimpleNamespace(matched_count=0, upserted_id=where["_id"])


class KeepingStore:
    """Keeps what a service creates, by its key."""

    def __init__(self) -> None:
        self.created: dict[str, BaseModel] = {}

    async def create_state(self, key: str, value: BaseModel, ttl_s: int | None = None) -> bool:
        return self.created.setdefault(key, value) is value

    async def get_state(self, key: str, kind: type[M]) -> M | None:
        return None


async def test_profiles_are_those_that_identification_makes() -> None:
    store = KeepingStore()
    message = Inbound(
        tenant=LINE.tenant,
        address=address_of(LINE, PERSON.to),
        vendor_message_id="SM1",
        identities=(Identity(scheme="phone", value=PERSON.phone),),
        content=TextContent(text="hello"),
        received_at=NOON,
        display_name="somebody",
    )
    await Profiles(store, lambda: PERSON.profile_id).profile_of(message)
    identity, profile = profile_documents(PERSON, NOON)
    assert [document["_id"] for document in (identity, profile)] == [f"identification||{key}" for key in store.created]
    made = [_read(identity, ProfileRef), _read(profile, CustomerProfile)]
    assert made == list(store.created.values())
    assert identity["_etag"] != profile["_etag"]


def _read(document: Mapping[str, str], kind: type[M]) -> M:
    """As the sidecar gives it out and the client reads it."""
    return from_state(kind, json.loads(document["value"]))


def test_a_crowd_is_of_all_lines_and_nobody_is_there_twice() -> None:
    lines = (LINE, Line("other", "whatsapp_twilio", "other-wa", "AC2", "whatsapp:+15550100003", "token"))
    people = list(crowd(lines, 100))
    assert [person.line for person in people[:3]] == [lines[0], lines[1], lines[0]]
    assert len({person.phone for person in people}) == len({person.profile_id for person in people}) == 100
    assert all(len(person.phone) <= 16 for person in people)


@pytest.fixture(scope="module", name="grown")
def grown_() -> GrownLane:
    return grown_lane(tenant(), Address(connection="acme-whatsapp", channel="whatsapp_twilio", to="x"), 200, NOON)


def test_a_grown_lane_has_nothing_left_to_do(grown: GrownLane) -> None:
    lane, session = grown.lane, grown.session
    assert session.next_seq == 201
    assert [entry.line.seq for entry in grown.lines] == list(range(1, 201))
    assert session.turn is None
    assert (session.pending, lane.to_send, lane.outbox, lane.notices, lane.records) == ((), (), (), (), ())
    assert (session.bot_answers, session.last_customer_at, len(session.history)) == (100, NOON, HISTORY_LINES)
    assert [name for name, _ in lane.applied.buckets] == list(grown.buckets)
    sizes = [len(ids) for ids in grown.buckets.values()]
    assert sizes == [APPLIED_PER_BUCKET] * 3
    assert sum(sizes) + len(lane.applied.recent) == 200


def test_the_same_conversation_of_another_customer(grown: GrownLane) -> None:
    other = grown.of_customer("P1", "whatsapp:+15550100002")
    assert (other.lane.profile_id, other.session.id, other.session.address.to) == ("P1", "P1.1", PERSON.to)
    assert {entry.session_id for entry in other.lines} == {"P1.1"}
    assert grown.session.id == "nobody.1"
    assert "nobody" not in json.dumps(lane_document(other.lane)).replace('"nobody_available"', "")


def test_a_stored_lane_goes_on_where_it_was(grown: GrownLane) -> None:
    document = lane_document(grown.of_customer("P1", PERSON.to).lane)
    assert (document["_id"], document["version"]) == ("acme:P1", 1)
    lane = from_json(Lane, document["lane"])
    step = Step(lane, tenant(), NOON + timedelta(minutes=1))
    outcome = step.accept(inbound("and now?", number=999_999, at=NOON + timedelta(minutes=1)), frozenset())
    assert (outcome.result, outcome.session_id, outcome.seq) == (Result.APPLIED, "P1.1", 201)


async def test_a_lane_that_sleeps_is_stored_as_the_service_stores_it(grown: GrownLane) -> None:
    due = NOON + timedelta(hours=23)
    own, lanes = lane_document(grown.lane, due), Collection()
    await LaneStore({"lanes": lanes, "lane_applied": None}).save(own["_id"], 0, own["lane"], due)  # pyright: ignore[reportArgumentType]
    assert lanes.document == own
    assert lane_document(grown.lane)["due"] is None


def test_times_are_utc(grown: GrownLane) -> None:
    lane = from_json(Lane, lane_document(grown.lane)["lane"])
    assert lane.session is not None
    assert lane.session.last_customer_at == datetime(2026, 3, 2, 12, tzinfo=UTC)
