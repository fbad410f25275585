"""A written message as it is spoken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.channels.voice.interruption import heard
from services.channels.voice.sentences import BUILT_IN, Sentences, sentence
from services.channels.voice.speech import Speech, speech


def press(title: str, number: str) -> str:
    return f"For {title}, press {number}."


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Hello", Speech("Hello.")),
        ("Hello!\nHow are you?", Speech("Hello! How are you?")),
        (
            "Choose:\n\n1. Opening hours\n2. Prices",
            Speech("Choose: For Opening hours, press 1. For Prices, press 2.", 2),
        ),
        ("\n\n1. Only one", Speech("1. Only one.")),
        ("9. Nine\n10. Ten", Speech("For Nine, press 9. For Ten, press 10.", 2)),
        ("Do this:\n1. Open the lid\n2. Press it", Speech("Do this: 1. Open the lid. 2. Press it.")),
        ("Text\n\n1. a\n3. c", Speech("Text. 1. a. 3. c.")),
        ("See https://www.shop.example/a?b=1.", Speech("See shop.example.")),
        ("Our shop\nhttps://www.openstreetmap.org/?mlat=1&mlon=2", Speech("Our shop.")),
        ("https://shop.example/picture.png", Speech("")),
        ("[image]", Speech("")),
        ("Great 😀👍🏽!", Speech("Great !")),
        ("\x00a\x07b", Speech("ab.")),
        ("   ", Speech("")),
    ],
)
def test_what_is_said(written: str, said: Speech) -> None:
    assert speech(written, press) == said


@given(st.text())
def test_any_text_can_be_said(written: str) -> None:
    found = speech(written, press)
    assert "://" not in found.text or "http" not in found.text
    assert found.choices >= 0


@pytest.mark.parametrize(
    ("said", "until", "parts"),
    [
        (["I am sorry to hear that."], "I am so", ("I am so",)),
        (["One.", "Two and three."], "Two", (None, "Two")),
        (["One.", "Two and three.", "Four."], "One. Two", (None, "Two", "")),
        (["One.", "Two."], "One. Two.", (None, None)),
        (["One.", "Two."], "", (None, "")),
        (["Hello  there"], "something else", ("something else",)),
        (["A", "B"], "A", (None, "")),
    ],
)
def test_what_was_heard_before_an_interruption(said: list[str], until: str, parts: tuple[str | None, ...]) -> None:
    assert heard(said, until) == parts


def test_sentences_are_the_tenants_then_built_in_then_english() -> None:
    own = {"de": "Moment!"}
    assert sentence("one_moment", own, "de-AT").text == "Moment!"
    assert sentence("one_moment", {}, "de").language == "de"
    japanese = sentence("one_moment", {}, "ja")
    assert (japanese.text, japanese.language) == (BUILT_IN["one_moment"]["en"], "en")


def test_every_sentence_that_a_tenant_may_change_has_a_built_in_one() -> None:
    assert set(Sentences.model_fields) <= set(BUILT_IN)
    assert [name for name, words in BUILT_IN.items() if "en" not in words] == []
