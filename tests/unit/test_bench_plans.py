"""What the benchmark's runs send, and what it makes of the answers."""

import json
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pytest

from bench import fairness, growth, turns
from bench.checked_run import CheckedRun, Message, run_of
from bench.engine_speed import demo_content, larger_content, speed_of
from bench.fairness import Compared, FloodPlan, TenantRatesPlan, during_flood
from bench.figures import Figures
from bench.growth import Point, up_and_down
from bench.turns import turns_of
from bench.warmed_plan import WarmedPlan
from m2n.bot_content import parse_bot_content
from tests.faults.checked_records import Records, records_of
from tests.faults.plan import Plan
from tests.unit.nlp_builtin_bots import small_document

PLANS = (
    WarmedPlan(3, customers=20, messages=120, rate_per_s=20),
    FloodPlan(3, customers=20, messages=620, rate_per_s=20),
    TenantRatesPlan(3, tenants=3, customers=21, rates_per_s=(20.0, 1.0, 0.0), seconds=60),
)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: type(plan).__name__)
def test_everybody_writes_once_before_what_is_measured(plan: WarmedPlan) -> None:
    sends = plan.sends()
    assert plan.sends() == sends
    assert all(one.at_s <= next_.at_s for one, next_ in pairwise(sends))
    firsts = [send.customer for send in sends if send.at_s < plan.measured_from_s]
    assert firsts == list(range(plan.customers))
    assert not any("human" in send.words.split() for send in sends)
    assert json.loads(json.dumps(vars(plan)))["seed"] == 3


@pytest.mark.parametrize("rate", [10.0, 50.0, 140.0])
def test_no_customer_writes_again_before_an_answer_that_takes_a_second(rate: float) -> None:
    wanted = turns.plan(rate, round(rate * 8), seed=5)
    sends: defaultdict[int, list[float]] = defaultdict(list)
    for send in wanted.sends():
        sends[send.customer].append(send.at_s)
    assert len(sends) == wanted.customers
    assert all(later - earlier > 1 for times in sends.values() for earlier, later in pairwise(times))


def test_a_steady_plan_has_as_many_messages_as_it_says() -> None:
    assert len(PLANS[0].sends()) == 120
    assert len(PLANS[1].sends()) == 620


def test_the_others_send_the_same_with_and_without_the_flood() -> None:
    with_, without = (FloodPlan(1, customers=9, messages=109 + size, at_once=size) for size in (500, 0))
    others = [[(send.at_s, send.customer) for send in plan.sends() if send.customer] for plan in (with_, without)]
    assert others[0] == others[1]
    flood = [send.at_s for send in with_.sends() if send.customer == 0][1:]
    assert flood == [with_.flood_at_s] * 500


def test_a_tenant_sends_the_same_whatever_the_others_do() -> None:
    loud, silent = (TenantRatesPlan(1, tenants=2, customers=10, rates_per_s=(rate, 2.0)) for rate in (40.0, 0.0))
    quiet = [[(send.at_s, send.customer) for send in plan.sends() if send.customer % 2] for plan in (loud, silent)]
    assert quiet[0] == quiet[1]
    counted = Counter(send.customer % 2 for send in loud.sends() if send.at_s >= loud.measured_from_s)
    assert counted[0] / counted[1] == pytest.approx(20, rel=0.4)


def test_a_plan_of_this_kind_is_one_that_can_be_played() -> None:
    assert all(isinstance(plan, Plan) and plan.agent_share == 0 for plan in PLANS)


BEGAN_NS = 10**18


def records() -> Records:
    """c1 wrote once, then twice more, and one answer answers both of these."""
    run = {
        "seed": 1,
        "finished": True,
        "customers": [{"tenant": "acme", "label": "c1", "sender": "s", "customer": "+1", "posted": 3}],
    }
    written = [_accepted(serial, at_s) for serial, at_s in ((1, 0.0), (2, 5.0), (3, 5.1))]
    return records_of(run, written, [_sent(1, 0.04, "1"), _sent(2, 5.3, "2 3")], [], [])


def _accepted(serial: int, at_s: float) -> dict[str, Any]:
    planned_ns = BEGAN_NS + int(at_s * 1e9)
    made = {"what": "accepted", "tenant": "acme", "label": "c1", "serial": serial, "sid": f"SM{serial}", "statuses": []}
    return made | {"planned_ns": planned_ns, "accepted_ns": planned_ns + 5_000_000}


def _sent(n: int, at_s: float, serials: str) -> dict[str, Any]:
    made = {"n": n, "kind": "outbound", "sender": "s", "customer": "+1", "body": f"bot acme c1: {serials}"}
    return made | {"at_ns": BEGAN_NS + int(at_s * 1e9), "callback": f"http://m2n/status?ref=P7.1.{2 * n}"}


def test_a_run_is_read_message_by_message() -> None:
    wanted = WarmedPlan(1, customers=1, messages=3)
    run = run_of(wanted, records(), BEGAN_NS, {"sessions": 0.04, "simulator": 9.0})
    assert [(each.number, round(each.reply_ms), each.seq) for each in run.messages] == [
        (1, 40, 2),
        (2, 300, 4),
        (3, 200, 4),
    ]
    assert {(each.customer, each.profile, each.session, each.ack_ms) for each in run.messages} == {(0, "P7", 1, 5)}
    assert [each.number for each in run.firsts] == [1]
    assert [each.number for each in run.measured] == [2, 3]
    assert run.cpu_ms == {"sessions": 20.0}
    found = turns_of(wanted, run)
    assert [round(each) for each in found.reply_ms] == [200, 300]
    assert found.replies_a_message == 0.5
    assert found.seconds == pytest.approx(0.3)


def message(customer: int, at_s: float, reply_ms: float, number: int = 2) -> Message:
    return Message(customer, number, at_s, 5, reply_ms, 1, "P", 1, 1)


def test_during_the_flood_the_same_messages_are_compared() -> None:
    flood = [message(0, 10, 3000), message(0, 10, 5000, number=3)]
    others = [message(1, 9, 50), message(1, 11, 500, number=3), message(2, 14.9, 400), message(2, 15.1, 60, number=3)]
    quiet = [message(each.customer, each.at_s, 40, each.number) for each in others]
    found = during_flood(CheckedRun(5, tuple(quiet), {}), CheckedRun(5, (*flood, *others), {}), "flood")
    assert (found.without, found.beside) == ((40, 40), (400, 500))
    assert found.moved() == 12.5


def test_ratios_are_of_all_repetitions_together() -> None:
    figures = Figures()
    fairness.enter([Compared("k", (10,), (20,), (15,)), Compared("k", (20,), (60,), (30,))], figures)
    found = {figure.name: figure.values for figure in figures.all() if figure.group == "Fairness"}
    assert found["k: others' p99, with / without"] == (3.0,)
    assert found["k: others' p99, with / same load evenly"] == (2.0,)


def test_points_take_turns_and_are_compared_with_the_smallest() -> None:
    assert list(up_and_down((10, 100), 3)) == [10, 100, 100, 10, 10, 100]
    figures = Figures()
    points = [Point("Tenants", size, (1.0,), (reply,), 20) for size, reply in ((20, 44.0), (2, 40.0), (2, 40.0))]
    growth.enter(points, figures)
    found = {figure.name: figure.values for figure in figures.all() if figure.group == "Growth"}
    assert found["Tenants: 20 / 2: webhook to reply, p50"] == (pytest.approx(1.1),)
    assert found["Tenants: 20 / 2: CPU a message"] == (1.0,)


def test_the_larger_content_is_one_and_large() -> None:
    content = larger_content()
    assert len(content.intents) == 77
    assert {len(intent.phrases["en"]) for intent in content.intents.values()} == {10}
    assert len(demo_content().intents) > 5


def test_the_engine_is_measured() -> None:
    speed = speed_of("small", parse_bot_content(small_document()), queries=20)
    assert (speed.intents, speed.phrases, len(speed.query_ms)) == (2, 4, 20)
    assert 0 < speed.load_s < speed.fit_s
