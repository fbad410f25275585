"""The demo tenants' bots, trained once for all tests, and a small content to vary."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from m2n.bot_content import BotContent, load_bot_content, parse_bot_content
from services.nlp.builtin.engine import Bot, prepare
from services.nlp.builtin.store import ModelStore

CONTENT_FOLDER = Path(__file__).parents[2] / "deploy" / "local" / "tenants" / "content"
DEMO_TENANTS = ("acme-bikes", "nordlicht")


def demo_content(tenant: str) -> BotContent:
    path = CONTENT_FOLDER / f"{tenant}.yaml"
    return load_bot_content(path.read_bytes(), path.name)


@cache
def demo_bot(tenant: str) -> Bot:
    with TemporaryDirectory() as folder:
        return prepare(demo_content(tenant), ModelStore(Path(folder)))


def small_document(**changes: Any) -> dict[str, Any]:
    """A valid document of two intents, with fields replaced."""
    document: dict[str, Any] = {
        "default_language": "en",
        "base": False,
        "fallback": {"en": ["Pardon?"]},
        "intents": {
            "tea": {"phrases": {"en": ["I want tea", "a cup of tea"]}, "answers": {"en": ["Tea!"]}},
            "coffee": {"phrases": {"en": ["I want coffee", "an espresso"]}, "answers": {"en": ["Coffee!"]}},
        },
    }
    return document | changes


def small_bot(folder: Path, **changes: Any) -> Bot:
    return prepare(parse_bot_content(small_document(**changes)), ModelStore(folder))


def intent(phrases: Sequence[str], *answers: str | Mapping[str, Any]) -> dict[str, Any]:
    """An English intent of a document."""
    return {"phrases": {"en": list(phrases)}, "answers": {"en": list(answers) or ["Fine."]}}
