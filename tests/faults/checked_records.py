"""The records of a run as the checker reads them. Standard library only."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Pair = tuple[str, str]
"""The business's sender and the customer, as the vendor's ledger has them."""
Name = tuple[str, str]
"""Tenant and the customer's label."""
Serial = tuple[str, str, int | None]
"""Tenant, customer's label, and the number of the customer's message."""

SYSTEM_TEXTS = frozenset({"#requested", "#joined", "#left", "#nobody", "#closed", "#failed"})
_ANSWER = re.compile(r"(bot|agent) (\S+) (\S+): (\S+(?: \S+)*)")
_OTHERS = re.compile(r"(\S+)/(c\d+)/(\d+)")
_WRITTEN = re.compile(r"(\S+) (c\d+) (\d+)(?!\S)")
_HEARD_BEFORE = "history"
"""In a turn, what was said before it: not what is declared with it."""


@dataclass(frozen=True)
class Customer:
    name: Name
    posted: int
    """How many messages were posted for this customer, or were to be."""


@dataclass(frozen=True)
class Fact:
    """What became of one message at the edge."""

    sid: str
    planned_ns: int
    accepted_ns: int
    statuses: tuple[int | str, ...]


@dataclass(frozen=True)
class Answer:
    """A message that the vendor took. ``place`` is (profile, session number, number in the session)."""

    n: int
    at_ns: int
    pair: Pair
    body: str
    ref: str
    author: str
    name: Name
    serials: tuple[Serial, ...]
    unreadable: bool

    @property
    def profile(self) -> str:
        return self.place[0]

    @property
    def place(self) -> tuple[str, int, int]:
        if not self.ref:
            return "", 0, 0
        profile, session, number = self.ref.rsplit(".", 2)
        return profile, int(session), int(number)


@dataclass(frozen=True)
class Records:
    seed: int
    finished: bool
    """Every message that was posted has its record."""
    customers: Mapping[Pair, Customer]
    accepted: Mapping[Serial, Fact]
    given_up: Mapping[Serial, Fact]
    refused: Mapping[Serial, Fact]
    answers: tuple[Answer, ...]
    declared: tuple[Mapping[str, Any], ...]
    agent_calls: Mapping[Name, tuple[Mapping[str, Any], ...]]
    left_by_agents: Set[Serial]

    def fact(self, serial: Serial) -> Fact | None:
        return self.accepted.get(serial) or self.given_up.get(serial) or self.refused.get(serial)

    def may_be_posted(self, serial: Serial) -> bool:
        """Whether it can have been on its way when the records ended, and so has none."""
        if self.finished or self.fact(serial) or serial[2] is None:
            return False
        return any(each.name == serial[:2] and 1 <= serial[2] <= each.posted for each in self.customers.values())


def read_records(folder: Path) -> Records:
    """Raises ValueError with file and line for what cannot be read, OSError for a file that is not there."""
    run = json.loads((folder / "run.json").read_text())
    written = tuple(_lines(folder / "accepted.jsonl"))
    calls = tuple(_lines(folder / "agents.jsonl")) if (folder / "agents.jsonl").exists() else ()
    return records_of(
        run, written, tuple(_lines(folder / "vendor.jsonl")), tuple(_lines(folder / "declared.jsonl")), calls
    )


def records_of(
    run: Mapping[str, Any],
    written: Iterable[Mapping[str, Any]],
    ledger: Iterable[Mapping[str, Any]],
    declared: Iterable[Mapping[str, Any]],
    agents: Iterable[Mapping[str, Any]],
) -> Records:
    customers = {
        (each["sender"], each["customer"]): Customer((each["tenant"], each["label"]), each["posted"])
        for each in run["customers"]
    }
    senders = {sender for sender, _ in customers}
    names = {pair: customer.name for pair, customer in customers.items()}
    written, agents = tuple(written), tuple(agents)
    taken = (entry for entry in ledger if entry["kind"] == "outbound" and entry["sender"] in senders)
    return Records(
        seed=run["seed"],
        finished=run["finished"],
        customers=customers,
        accepted=_facts(written, "accepted"),
        given_up=_facts(written, "given_up"),
        refused=_facts(written, "refused"),
        answers=tuple(sorted((answer_of(entry, names) for entry in taken), key=lambda answer: answer.n)),
        declared=tuple(declared),
        agent_calls=_calls(agents),
        left_by_agents={(call["tenant"], call["label"], n) for call in agents for n in call.get("unanswered", ())},
    )


def answer_of(entry: Mapping[str, Any], names: Mapping[Pair, Name]) -> Answer:
    """The ledger's entry of a message that was taken, with what it answers."""
    pair = (entry["sender"], entry["customer"])
    body, found = entry.get("body", ""), _ANSWER.fullmatch(entry.get("body", ""))
    name = (found[2], found[3]) if found else names.get(pair, pair)
    serials = tuple(_serials(name, found[4].split(" "))) if found else ()
    return Answer(
        n=entry["n"],
        at_ns=entry["at_ns"],
        pair=pair,
        body=body,
        ref=_ref(entry.get("callback") or ""),
        author=found[1] if found else "",
        name=name,
        serials=serials,
        unreadable=body not in SYSTEM_TEXTS and (found is None or len(serials) < len(found[4].split(" "))),
    )


def answered_in(body: str) -> tuple[Serial, ...]:
    """The messages that a text answers; none when it is no answer."""
    found = _ANSWER.fullmatch(body)
    return tuple(_serials((found[2], found[3]), found[4].split(" "))) if found else ()


def written_in(text: str) -> Serial | None:
    """Which message of a customer's the text is."""
    found = _WRITTEN.match(text)
    return (found[1], found[2], int(found[3])) if found else None


def declared_serials(declared: Iterable[Mapping[str, Any]]) -> set[Serial]:
    """Every message that stands in what M2N declares: the customer's own, or an answer to it."""
    return {serial for line in declared for text in _texts(line) for serial in _named_in(text)}


def _named_in(text: str) -> tuple[Serial, ...]:
    written = written_in(text)
    return (written,) if written else answered_in(text)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a record, but what was said before."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            if name != _HEARD_BEFORE:
                yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _serials(name: Name, tokens: Iterable[str]) -> Iterator[Serial]:
    for token in tokens:
        other = _OTHERS.fullmatch(token)
        if other:
            yield other[1], other[2], int(other[3])
        elif token.isascii() and token.isdigit():
            yield *name, int(token)


def _ref(callback: str) -> str:
    """M2N's id of the message, from the address for the vendor's statuses; '' without a right one."""
    ref = parse_qs(urlsplit(callback).query).get("ref", [""])[0]
    return ref if re.fullmatch(r".+\.\d+\.\d+", ref) else ""


def _facts(written: Iterable[Mapping[str, Any]], what: str) -> dict[Serial, Fact]:
    return {
        (line["tenant"], line["label"], line["serial"]): Fact(
            line["sid"], line["planned_ns"], line["accepted_ns"] or 0, tuple(line["statuses"])
        )
        for line in written
        if line["what"] == what
    }


def _calls(agents: Iterable[Mapping[str, Any]]) -> dict[Name, tuple[Mapping[str, Any], ...]]:
    found: defaultdict[Name, list[Mapping[str, Any]]] = defaultdict(list)
    for call in agents:
        found[call["tenant"], call["label"]].append(call)
    return {name: tuple(calls) for name, calls in found.items()}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line:
            continue
        try:
            yield json.loads(line)
        except ValueError as bad:
            raise ValueError(f"{path}, line {number}: {bad}") from bad
