"""The checker finds every kind of violation in doctored records, and none in clean ones."""

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.check import main
from tests.faults.checked_records import declared_serials, records_of
from tests.faults.checker import KINDS, Report, check, check_records
from tests.faults.journal import write_all

SECOND = 1_000_000_000
SEED = 4711
Line = dict[str, Any]


@dataclass
class Story:
    """A run's records, made message by message: nothing goes wrong by itself."""

    seed: int = SEED
    finished: bool = True
    customers: dict[str, Line] = field(default_factory=dict)
    written: list[Line] = field(default_factory=list)
    ledger: list[Line] = field(default_factory=list)
    declared: list[Line] = field(default_factory=list)
    agents: list[Line] = field(default_factory=list)
    now: int = 1000 * SECOND
    said: dict[str, int] = field(default_factory=dict)

    def customer(self, tenant: str, label: str) -> None:
        sender, phone = f"whatsapp:+1556{len(tenant)}", f"+1555{label[1:]}"
        known = {"tenant": tenant, "label": label, "sender": sender, "customer": phone, "posted": 0}
        self.customers[label] = known

    def tick(self) -> int:
        self.now += SECOND // 10
        return self.now

    def writes(self, label: str, what: str = "accepted", **changes: Any) -> Line:
        known = self.customers[label]
        known["posted"] += 1
        line = {
            "what": what,
            **{name: known[name] for name in ("tenant", "label", "sender", "customer")},
            "connection": f"{known['tenant']}-wa",
            "serial": known["posted"],
            "sid": f"SM-{label}-{known['posted']}",
            "text": f"{known['tenant']} {label} {known['posted']} hello",
            "planned_ns": self.tick(),
            "sent_ns": self.now,
            "accepted_ns": self.tick() if what == "accepted" else None,
            "tries": 1,
            "statuses": [200 if what == "accepted" else 503],
        }
        self.written.append(line | changes)
        return self.written[-1]

    def takes(self, label: str, body: str, session: int = 1) -> Line:
        """The vendor takes a message to the customer."""
        known = self.customers[label]
        self.said[label] = self.said.get(label, 0) + 1
        ref = f"profile-{label}.{session}.{self.said[label]}"
        entry = {
            "n": len(self.ledger) + 1,
            "at_ns": self.tick(),
            "kind": "outbound",
            "customer": known["customer"],
            "sid": f"SM{len(self.ledger)}",
            "sender": known["sender"],
            "body": body,
            "callback": f"http://edge/webhooks/whatsapp_twilio/{known['tenant']}-wa?ref={ref}",
            "seen": True,
        }
        self.ledger.append(entry)
        return entry

    def answers(self, label: str, *serials: int, author: str = "bot") -> Line:
        return self.takes(label, f"{author} {self.customers[label]['tenant']} {label}: {' '.join(map(str, serials))}")

    def calls(self, label: str, what: str, action: str, **facts: Any) -> Line:
        accepts = sum(call["label"] == label and call["action"] == "accept" for call in self.agents) + (
            action == "accept"
        )
        conversation = f"profile-{label}.1:{2 * accepts}"
        names = {"tenant": self.customers[label]["tenant"], "label": label, "conversation": conversation}
        times = {"began_ns": self.tick(), "at_ns": self.tick()}
        self.agents.append({"what": what, **names, "action": action, **times, **facts})
        return self.agents[-1]

    def said_last(self, label: str) -> Line:
        phone = self.customers[label]["customer"]
        return next(entry for entry in reversed(self.ledger) if entry["customer"] == phone)

    def run(self) -> Line:
        return {
            "seed": self.seed,
            "finished": self.finished,
            "customers": list(self.customers.values()),
            "tenants": [],
            "ledger_after": 0,
        }

    def report(self) -> Report:
        return check_records(records_of(self.run(), self.written, self.ledger, self.declared, self.agents))

    def save(self, folder: Path) -> None:
        (folder / "run.json").write_text(json.dumps(self.run()))
        for name, lines in (
            ("accepted", self.written),
            ("vendor", self.ledger),
            ("declared", self.declared),
            ("agents", self.agents),
        ):
            write_all(folder / f"{name}.jsonl", lines)


def clean() -> Story:
    """Three customers of two tenants: one with the bot, one who is handed over and back, one with a second session."""
    story = Story()
    for tenant, label in (("acme", "c1"), ("acme", "c2"), ("nordlicht", "c3")):
        story.customer(tenant, label)
    for label in ("c1", "c2", "c3", "c1", "c1"):
        story.writes(label)
    story.answers("c1", 1)
    story.answers("c1", 2, 3)
    story.takes("c2", "#requested")
    story.calls("c2", "agent_joined", "accept")
    story.takes("c2", "#joined")
    story.writes("c2")
    story.calls("c2", "agent_said", "messages", serials=[1, 2])
    story.answers("c2", 1, 2, author="agent")
    story.calls("c2", "agent_ended", "end", unanswered=[])
    story.takes("c2", "#left")
    story.writes("c2")
    story.answers("c2", 3)
    story.answers("c3", 1)
    story.writes("c3")
    story.said["c3"] = 0
    story.takes("c3", "bot nordlicht c3: 2", session=2)
    return story


def lose_an_answer(story: Story) -> Line:
    """The last answer to c1 never came."""
    story.ledger.remove(story.said_last("c1"))
    story.written = [line for line in story.written if (line["label"], line["serial"]) != ("c1", 3)]
    story.customers["c1"]["posted"] = 2
    return {"customer": "c1", "serial": 2, "sid": "SM-c1-2"}


def take_a_message_twice(story: Story) -> Line:
    again = story.said_last("c1") | {"n": 90, "sid": "SM90"}
    story.ledger.append(again)
    return {"customer": "c1", "serial": 2, "sid": "SM-c1-2", "entries": (2, 90)}


def answer_twice(story: Story) -> Line:
    story.answers("c3", 2)["callback"] = "http://edge/?ref=profile-c3.2.2"
    return {"customer": "c3", "serial": 2, "sid": "SM-c3-2", "entries": (9, 10)}


def answer_in_the_wrong_order(story: Story) -> Line:
    story.ledger[0]["body"], story.ledger[1]["body"] = "bot acme c1: 2", "bot acme c1: 1 3"
    return {"customer": "c1", "serial": 1, "sid": "SM-c1-1", "entries": (1, 2)}


def swap_tokens(story: Story) -> Line:
    story.ledger[1]["body"] = "bot acme c1: 3 2"
    return {"customer": "c1", "serial": 2, "sid": "SM-c1-2", "entries": (2, 2)}


def send_in_the_wrong_order(story: Story) -> Line:
    first, second = story.ledger[0], story.ledger[1]
    first["callback"], second["callback"] = second["callback"], first["callback"]
    return {"customer": "c1", "serial": 2, "sid": "SM-c1-2", "entries": (1, 2)}


def send_an_old_session_late(story: Story) -> Line:
    story.takes("c3", "#failed", session=1)
    return {"customer": "c3", "serial": None, "entries": (9, 10)}


def tell_another_customer(story: Story) -> Line:
    story.said_last("c3")["customer"] = story.customers["c1"]["customer"]
    return {"customer": "+15551", "serial": None, "entries": (9,)}


def tell_another_tenants_customer(story: Story) -> Line:
    entry = story.answers("c1", 3)
    entry["body"], entry["callback"] = "bot nordlicht c3: 2", "http://edge/?ref=profile-c1.1.3"
    return {"tenant": "acme", "customer": "c1", "entries": (10,)}


def mix_a_turn(story: Story) -> Line:
    story.said_last("c1")["body"] = "bot acme c1: 2 3 acme/c2/3"
    return {"customer": "c1", "entries": (2,)}


def tell_a_stranger(story: Story) -> Line:
    entry = story.takes("c1", "#failed")
    entry["customer"] = "+15550000"
    return {"customer": "+15550000", "entries": (10,)}


def tell_a_system_text_to_another(story: Story) -> Line:
    entry = story.takes("c1", "#failed")
    entry["customer"] = story.customers["c2"]["customer"]
    return {"customer": "c2", "entries": (10,)}


def bot_speaks_with_the_agent(story: Story) -> Line:
    story.ledger[4]["body"] = "bot acme c2: 1 2"
    return {"customer": "c2", "serial": 1, "sid": "SM-c2-1", "entries": (5,)}


def agent_speaks_after_the_end(story: Story) -> Line:
    story.ledger[6]["body"] = "agent acme c2: 3"
    return {"customer": "c2", "serial": 3, "sid": "SM-c2-3", "entries": (7,)}


def both_answer(story: Story) -> Line:
    story.ledger[6]["body"] = "bot acme c2: 2 3"
    return {"customer": "c2", "serial": 2, "sid": "SM-c2-2", "entries": (5, 7)}


def bot_speaks_before_the_agent_gave_back(story: Story) -> Line:
    del story.ledger[5]
    story.agents[-1] |= {"what": "agent_returned", "action": "return", "began_ns": story.now + SECOND}
    return {"customer": "c2", "serial": 3, "sid": "SM-c2-3", "entries": (7,)}


def answer_what_nobody_wrote(story: Story) -> Line:
    story.said_last("c1")["body"] = "bot acme c1: 2 3 4"
    return {"customer": "c1", "serial": 4, "sid": "", "entries": (2,)}


def answer_what_was_refused(story: Story) -> Line:
    story.writes("c1", "refused", statuses=[403])
    story.answers("c1", 4)
    return {"customer": "c1", "serial": 4, "sid": "SM-c1-4", "entries": (10,)}


def say_something_strange(story: Story) -> Line:
    story.takes("c1", "Sorry, I did not understand.")
    return {"customer": "c1", "serial": None, "entries": (10,)}


def answer_without_serial(story: Story) -> Line:
    story.said_last("c1")["body"] = "bot acme c1: 2 3 ?"
    return {"customer": "c1", "entries": (2,)}


def send_without_name(story: Story) -> Line:
    story.said_last("c1")["callback"] = None
    return {"customer": "c1", "entries": (2,)}


DOCTORED: tuple[tuple[str, Callable[[Story], Line]], ...] = (
    ("lost", lose_an_answer),
    ("doubled", take_a_message_twice),
    ("doubled", answer_twice),
    ("out_of_order_in", answer_in_the_wrong_order),
    ("out_of_order_in", swap_tokens),
    ("out_of_order_out", send_in_the_wrong_order),
    ("out_of_order_out", send_an_old_session_late),
    ("crossed", tell_another_customer),
    ("crossed", tell_another_tenants_customer),
    ("crossed", mix_a_turn),
    ("crossed", tell_a_stranger),
    ("crossed", tell_a_system_text_to_another),
    ("two_owners", bot_speaks_with_the_agent),
    ("two_owners", agent_speaks_after_the_end),
    ("two_owners", both_answer),
    ("two_owners", bot_speaks_before_the_agent_gave_back),
    ("unknown", answer_what_nobody_wrote),
    ("unknown", answer_what_was_refused),
    ("unknown", say_something_strange),
    ("unknown", answer_without_serial),
    ("unknown", send_without_name),
)


def test_a_clean_set_has_no_violation() -> None:
    report = clean().report()
    assert report.violations == ()
    counts = report.counts
    assert {kind: counts[kind] for kind in KINDS} == dict.fromkeys(KINDS, 0)
    assert (counts["accepted"], counts["answered_by_bot"], counts["answered_by_agent"]) == (8, 6, 2)


@pytest.mark.parametrize(("kind", "change"), DOCTORED, ids=[change.__name__ for _, change in DOCTORED])
def test_one_change_is_seen_as_that_violation(kind: str, change: Callable[[Story], Line]) -> None:
    story = clean()
    expected = change(story)
    violations = story.report().violations
    assert [violation.kind for violation in violations] == [kind], "\n".join(map(str, violations))
    found = {name: getattr(violations[0], name) for name in expected}
    assert found == expected
    assert f"seed {SEED}" in str(violations[0])


def test_every_kind_has_a_doctored_record() -> None:
    assert {kind for kind, _ in DOCTORED} == set(KINDS)


def lost_but(story: Story) -> Story:
    lose_an_answer(story)
    return story


@pytest.mark.parametrize(
    ("line", "counted"),
    [
        ({"what": "uncertain", "tenant": "acme", "content": {"type": "text", "text": "bot acme c1: 2"}}, "uncertain"),
        ({"what": "failed", "tenant": "acme", "content": {"type": "text", "text": "agent acme c1: 2"}}, "failed"),
        ({"what": "set_aside", "tenant": "acme", "body": {"content": {"text": "acme c1 2 hello"}}}, "dead_lettered"),
        ({"what": "dead_letter", "tenant": "acme", "body": {"data": {"lines": ["acme c1 2"]}}}, "dead_lettered"),
    ],
)
def test_what_is_declared_is_counted_apart_and_not_lost(line: Line, counted: str) -> None:
    story = lost_but(clean())
    story.declared.append(line)
    report = story.report()
    assert report.passed
    assert report.counts[counted] == 1


def test_what_was_said_before_is_not_declared_with_a_turn() -> None:
    letter = {"what": "dead_letter", "body": {"session": {"history": ["acme c1 2 hello"]}, "lines": ["acme c1 3"]}}
    assert declared_serials([letter]) == {("acme", "c1", 3)}


def test_what_an_agent_left_open_is_not_lost() -> None:
    story = lost_but(clean())
    story.calls("c1", "agent_ended", "end", unanswered=[2])
    report = story.report()
    assert report.passed
    assert report.counts["left_by_agent"] == 1


def test_a_message_whose_2xx_was_lost_may_be_answered() -> None:
    story = clean()
    story.writes("c1", "given_up")
    story.answers("c1", 4)
    report = story.report()
    assert report.passed
    assert (report.counts["given_up"], report.counts["given_up_but_answered"]) == (1, 1)


def test_a_message_that_was_given_up_may_come_late() -> None:
    story = clean()
    story.writes("c1", "given_up")
    story.writes("c1")
    story.answers("c1", 5)
    story.answers("c1", 4)
    assert story.report().passed


@pytest.mark.parametrize(("finished", "kinds"), [(False, []), (True, ["unknown"])])
def test_a_message_without_record_may_be_answered_only_in_a_run_that_broke_off(
    finished: bool, kinds: list[str]
) -> None:
    story = clean()
    story.finished, story.customers["c1"]["posted"] = finished, 4
    story.answers("c1", 4)
    report = story.report()
    assert [violation.kind for violation in report.violations] == kinds
    assert report.counts["unrecorded"] == (0 if finished else 1)


def test_after_a_return_the_bot_answers_without_a_word_of_it() -> None:
    story = clean()
    del story.ledger[5]
    story.agents[-1] |= {"what": "agent_returned", "action": "return"}
    assert story.report().passed


def test_an_end_that_the_desk_only_answered_with_errors_may_have_taken_place() -> None:
    story = clean()
    del story.ledger[5]
    story.agents[-1] |= {"what": "agent_gave_up"}
    assert story.report().passed


def test_ledger_entries_of_other_senders_and_kinds_do_not_count() -> None:
    story = clean()
    foreign = {"n": 50, "at_ns": 1, "kind": "outbound", "customer": "+1", "sender": "whatsapp:+9", "body": "x"}
    story.ledger += [foreign, {"n": 51, "at_ns": 1, "kind": "status", "customer": "+1", "sender": "whatsapp:+15564"}]
    assert story.report().passed


def test_latencies_and_the_first_right_answer_after_a_fault() -> None:
    story = Story()
    story.customer("acme", "c1")
    story.writes("c1")
    story.answers("c1", 1)
    fault = story.tick()
    for _ in range(2):
        story.writes("c1")
    story.now += 3 * SECOND
    story.answers("c1", 2, 3)
    report = story.report()
    assert report.first_right_answer_after(fault) == pytest.approx(3.5)
    assert report.first_right_answer_after(story.now) is None
    assert report.latency_s(0.5) == pytest.approx(3.2)
    assert report.latency_s(1) == pytest.approx(3.4)


def test_the_command_says_the_seed_and_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = clean()
    story.save(tmp_path)
    assert main([str(tmp_path)]) == 0
    lost_but(story).save(tmp_path)
    assert main([str(tmp_path)]) == 1
    assert "lost: seed 4711, acme c1 message 2 (SM-c1-2)" in capsys.readouterr().out
    assert main([str(tmp_path / "nowhere")]) == 2


def test_an_unreadable_record_is_named(tmp_path: Path) -> None:
    clean().save(tmp_path)
    path = tmp_path / "vendor.jsonl"
    path.write_bytes(path.read_bytes() + b'{"n": 1')
    with pytest.raises(ValueError, match=r"vendor\.jsonl, line 10"):
        check(tmp_path)


def random_story(seed: int) -> Story:
    """Customers write and are answered in any mixture, in turns of one or more messages, by bots and agents."""
    chance, story = random.Random(seed), Story(seed=seed)
    labels = [f"c{n}" for n in range(1, chance.randint(2, 6))]
    for label in labels:
        story.customer(chance.choice(("acme", "nordlicht")), label)
    waiting: dict[str, list[int]] = {label: [] for label in labels}
    for _ in range(chance.randint(10, 60)):
        label = chance.choice(labels)
        if chance.random() < 0.6:
            waiting[label].append(story.writes(label)["serial"])
        elif waiting[label]:
            _answer_somehow(story, chance, label, waiting)
    for label in labels:
        if waiting[label]:
            story.answers(label, *waiting[label])
    return story


def _answer_somehow(story: Story, chance: random.Random, label: str, waiting: dict[str, list[int]]) -> None:
    count = chance.randint(1, len(waiting[label]))
    serials, waiting[label] = waiting[label][:count], waiting[label][count:]
    if chance.random() < 0.7:
        story.answers(label, *serials)
        return
    story.takes(label, "#requested")
    story.calls(label, "agent_joined", "accept")
    story.takes(label, "#joined")
    story.answers(label, *serials, author="agent")
    if chance.random() < 0.5:
        story.calls(label, "agent_ended", "end", unanswered=[])
        story.takes(label, "#left")
    else:
        story.calls(label, "agent_returned", "return", unanswered=[])


@settings(deadline=None, max_examples=60)
@given(st.integers(min_value=0, max_value=2**32))
def test_clean_sets_give_no_violation(seed: int) -> None:
    report = random_story(seed).report()
    assert report.violations == ()
    assert report.counts["accepted"] == report.counts["answered_by_bot"] + report.counts["answered_by_agent"]


@settings(deadline=None, max_examples=60)
@given(st.integers(min_value=0, max_value=2**32), st.data())
def test_every_answer_that_is_taken_away_or_repeated_is_missed(seed: int, data: st.DataObject) -> None:
    story = random_story(seed)
    answers = [n for n, entry in enumerate(story.ledger) if not entry["body"].startswith("#")]
    if not answers:
        return
    chosen = data.draw(st.sampled_from(answers))
    less, more = copy.deepcopy(story), copy.deepcopy(story)
    del less.ledger[chosen]
    more.ledger.append(more.ledger[chosen] | {"n": 10_000})
    assert {violation.kind for violation in less.report().violations} == {"lost"}
    assert [violation.kind for violation in more.report().violations] == ["doubled"]
