"""What a run sends and when, all of it from one seed."""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

BURST_GAP_S = (0.02, 0.4)
"""Pause between two messages of a burst."""
SMALL_TALK = (
    "",
    "when do you open?",
    "one more thing",
    "5h",
    "P1D",
    "null",
    "2024-06-01 please book",
    "it costs $name or $100, ${HOME}?",
    '{"status":"RETRY"}',
    "%s {0} \\n <b>&amp;</b>",
    "🚲 for two 👩🏽‍🚒🇩🇪",
    "שלום, כמה זה עולה",
    "مرحبا كم السعر",
    "first line\nsecond line\n\nlast line",
    "tab\tand  two spaces",
    "a long story: " + "and then " * 40,
)


@dataclass(frozen=True)
class Send:
    """A message to come ``at_s`` seconds after the start; ``customer`` counts from 0."""

    at_s: float
    customer: int
    words: str


@dataclass(frozen=True)
class Plan:
    """Customers write in bursts of 1 to ``burst`` messages, ``rate_per_s`` messages a second in the mean.

    ``agent_share`` of the customers ask for a human once, ``slow_share`` of the messages make the engine wait for
    ``slow_ms``. ``receipts_final`` is the last status that the vendor tells of a message, ``channel`` the adapter that
    customers write to. The rest are rules of the tenants'.
    """

    seed: int
    channel: str = "whatsapp_twilio"
    tenants: int = 3
    customers: int = 40
    messages: int = 300
    rate_per_s: float = 10.0
    burst: int = 5
    agent_share: float = 0.1
    receipts_final: str = "read"
    slow_share: float = 0.0
    slow_ms: int = 0
    turn_timeout_s: float = 10.0
    turn_attempts: int = 10
    session_timeout_s: int = 1200
    assign_timeout_s: int = 3600

    def sends(self) -> tuple[Send, ...]:
        """The same for the same plan, in the order of their times. Every customer writes if there is enough to say."""
        chance = random.Random(self.seed)
        times = sorted(self._times(chance))
        asking = self._asking(chance, times)
        return tuple(
            Send(at_s, customer, self._words(chance, number in asking)) for number, (at_s, customer) in enumerate(times)
        )

    def _times(self, chance: random.Random) -> Iterator[tuple[float, int]]:
        bursts_per_s = self.rate_per_s / ((1 + self.burst) / 2)
        left, begins = self.messages, 0.0
        for customer in self._turns(chance):
            begins += chance.expovariate(bursts_per_s)
            at_s = begins
            for _ in range(min(left, chance.randint(1, self.burst))):
                yield at_s, customer
                at_s += chance.uniform(*BURST_GAP_S)
                left -= 1
            if not left:
                return

    def _turns(self, chance: random.Random) -> Iterator[int]:
        """Whose burst is next: everybody's once, then anybody's."""
        yield from chance.sample(range(self.customers), self.customers)
        while True:
            yield chance.randrange(self.customers)

    def _asking(self, chance: random.Random, times: list[tuple[float, int]]) -> set[int]:
        """Numbers of the messages that ask for a human: one of each asking customer's."""
        numbers: defaultdict[int, list[int]] = defaultdict(list)
        for number, (_, customer) in enumerate(times):
            numbers[customer].append(number)
        asking = chance.sample(range(self.customers), round(self.customers * self.agent_share))
        return {chance.choice(numbers[customer]) for customer in asking if numbers[customer]}

    def _words(self, chance: random.Random, asks: bool) -> str:
        words = [chance.choice(SMALL_TALK)]
        if chance.random() < self.slow_share:
            words.append(f"slow{self.slow_ms}")
        if asks:
            words.append("human")
        return " ".join(words).strip(" ")
