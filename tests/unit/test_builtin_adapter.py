"""The built-in engine as an adapter: turns in, answers out."""

from pathlib import Path
from typing import Any

import pytest

from m2n.adapters.engine import EngineContext
from m2n.events import Line, Turn
from m2n.message import Author, ButtonsContent, ImageContent, Media, TextContent, plain_text
from m2n.tenant import Connection, ConnectionKind
from services.nlp.builtin.adapter import BuiltinEngine
from tests.unit.builders import NOON
from tests.unit.test_routing import turn

CONTENT: dict[str, Any] = {
    "default_language": "en",
    "fallback": {"en": ["Pardon?"], "de": ["Wie bitte?"]},
    "intents": {
        "hours": {
            "phrases": {
                "en": ["when are you open", "opening hours", "are you open today", "what time do you close"],
                "de": ["wann habt ihr offen", "öffnungszeiten", "habt ihr heute auf", "wann schließt ihr"],
            },
            "answers": {"en": ["We open at nine."], "de": ["Ab neun Uhr."]},
        },
        "menu": {
            "phrases": {"en": ["show the menu", "what can you do", "menu please", "list of topics"]},
            "answers": {
                "en": [{"text": "Pick one", "choices": [{"id": "m_hours", "title": "Times", "intent": "hours"}]}]
            },
        },
    },
}


def asked(*texts: str, **facts: Any) -> Turn:
    lines = tuple(
        Line(seq=number, author=Author.CUSTOMER, content=TextContent(text=text), at=NOON)
        for number, text in enumerate(texts, start=1)
    )
    return turn(bot_answers=1, **facts).model_copy(update={"lines": lines})


@pytest.fixture
def context() -> EngineContext:
    connection = Connection(id="acme-bot", kind=ConnectionKind.ENGINE, adapter="builtin", settings={"content": CONTENT})
    return EngineContext(connection, {}, version=1)


@pytest.fixture
def engine(tmp_path: Path) -> BuiltinEngine:
    return BuiltinEngine(models=tmp_path)


async def test_every_line_is_answered_in_order(engine: BuiltinEngine, context: EngineContext) -> None:
    answer = await engine.answer(asked("opening hours", "show the menu", "opening hours"), context)
    assert [plain_text(message) for message in answer.messages] == ["We open at nine.", "Pick one", "We open at nine."]
    assert (answer.intent, answer.fallback) == ("hours", False)


async def test_several_lines_that_mean_nothing_get_one_fallback(engine: BuiltinEngine, context: EngineContext) -> None:
    answer = await engine.answer(asked("xqzt", "wvvk qpl", "zzzt"), context)
    assert [plain_text(message) for message in answer.messages] == ["Pardon?"]
    assert answer.fallback


async def test_choices_come_as_buttons_and_a_number_picks_one(engine: BuiltinEngine, context: EngineContext) -> None:
    menu = await engine.answer(asked("show the menu"), context)
    assert isinstance(menu.messages[0], ButtonsContent)
    offered = tuple((button.id, button.title) for button in menu.messages[0].buttons)
    picked = await engine.answer(asked("1", choices=offered), context)
    assert [plain_text(message) for message in picked.messages] == ["We open at nine."]


async def test_another_language_of_the_bot_is_understood_and_answered(
    engine: BuiltinEngine, context: EngineContext
) -> None:
    answer = await engine.answer(asked("wann habt ihr offen"), context)
    assert [plain_text(message) for message in answer.messages] == ["Ab neun Uhr."]
    assert answer.language == "de"


async def test_new_version_of_the_content_is_used(engine: BuiltinEngine, context: EngineContext) -> None:
    await engine.answer(asked("opening hours"), context)
    changed = {
        **CONTENT,
        "intents": {**CONTENT["intents"], "hours": {**CONTENT["intents"]["hours"], "answers": {"en": ["Closed."]}}},
    }
    connection = context.connection.model_copy(update={"settings": {"content": changed}})
    answer = await engine.answer(asked("opening hours"), EngineContext(connection, {}, version=2))
    assert [plain_text(message) for message in answer.messages] == ["Closed."]


async def test_a_picture_is_answered_too(engine: BuiltinEngine, context: EngineContext) -> None:
    picture = Line(seq=1, author=Author.CUSTOMER, content=ImageContent(media=Media(vendor_id="ME1")), at=NOON)
    answer = await engine.answer(asked("x").model_copy(update={"lines": (picture,)}), context)
    assert answer.fallback
    assert answer.messages
