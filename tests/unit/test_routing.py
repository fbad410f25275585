"""The router's decisions, as a table."""

from datetime import UTC, datetime

import pytest

from m2n.events import HandoverReason, Line, Owner, SessionFacts, Turn
from m2n.message import Address, Author, TextContent
from m2n.routing import Availability, Closed, HandOver, Impossible, ToDesk, ToEngine, after_answer, availability, route
from tests.unit.builders import NOON, reply, tenant

WORKING = {"mon": [{"since": "09:00", "until": "17:00"}]}
EVENING = {"mon": [{"since": "18:00", "until": "00:00"}]}


def turn(text: str = "hello", *, returned: bool = False, **facts: object) -> Turn:
    values: dict[str, object] = {
        "tenant": "acme",
        "profile_id": "P1",
        "session_id": "P1.1",
        "epoch": 1,
        "owner": Owner.BOT,
        "language": "en",
        "address": Address(connection="acme-whatsapp", channel="whatsapp_twilio", to="x"),
    }
    line = Line(seq=1, author=Author.CUSTOMER, content=TextContent(text=text), at=NOON)
    session = SessionFacts.model_validate(values | facts)
    return Turn(id="P1.1.t1", session=session, lines=(line,), received_at=NOON, returned=returned)


GERMAN_ENGINE = {"engine_by_language": {"de": "acme-bot-de"}}
GERMAN_PHRASE = {"phrases": {"de": ["mit einem menschen"]}}
ROUTES = [
    ("default engine", {}, {}, turn(), ToEngine, "acme-bot"),
    ("engine of the language", GERMAN_ENGINE, {}, turn(language="de"), ToEngine, "acme-bot-de"),
    ("a human owns it", {}, {}, turn(owner=Owner.HUMAN), ToDesk, "acme-desk"),
    ("the desk that took it", {}, {}, turn(owner=Owner.HUMAN, desk="acme-desk"), ToDesk, "acme-desk"),
    ("phrase", {}, {}, turn("I want a Human, now!"), HandOver, HandoverReason.ASKED),
    ("phrase inside a word does not count", {}, {}, turn("superhuman bikes"), ToEngine, "acme-bot"),
    ("phrase of another language", {}, GERMAN_PHRASE, turn("mit  einem\nMenschen"), HandOver, HandoverReason.ASKED),
    ("phrase after a return does not count", {}, {}, turn("human", returned=True), ToEngine, "acme-bot"),
    ("phrase when closed", {}, {"opening_hours": EVENING}, turn("human"), Closed, None),
    ("phrase when open", {}, {"opening_hours": WORKING}, turn("human"), HandOver, HandoverReason.ASKED),
    ("phrase without a desk", {}, {"desk": None}, turn("human"), ToEngine, "acme-bot"),
    ("pinned to humans", {"pin": "human"}, {}, turn(), HandOver, HandoverReason.PINNED),
    ("pinned to the bot", {"pin": "bot"}, {}, turn("human"), ToEngine, "acme-bot"),
    ("desk removed", {}, {"desk": None}, turn(owner=Owner.HUMAN), Impossible, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "handover", "given", "kind", "target"), [r[1:] for r in ROUTES], ids=[r[0] for r in ROUTES]
)
def test_route(rules: dict, handover: dict, given: Turn, kind: type, target: object) -> None:
    decision = route(given, tenant(rules=rules, handover=handover), NOON)
    assert type(decision) is kind
    assert decision.because
    found = decision.reason if isinstance(decision, HandOver) else getattr(decision, "connection", None)
    assert found == target


@pytest.mark.parametrize(
    ("fields", "fallbacks", "handover", "wanted"),
    [
        ({}, 0, {}, None),
        ({"intent": "refund"}, 0, {"intents": ["refund"]}, HandoverReason.INTENT),
        ({"intent": "hours"}, 0, {"intents": ["refund"]}, None),
        ({"fallback": True}, 1, {"max_fallbacks": 2}, None),
        ({"fallback": True}, 2, {"max_fallbacks": 2}, HandoverReason.FALLBACKS),
        ({"fallback": True}, 9, {"max_fallbacks": None}, None),
        ({"reason": HandoverReason.ENGINE}, 0, {}, HandoverReason.ENGINE),
        ({"reason": HandoverReason.ENGINE}, 0, {"desk": None}, None),
    ],
)
def test_after_answer(fields: dict, fallbacks: int, handover: dict, wanted: HandoverReason | None) -> None:
    decision = after_answer(reply("P1.1", "t", 1, "x", **fields), fallbacks, tenant(handover=handover), NOON)
    assert (decision.reason if isinstance(decision, HandOver) else decision) == wanted


def test_after_answer_when_the_desk_is_closed_says_so() -> None:
    answer = reply("P1.1", "t", 1, "x", intent="refund")
    closed = tenant(handover={"intents": ["refund"], "opening_hours": EVENING})
    assert isinstance(after_answer(answer, 0, closed, NOON), Closed)


@pytest.mark.parametrize(
    ("zone", "moment", "expected"),
    [
        ("UTC", datetime(2026, 3, 2, 9, 0, tzinfo=UTC), Availability.OPEN),
        ("UTC", datetime(2026, 3, 2, 8, 59, tzinfo=UTC), Availability.CLOSED),
        ("UTC", datetime(2026, 3, 2, 17, 0, tzinfo=UTC), Availability.CLOSED),
        ("UTC", datetime(2026, 3, 3, 12, 0, tzinfo=UTC), Availability.CLOSED),
        ("Asia/Tokyo", datetime(2026, 3, 2, 1, 0, tzinfo=UTC), Availability.OPEN),
        ("America/New_York", datetime(2026, 3, 2, 12, 0, tzinfo=UTC), Availability.CLOSED),
    ],
)
def test_opening_hours_are_the_tenants_local_time(zone: str, moment: datetime, expected: Availability) -> None:
    assert availability(tenant(timezone=zone, handover={"opening_hours": WORKING}), moment) is expected


def test_open_until_midnight() -> None:
    late = datetime(2026, 3, 2, 23, 59, tzinfo=UTC)
    assert availability(tenant(handover={"opening_hours": EVENING}), late) is Availability.OPEN
