"""The built-in engine in one process, without any server: how long it learns a content, and how long an answer takes.

The demo tenant's content is what a small business has. A larger one is put together from parts, so that anybody has
it; of BANKING77 (see `nlp_accuracy`) there is one more where its folder is given.
"""

import csv
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from bench.figures import Figures, percentile
from deploy.local.demo_site import TENANT_FILES
from m2n.bot_content import BotContent, load_bot_content, parse_bot_content
from services.nlp.builtin import answers
from services.nlp.builtin.engine import NO_CONTEXT, Bot, prepare
from services.nlp.builtin.store import ModelStore

DEMO = "acme-bikes"
LANGUAGE = "en"
PHRASES = 10
"""Of an intent of the larger contents."""
LONGEST = 300
"""A content takes no longer phrases."""
QUERIES = 1000
T = TypeVar("T")
_ACTIONS = ("order", "cancel", "change", "find", "pay for", "return", "insure")
_THINGS = (
    "travel card",
    "ticket",
    "monthly pass",
    "parking space",
    "luggage locker",
    "meeting room",
    "rental car",
    "guided tour",
    "swimming course",
    "gift voucher",
    "newspaper",
)
_ASKED = (
    "how do I {} a {}",
    "I would like to {} my {}",
    "can you help me to {} the {}",
    "please {} a {} for me",
    "what must I do to {} my {}",
    "is it possible to {} another {} today",
    "where can I {} the {} I saw",
    "my wife wants to {} her {}",
    "we cannot {} our {} on the website",
    "{} {}",
)
_SYLLABLES = ("ba", "che", "dor", "fin", "gul", "ham", "jin", "kes", "lor", "mav", "ned", "pruz")
_SAID = ("hello, {}", "{} please", "quick question: {}?", "sorry to ask again but {}", "{}, it is urgent")


@dataclass(frozen=True)
class EngineSpeed:
    """``fit_s`` is learning a content that is new, ``load_s`` taking up one that was learnt before; queries sorted."""

    content: str
    intents: int
    phrases: int
    fit_s: float
    load_s: float
    query_ms: tuple[float, ...]

    def enter(self, figures: Figures) -> None:
        group = f"Built-in engine, {self.content} ({self.intents} intents, {self.phrases} phrases)"
        figures.add(group, "fit", "s", self.fit_s)
        figures.add(group, "load", "s", self.load_s)
        for share in (0.5, 0.99):
            figures.add(group, f"a query, p{share * 100:g}", "ms", percentile(self.query_ms, share))


def measure(banking77: Path | None = None, queries: int = QUERIES) -> list[EngineSpeed]:
    """Blocks; ``banking77`` is the folder of its train.csv. Raises OSError."""
    contents = {"demo tenant": demo_content(), "larger content": larger_content()}
    if banking77:
        contents["BANKING77"] = banking77_content(banking77)
    return [speed_of(name, content, queries) for name, content in contents.items()]


def speed_of(name: str, content: BotContent, queries: int = QUERIES) -> EngineSpeed:
    """Fit, load and query one content."""
    with tempfile.TemporaryDirectory(prefix="m2n-bench-engine-") as folder:
        store = ModelStore(Path(folder))
        fit_s, bot = _timed(lambda: prepare(content, store))
        load_s, bot = _timed(lambda: prepare(content, store))
    asked = queries_of(bot, queries)
    for text in asked[: queries // 10]:
        _ask(bot, text)
    return EngineSpeed(
        content=name,
        intents=len(bot.content.intents),
        phrases=len(_phrases(bot)),
        fit_s=fit_s,
        load_s=load_s,
        query_ms=tuple(sorted(_timed(lambda text=text: _ask(bot, text))[0] * 1000 for text in asked)),
    )


def queries_of(bot: Bot, count: int) -> list[str]:
    """What customers may write: phrases in other words than the content's, so that the model has to decide."""
    chance, phrases = random.Random(1), _phrases(bot)
    return [chance.choice(_SAID).format(_hurried(chance.choice(phrases), chance)) for _ in range(count)]


def demo_content() -> BotContent:
    path = TENANT_FILES / "content" / f"{DEMO}.yaml"
    return load_bot_content(path.read_bytes(), path.name)


def larger_content() -> BotContent:
    """As many intents as BANKING77 has, and names in between, so that its words are not all the same few."""
    chance, names = random.Random(1), ["".join(parts) for parts in product(_SYLLABLES, repeat=3)]
    return _content(
        (
            f"{action} {thing}".replace(" ", "_"),
            f"{asked.format(action, thing)} for {' '.join(chance.sample(names, 2))}",
        )
        for (action, thing), asked in product(product(_ACTIONS, _THINGS), _ASKED)
    )


def banking77_content(folder: Path) -> BotContent:
    """Some phrases of each intent. Raises OSError."""
    by_intent: defaultdict[str, list[str]] = defaultdict(list)
    with (folder / "train.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if len(row["text"]) <= LONGEST:
                by_intent[row["category"]].append(row["text"])
    chance = random.Random(1)
    return _content(
        (_plain(intent), text)
        for intent, texts in sorted(by_intent.items())
        for text in chance.sample(texts, min(PHRASES, len(texts)))
    )


def _plain(intent: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in intent.lower()).strip("_")


def _content(examples: Iterable[tuple[str, str]]) -> BotContent:
    """A content of intents and their phrases, with the base intents."""
    intents: dict[str, Any] = {}
    for intent, text in examples:
        known = intents.setdefault(intent, {"phrases": {LANGUAGE: []}, "answers": {LANGUAGE: [f"About {intent}."]}})
        known["phrases"][LANGUAGE].append(text)
    return parse_bot_content(
        {"default_language": LANGUAGE, "base": True, "fallback": {LANGUAGE: ["Pardon?"]}, "intents": intents}
    )


def _phrases(bot: Bot) -> list[str]:
    return list(_all_phrases(bot.content))


def _all_phrases(content: BotContent) -> Iterator[str]:
    for intent in content.intents.values():
        yield from intent.phrases.get(LANGUAGE, ())


def _hurried(text: str, chance: random.Random) -> str:
    """Without one of its letters."""
    at = chance.randrange(len(text))
    return text[:at] + text[at + 1 :]


def _ask(bot: Bot, text: str) -> answers.EngineAnswer:
    understood = bot.understand(text, LANGUAGE, NO_CONTEXT)
    return answers.answer(bot.content, understood, LANGUAGE, NO_CONTEXT)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done
