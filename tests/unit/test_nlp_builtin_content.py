"""Bot content: what is accepted, and how its errors read."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2n.bot_content import BASE_INTENTS, BotContentError, load_bot_content, parse_bot_content
from m2n.bot_content_errors import Problem
from m2n.text_comparison import MAX_TEXT_LENGTH, comparison_key, normalised
from services.nlp.builtin.base_intents import base_language, base_languages, with_base_intents
from tests.unit.nlp_builtin_bots import DEMO_TENANTS, demo_content, intent, small_document


def paths(document: object) -> dict[str, str]:
    with pytest.raises(BotContentError) as caught:
        parse_bot_content(document, "file.yaml")
    assert str(caught.value).startswith("file.yaml has ")
    return {problem.path: problem.message for problem in caught.value.problems}


def menu(*choices: dict[str, str]) -> dict[str, Any]:
    return {"text": "Which one?", "choices": list(choices)}


@pytest.mark.parametrize("tenant", DEMO_TENANTS)
def test_demo_content_is_valid_and_rich(tenant: str) -> None:
    content = demo_content(tenant)
    assert len(content.intents) >= 10
    for name, part in content.intents.items():
        for language, phrases in part.phrases.items():
            assert 8 <= len(phrases) <= 15, (name, language)


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"default_language": None}, "default_language", "expected text, got None"),
        ({"fallback": {"de": ["Wie bitte?"]}}, "fallback", "default language 'en'"),
        ({"greeting": {"de": ["Moin"]}}, "greeting", "default language 'en'"),
        ({"fallbacks": {}}, "fallbacks", "did you mean `fallback`?"),
        ({"intents": {}}, "intents", "expected at least one entry"),
        ({"intents": {"Tea": intent(["tea"])}}, "intents.Tea", "small letters"),
        ({"intents": {"tea": intent(["tea", " "])}}, "intents.tea.phrases.en[1]", "visible character"),
        ({"intents": {"tea": intent(["x" * 301])}}, "intents.tea.phrases.en[0]", "at most 300 characters"),
        ({"intents": {"tea": intent([4711])}}, "intents.tea.phrases.en[0]", "in quotes"),  # type: ignore[list-item]
        ({"intents": {"tea": {"phrases": {"en": "tea"}}}}, "intents.tea.phrases.en", "expected a list"),
        ({"intents": {"tea": {"phrases": {"english": ["tea"]}}}}, "intents.tea.phrases.english", "language code"),
        ({"intents": {"tea": {"phrases": {False: ["te"]}}}}, "intents.tea.phrases", "put it in quotes"),
        ({"intents": {"tea": {"phrases": {"en": ["tea"]}}}}, "intents.tea.answers", "add one"),
        ({"intents": {"tea": {"answers": {"en": ["Tea!"]}}}}, "intents.tea.phrases", "expected phrases"),
        ({"intents": {"tea": intent(["tea"]) | {"end": True, "handover": True}}}, "intents.tea", "got both"),
        (
            {"intents": {"tea": intent(["tea"], menu({"id": "a", "title": "A", "intent": "cake"}))}},
            "intents.tea.answers.en[0].choices[0].intent",
            "got 'cake'",
        ),
        (
            {"intents": {"tea": intent(["tea"], menu({"id": "a", "title": "A"}, {"id": "b", "title": "a!"}))}},
            "intents.tea.answers.en[0]",
            "its own title",
        ),
        ({"entities": {"size": {}}}, "entities.size", "either `values`"),
        ({"entities": {"size": {"pattern": "(a"}}}, "entities.size.pattern", "missing )"),
        ({"entities": {"size": {"pattern": r"(a)\1"}}}, "entities.size.pattern", "back-references"),
        ({"entities": {"size": {"pattern": "((a{900}){900}){900}"}}}, "entities.size.pattern", "RE2"),
        ({"entities": {"size": {"pattern": "a*"}}}, "entities.size.pattern", "empty text"),
        ({"entities": {"size": {"pattern": "a" * 201}}}, "entities.size.pattern", "at most 200"),
    ],
)
def test_a_wrong_document_names_the_path_and_what_to_do(changes: dict[str, Any], path: str, says: str) -> None:
    found = paths(small_document(**changes))
    assert says in found[path]


def test_equal_phrases_of_two_intents_are_refused_with_both_names() -> None:
    intents = {"refund": intent(["money back", "Refund me!"]), "payment": intent(["refund  me"])}
    message = paths(small_document(intents=intents))["intents.payment.phrases.en[0]"]
    assert "'payment'" in message
    assert "'refund'" in message
    assert "intents.refund.phrases.en[1]" in message


def test_one_choice_id_cannot_lead_to_two_intents() -> None:
    tea = intent(["tea"], menu({"id": "x", "title": "More tea", "intent": "tea"}))
    coffee = intent(["coffee"], menu({"id": "x", "title": "More", "intent": "coffee"}))
    found = paths(small_document(intents={"tea": tea, "coffee": coffee}))
    assert "another id" in found["intents.coffee.answers.en[0].choices[0].id"]


def test_every_problem_is_reported_at_once() -> None:
    assert len(paths({"intents": {"A": {"phrase": {}}, "b": {"answers": 3}}})) >= 4


def test_too_many_phrases_are_refused() -> None:
    intents = {f"n{i}": intent([f"phrase {i} {j}" for j in range(100)]) for i in range(201)}
    assert "at most 20000" in paths(small_document(intents=intents))["intents"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "line 1"),
        ("a: &x [1]\nb: *x", "no references"),
        ("yes: 1\nyes: 2", "'yes' again"),
        ("[a]: 1", "expected"),
        ("- a", "expected a mapping"),
        ("", "expected a mapping"),
        ("a: " + "[" * 50 + "]" * 50, "at most 20 levels"),
        ("a" * 2_000_001, "at most 2000000 bytes"),
        (b"\xff\xfe\xfa", "expected YAML in UTF-8"),
        ("a: !!python/object/apply:os.getcwd []", "expected"),
    ],
)
def test_what_is_no_plain_yaml_is_refused(text: str | bytes, says: str) -> None:
    with pytest.raises(BotContentError, match=r"^file\.yaml has 1 problem:") as caught:
        load_bot_content(text, "file.yaml")
    assert says in str(caught.value)


def test_yaml_text_stays_text() -> None:
    content = load_bot_content(
        """
        default_language: en
        fallback: {en: ["Pardon?"]}
        intents:
          no: {phrases: {en: [no, off, 10:30, 2024-06-01, 0x10, null, ~]}}
          tea: {phrases: {no: [te]}, answers: {en: [Tea!]}, handover: true}
        """
    )
    assert content.intents["no"].phrases["en"] == ("no", "off", "10:30", "2024-06-01", "0x10", "null", "~")
    assert content.intents["tea"].phrases["no"] == ("te",)
    assert content.intents["tea"].handover is True


def test_language_falls_back_by_parts_and_then_to_the_default() -> None:
    content = demo_content("nordlicht")
    assert [content.language_for(code) for code in ("en-GB", "EN_us", "de", "fr", "")] == ["en", "en", "de", "de", "de"]


@pytest.mark.parametrize("language", base_languages())
def test_base_phrases_are_complete_and_belong_to_one_intent(language: str) -> None:
    base = base_language(language)
    assert set(base.intents) == BASE_INTENTS
    keys = [comparison_key(phrase) for part in base.intents.values() for phrase in part.phrases]
    assert len(keys) == len(set(keys))
    assert len(base.choosing.ordinals) == 10
    assert all(part.answers or part.handover for part in base.intents.values())
    assert base.intents["handover"].handover
    assert base.intents["goodbye"].end


def test_tenant_parts_of_base_intents_win() -> None:
    intents = {
        "handover": {"answers": {"en": ["Ringing a colleague."]}},
        "thanks": intent(["ta"]) | {"end": True},
        "tea": intent(["hello", "tea"]),
    }
    merged = with_base_intents(parse_bot_content(small_document(base=True, intents=intents))).intents
    assert merged["handover"].handover
    assert merged["handover"].answers["en"][0].text == "Ringing a colleague."
    assert "human" in merged["handover"].phrases["en"]
    assert merged["thanks"].phrases["en"] == ("ta",)
    assert merged["thanks"].end
    assert "hello" not in merged["greet"].phrases["en"]


def test_without_base_nothing_is_added() -> None:
    assert set(with_base_intents(parse_bot_content(small_document())).intents) == {"tea", "coffee"}


@settings(deadline=None)
@given(st.text())
def test_normalising_is_stable_and_bounded(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once
    assert len(once) <= MAX_TEXT_LENGTH
    assert comparison_key(comparison_key(text)) == comparison_key(text)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Hello, World!", "hello world"),
        ("What’s UP", "what's up"),
        ("STRASSE", "straße"),
        ("ﬁne", "fine"),
        ("👍🏽", "👍"),
        ("\u202eשלום\u202c", "שלום"),
        ("a\x00b", "a b"),
        ("cafe\u0301", "café"),
    ],
)
def test_the_same_typed_in_another_way_compares_equal(left: str, right: str) -> None:
    assert comparison_key(left) == comparison_key(right)


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda part: (
        st.lists(part, max_size=3)
        | st.dictionaries(
            st.sampled_from(["intents", "fallback", "en", "phrases", "answers", "text", "choices", "x"])
            | st.text(max_size=5),
            part,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(DOCUMENTS)
def test_any_document_gives_content_or_a_clear_error(document: object) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        content = parse_bot_content(document)
    except BotContentError as error:
        content, problems = None, error.problems
    assert bool(content) != bool(problems)
    assert all(problem.message for problem in problems)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_content_or_a_clear_error(text: str) -> None:
    with pytest.raises(BotContentError):
        load_bot_content(text)
