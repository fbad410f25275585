"""Whether a run kept its promises, from its records alone. Nothing here knows the services: standard library only.

A run's folder holds what each side wrote down. The customers' side: ``run.json`` (seed, tenants, customers) and
``accepted.jsonl`` (every message, how it went). The agents' side: ``agents.jsonl``. The vendor's side:
``vendor.jsonl``, its ledger. And ``declared.jsonl``: what M2N itself says that it could not do, or cannot know.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.faults.checked_records import (
    Answer,
    Customer,
    Pair,
    Records,
    Serial,
    declared_serials,
    read_records,
)

KINDS = (
    "lost",
    "doubled",
    "out_of_order_in",
    "out_of_order_out",
    "crossed",
    "two_owners",
    "unknown",
)
_LEFT = "#left"
_TO_HUMAN, _TO_BOT = ("#requested", "#joined"), (_LEFT, "#nobody")


@dataclass(frozen=True)
class Violation:
    """``customer`` is the label, ``entries`` are numbers in the vendor's ledger."""

    kind: str
    seed: int
    tenant: str
    customer: str
    why: str
    serial: int | None = None
    sid: str = ""
    entries: tuple[int, ...] = ()

    def __str__(self) -> str:
        message = f" message {self.serial} ({self.sid or 'no id'})" if self.serial is not None else ""
        ledger = f" [ledger {', '.join(map(str, self.entries))}]" if self.entries else ""
        return f"{self.kind}: seed {self.seed}, {self.tenant} {self.customer}{message}: {self.why}{ledger}"


@dataclass(frozen=True)
class Report:
    """``counts`` has every kind of violation and what is counted apart. Latencies are in seconds."""

    seed: int
    violations: tuple[Violation, ...]
    counts: Mapping[str, int]
    latencies_s: tuple[float, ...] = field(repr=False)
    """From planned to answered, sorted."""
    firsts: tuple[tuple[int, int], ...] = field(repr=False)
    """When each message was accepted and first answered, in nanoseconds."""

    @property
    def passed(self) -> bool:
        return not self.violations

    def latency_s(self, share: float) -> float:
        """The latency that ``share`` of the answers do not exceed; 0 without answers."""
        if not self.latencies_s:
            return 0.0
        return self.latencies_s[min(len(self.latencies_s) - 1, int(share * len(self.latencies_s)))]

    def first_right_answer_after(self, ns: int) -> float | None:
        """Seconds from that moment to the first answer to a message accepted after it; None when there is none."""
        answered = [answered_ns for accepted_ns, answered_ns in self.firsts if accepted_ns > ns]
        return (min(answered) - ns) / 1e9 if answered else None

    def lines(self) -> list[str]:
        """For people: violations first, then counts and figures."""
        counted = ", ".join(f"{name} {number}" for name, number in self.counts.items())
        latency = f"p50 {self.latency_s(0.5):.2f} s, p99 {self.latency_s(0.99):.2f} s, max {self.latency_s(1):.2f} s"
        return [*map(str, self.violations), counted, f"planned to answered: {latency}", self._verdict()]

    def _verdict(self) -> str:
        return f"seed {self.seed}: " + ("all promises kept" if self.passed else f"{len(self.violations)} violations")


def check(folder: Path) -> Report:
    """Check a run's folder. Raises ValueError with file and line for a record that cannot be read."""
    return check_records(read_records(folder))


def check_records(records: Records) -> Report:
    findings = _Check(records)
    violations = tuple(findings.violations())
    found = Counter(violation.kind for violation in violations)
    return Report(
        seed=records.seed,
        violations=violations,
        counts={kind: found[kind] for kind in KINDS} | findings.counts(),
        latencies_s=tuple(sorted(findings.latencies_s())),
        firsts=tuple(findings.firsts()),
    )


@dataclass(frozen=True)
class _Check:
    records: Records

    # -- what the rules look at --------------------------------------------------------------------------------

    @cached_property
    def _crossed(self) -> dict[int, str]:
        """Ledger numbers of messages that went to the wrong customer, and why that is known."""
        found: dict[int, str] = {}
        owners: dict[str, Pair] = {}
        for answer in self.records.answers:
            customer = self.records.customers.get(answer.pair)
            strangers = [serial for serial in answer.serials if customer is None or serial[:2] != customer.name]
            owner = owners.setdefault(answer.profile, answer.pair) if answer.profile else answer.pair
            if customer is None:
                found[answer.n] = "it went to somebody who is no customer of this sender"
            elif strangers or (answer.author and answer.name != customer.name):
                found[answer.n] = f"it answers {' '.join(map(str, strangers[0] if strangers else answer.name))}"
            elif owner != answer.pair:
                found[answer.n] = "the same profile's messages went to another customer before"
        return found

    @cached_property
    def _repeats(self) -> dict[int, int]:
        """Ledger numbers of messages of M2N's that the vendor had taken already, with the number of the first time."""
        firsts: dict[tuple[str, str], int] = {}
        found: dict[int, int] = {}
        for answer in self.records.answers:
            if answer.ref:
                first = firsts.setdefault((answer.pair[0], answer.ref), answer.n)
                if first != answer.n:
                    found[answer.n] = first
        return found

    @cached_property
    def _by_customer(self) -> dict[Pair, list[Answer]]:
        """What each customer got rightly, without repeats, in the vendor's order."""
        found: defaultdict[Pair, list[Answer]] = defaultdict(list)
        for answer in self.records.answers:
            if answer.n not in self._crossed and answer.n not in self._repeats:
                found[answer.pair].append(answer)
        return found

    @cached_property
    def _answers_to(self) -> dict[Serial, list[Answer]]:
        found: defaultdict[Serial, list[Answer]] = defaultdict(list)
        for answers in self._by_customer.values():
            for answer in answers:
                for serial in answer.serials:
                    found[serial].append(answer)
        return found

    @cached_property
    def _settled(self) -> set[Serial]:
        """What M2N declared, what an agent knowingly left, and what reached the wrong customer."""
        wrong = {s for answer in self.records.answers if answer.n in self._crossed for s in answer.serials}
        return wrong | self.records.left_by_agents | declared_serials(self.records.declared)

    # -- the rules ---------------------------------------------------------------------------------------------

    def violations(self) -> Iterator[Violation]:
        yield from self._lost()
        yield from self._taken_twice()
        for serial, answers in self._answers_to.items():
            yield from self._answered_twice(serial, answers)
            yield from self._never_accepted(serial, answers)
        yield from self._unreadable()
        yield from self._went_astray()
        for pair, answers in self._by_customer.items():
            customer = self.records.customers[pair]
            yield from self._order_in(customer, answers)
            yield from self._order_out(customer, answers)
            yield from self._owners(customer, answers)

    def _lost(self) -> Iterator[Violation]:
        for serial in self.records.accepted:
            if serial not in self._answers_to and serial not in self._settled:
                yield self._about(serial, "lost", "accepted, never answered, and not declared")

    def _taken_twice(self) -> Iterator[Violation]:
        by_n = {answer.n: answer for answer in self.records.answers}
        for n, first in self._repeats.items():
            answer = by_n[n]
            why = f"the vendor took the message {answer.ref} twice: {answer.body!r}"
            serial = answer.serials[0] if answer.serials else (*answer.name, None)
            yield self._about(serial, "doubled", why, by_n[first], answer)

    def _answered_twice(self, serial: Serial, answers: Sequence[Answer]) -> Iterator[Violation]:
        bots = [answer for answer in answers if answer.author == "bot"]
        agents = [answer for answer in answers if answer.author == "agent"]
        for author, same in (("bot", bots), ("agent", agents)):
            if len(same) > 1:
                yield self._about(serial, "doubled", f"the {author} answered {len(same)} times", *same)
        if bots and agents:
            yield self._about(serial, "two_owners", "bot and agent both answered", *bots, *agents)

    def _never_accepted(self, serial: Serial, answers: Sequence[Answer]) -> Iterator[Violation]:
        if serial in self.records.accepted or serial in self.records.given_up or self.records.may_be_posted(serial):
            return
        refused = serial in self.records.refused
        why = "the webhook was refused, and answered" if refused else "answered, but no customer wrote it"
        yield self._about(serial, "unknown", why, *answers)

    def _unreadable(self) -> Iterator[Violation]:
        """Messages that are neither a system text nor an answer, or that do not say which message of M2N's they are."""
        for answers in self._by_customer.values():
            for answer in answers:
                if not answer.ref:
                    yield self._about((*answer.name, None), "unknown", "the message names no message of M2N's", answer)
                elif answer.unreadable:
                    yield self._about((*answer.name, None), "unknown", f"nobody says this: {answer.body!r}", answer)

    def _went_astray(self) -> Iterator[Violation]:
        for answer in self.records.answers:
            if answer.n in self._crossed:
                customer = self.records.customers.get(answer.pair)
                name = customer.name if customer else (answer.pair[0], answer.pair[1])
                why = f"{self._crossed[answer.n]}: {answer.body!r}"
                yield self._about((*name, None), "crossed", why, answer)

    def _order_in(self, customer: Customer, answers: Sequence[Answer]) -> Iterator[Violation]:
        """Messages take effect in the order in which they were accepted, which is that of the serial numbers."""
        highest, seen = (0, None), set[Serial]()
        for answer in answers:
            for serial in answer.serials:
                number = serial[2]
                if serial in seen or serial not in self.records.accepted or number is None:
                    continue
                seen.add(serial)
                if number < highest[0] and highest[1]:
                    why = f"answered after message {highest[0]}"
                    yield self._about(serial, "out_of_order_in", why, highest[1], answer)
                elif number > highest[0]:
                    highest = (number, answer)

    def _order_out(self, customer: Customer, answers: Sequence[Answer]) -> Iterator[Violation]:
        """Messages reach the vendor in the order of their numbers in the session, and of the sessions."""
        highest: Answer | None = None
        for answer in answers:
            if not answer.ref:
                continue
            if highest and answer.place < highest.place:
                why = f"the vendor got {answer.ref} after {highest.ref}"
                serial = answer.serials[0] if answer.serials else (*customer.name, None)
                yield self._about(serial, "out_of_order_out", why, highest, answer)
            else:
                highest = answer

    def _owners(self, customer: Customer, answers: Sequence[Answer]) -> Iterator[Violation]:
        """Between the hand-over and its end only agents speak, and outside of it only the bot.

        A customer is not told of a return, and the sentence that tells of a change may be ``uncertain``: then an
        agent's call that began before the answer came stands for it, each conversation's once.
        """
        human, ended, session = False, 0, ("", 0)
        calls = self.records.agent_calls.get(customer.name, ())
        for answer in (answer for answer in answers if answer.ref):
            if answer.place[:2] != session:
                session, human = answer.place[:2], False
            if answer.body in _TO_HUMAN:
                human = True
            elif answer.body in _TO_BOT:
                human, ended = False, ended + (answer.body == _LEFT)
            elif answer.author == "bot" and human:
                if _begun(calls, ("end", "return"), answer.at_ns) > ended:
                    human, ended = False, ended + 1
                else:
                    yield self._spoke(answer, "the bot answered while the human side had the conversation")
            elif answer.author == "agent" and not human:
                if _begun(calls, ("accept",), answer.at_ns) > ended:
                    human = True
                else:
                    yield self._spoke(answer, "an agent's message came while the bot had the conversation")

    def _spoke(self, answer: Answer, why: str) -> Violation:
        return self._about(answer.serials[0] if answer.serials else (*answer.name, None), "two_owners", why, answer)

    def _about(self, serial: Serial, kind: str, why: str, *answers: Answer) -> Violation:
        fact = self.records.fact(serial)
        return Violation(
            kind=kind,
            seed=self.records.seed,
            tenant=serial[0],
            customer=serial[1],
            why=why,
            serial=serial[2],
            sid=fact.sid if fact else "",
            entries=tuple(sorted(answer.n for answer in answers)),
        )

    # -- figures -----------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        records, answered = self.records, self._answers_to
        by = Counter(answers[0].author for serial, answers in answered.items() if serial in records.accepted)
        what = Counter(line["what"] for line in records.declared)
        return {
            "accepted": len(records.accepted),
            "answered_by_bot": by["bot"],
            "answered_by_agent": by["agent"],
            "given_up": len(records.given_up),
            "given_up_but_answered": len(records.given_up.keys() & answered.keys()),
            "refused": len(records.refused),
            "unrecorded": len({serial for serial in answered if records.may_be_posted(serial)}),
            "left_by_agent": len((records.left_by_agents & records.accepted.keys()) - answered.keys()),
            "uncertain": what["uncertain"],
            "failed": what["failed"],
            "dead_lettered": what["dead_letter"] + what["set_aside"],
        }

    def firsts(self) -> Iterator[tuple[int, int]]:
        for serial, fact in self.records.accepted.items():
            if serial in self._answers_to:
                yield fact.accepted_ns, self._answers_to[serial][0].at_ns

    def latencies_s(self) -> Iterator[float]:
        for serial, fact in self.records.accepted.items():
            if serial in self._answers_to:
                yield (self._answers_to[serial][0].at_ns - fact.planned_ns) / 1e9


def _begun(calls: Iterable[Mapping[str, Any]], actions: tuple[str, ...], before_ns: int) -> int:
    """In how many conversations an agent began such a call until then, whatever came of it."""
    return len({call["conversation"] for call in calls if call["action"] in actions and call["began_ns"] <= before_ns})
