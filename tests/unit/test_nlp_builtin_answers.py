"""Answers: wording, language, greeting, menus, handover and end."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2n.bot_content import BotContent, parse_bot_content
from services.nlp.builtin.answers import EngineAnswer, answer
from services.nlp.builtin.base_intents import with_base_intents
from services.nlp.builtin.calibration import Stage
from services.nlp.builtin.context import ConversationContext
from services.nlp.builtin.engine import Understanding
from tests.unit.nlp_builtin_bots import DEMO_TENANTS, demo_bot, small_bot, small_document

LATER = ConversationContext(answers_given=1)


def meant(intent: str | None) -> Understanding:
    return Understanding(intent, 0.9, 0.5, Stage.MODEL if intent else Stage.NONE, (), 1.0)


def said(tenant: str, intent: str | None, language: str, given: int = 1) -> EngineAnswer:
    return answer(demo_bot(tenant).content, meant(intent), language, ConversationContext(answers_given=given))


def test_an_intent_is_answered_in_the_language() -> None:
    german, english = (said("nordlicht", "delivery", language) for language in ("de", "en"))
    assert "2,90 €" in german.texts[0].text
    assert "2.90 €" in english.texts[0].text
    assert (german.intent, german.confidence) == ("delivery", 0.9)
    assert (german.fallback, german.handover, german.end) == (False, False, False)


def test_wording_varies_with_the_answers_given() -> None:
    wordings = [said("acme-bikes", "opening_hours", "en", given).texts[0].text for given in range(1, 5)]
    assert wordings[0] != wordings[1]
    assert wordings[:2] == wordings[2:]


def test_no_match_gives_the_fallback_with_its_menu() -> None:
    result = said("nordlicht", None, "de", 2)
    assert (result.fallback, result.intent, result.handover) == (True, None, False)
    assert [choice.title for choice in result.offered][:2] == ["Öffnungszeiten", "Bestellen"]


def test_a_missing_language_is_answered_in_the_default() -> None:
    assert said("nordlicht", "delivery", "fr") == said("nordlicht", "delivery", "de")
    assert said("acme-bikes", "delivery", "de") == said("acme-bikes", "delivery", "en")


def test_the_first_answer_starts_with_the_greeting() -> None:
    first = said("acme-bikes", "delivery", "en", 0)
    assert [text.text.split()[0] for text in first.texts] == ["Welcome", "We"]
    assert said("acme-bikes", "delivery", "en", 1).texts == first.texts[1:]
    assert len(said("acme-bikes", "greet", "en", 0).texts) == 2  # the greeting, then the menu


def test_a_greeting_is_not_answered_by_two(tmp_path: Path) -> None:
    content = small_bot(tmp_path, base=True, greeting={"en": ["Welcome!"]}).content
    result = answer(content, meant("greet"), "en", ConversationContext())
    assert [text.text for text in result.texts] == ["Welcome!"]


def test_complaints_go_to_a_human_and_goodbyes_end() -> None:
    for tenant in DEMO_TENANTS:
        complaint, human, bye = (said(tenant, name, "en") for name in ("complaint", "handover", "goodbye"))
        assert complaint.handover
        assert complaint.texts
        assert human.handover
        assert human.texts == ()
        assert human.offered == ()
        assert bye.end
        assert not bye.handover


def test_an_intent_that_is_gone_is_a_fallback() -> None:
    result = said("acme-bikes", "removed_since", "en")
    assert (result.fallback, result.intent) == (True, None)


def test_a_menu_leads_on() -> None:
    bot = demo_bot("nordlicht")
    asked = answer(bot.content, bot.understand("Ich möchte etwas bestellen", "de"), "de", LATER)
    context = ConversationContext(asked.offered, 2)
    picked = bot.understand("die dritte", "de", context)
    assert "drei Tage vorher" in answer(bot.content, picked, "de", context).texts[0].text


@pytest.mark.parametrize("tenant", DEMO_TENANTS)
def test_every_choice_of_the_demo_leads_to_an_answer(tenant: str) -> None:
    bot = demo_bot(tenant)
    for language in bot.content.languages:
        for intent in [*bot.content.intents, None]:
            for count in range(2):
                offered = said(tenant, intent, language, count).offered
                for number in range(1, len(offered) + 1):
                    context = ConversationContext(offered, 1)
                    picked = bot.understand(str(number), language, context)
                    assert not answer(bot.content, picked, language, context).fallback


@settings(deadline=None)
@given(
    st.sampled_from(DEMO_TENANTS),
    st.text(max_size=40),
    st.sampled_from(["de", "en", "fr-CA", ""]) | st.text(max_size=5),
    st.integers(0, 1000),
)
def test_any_text_gets_one_and_the_same_answer(tenant: str, text: str, language: str, given: int) -> None:
    bot, context = demo_bot(tenant), ConversationContext(answers_given=given)
    result = bot.understand(text, language, context)
    first, second = (answer(bot.content, result, language, context) for _ in range(2))
    assert first == second
    assert first.texts or first.handover


def test_answers_of_one_tenant_hold_nothing_of_another() -> None:
    texts = {tenant: all_texts(demo_bot(tenant).content) - base_texts() for tenant in DEMO_TENANTS}
    for mine, other in (DEMO_TENANTS, DEMO_TENANTS[::-1]):
        bot = demo_bot(mine)
        for intent in [*demo_bot(other).content.intents, None]:
            for language in ("de", "en"):
                for text in answer(bot.content, meant(intent), language, ConversationContext()).texts:
                    assert text.text not in texts[other]


def all_texts(content: BotContent) -> set[str]:
    groups = [content.greeting, content.fallback, *(intent.answers for intent in content.intents.values())]
    return {text.text for group in groups for variants in group.values() for text in variants}


def base_texts() -> set[str]:
    document = small_document(base=True, fallback={"en": ["Pardon?"], "de": ["Wie bitte?"]})
    return all_texts(with_base_intents(parse_bot_content(document)))
