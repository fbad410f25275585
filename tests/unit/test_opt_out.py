"""The words for STOP and START: whole messages only, in every language, on channels that mind them."""

import pytest

from m2n.adapters.capabilities import OptOut
from m2n.message import ConsentWord, ImageContent, Media, TextContent
from m2n.opt_out import START_WORDS, STOP_WORDS, consent_word


def word(text: str, minded_by: OptOut = OptOut.OURS, **own: tuple[str, ...]) -> ConsentWord | None:
    return consent_word(TextContent(text=text), minded_by, own.get("stop", ()), own.get("start", ()))


@pytest.mark.parametrize("text", ["STOP", " stop ", "Stop!", "Stopp", "Unsubscribe.", "désabonner", "BAJA", "توقف"])
def test_stop_in_many_words(text: str) -> None:
    assert word(text) is ConsentWord.STOP


@pytest.mark.parametrize("text", ["START", "Anmelden", "alta"])
def test_start_in_many_words(text: str) -> None:
    assert word(text) is ConsentWord.START


@pytest.mark.parametrize("text", ["stop it", "please stop", "cancel", "end", "yes", "help", "", "s" * 200])
def test_words_of_a_conversation_are_none(text: str) -> None:
    assert word(text) is None


def test_the_vendors_own_list_counts_where_the_vendor_minds_it() -> None:
    assert word("CANCEL", OptOut.VENDOR) is ConsentWord.STOP
    assert word("yes", OptOut.VENDOR) is ConsentWord.START
    assert word("help", OptOut.VENDOR) is ConsentWord.HELP
    assert word("stopp", OptOut.VENDOR) is None, "the vendor does not block for it"


def test_channels_without_consent_have_no_words() -> None:
    assert word("STOP", OptOut.NONE) is None


def test_a_tenants_own_words_count_too() -> None:
    assert word("basta", stop=("Basta",)) is ConsentWord.STOP
    assert word("weiter", start=("weiter",)) is ConsentWord.START


def test_a_caption_is_no_word() -> None:
    assert consent_word(ImageContent(media=Media(), caption="stop"), OptOut.OURS) is None


def test_no_word_means_both() -> None:
    stop = {each for words in STOP_WORDS.values() for each in words}
    start = {each for words in START_WORDS.values() for each in words}
    assert not stop & start
