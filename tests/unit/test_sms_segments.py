"""How many segments a text takes, and how long texts are cut to take no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.channels.sms.segments import GSM7, UCS2, count, encoding, septets, split

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[~]|€"


def test_alphabet_is_complete() -> None:
    """3GPP TS 23.038: 128 characters of which one is the escape, and ten behind it."""
    assert len(set(BASIC)) == 127
    assert encoding(BASIC + EXTENSION) is GSM7
    assert {septets(letter) for letter in BASIC} == {1}
    assert {septets(letter) for letter in EXTENSION} == {2}


@pytest.mark.parametrize("letter", ["`", "ç", "á", "Á", "\t", "“", "…", "–", "漢", "😀", "\u00a0", "ѕ"])
def test_other_characters_need_two_bytes(letter: str) -> None:
    assert encoding(letter) is UCS2


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("a" * 1530, 10),
        ("a" * 1600, 11),
        ("a" * 158 + "€", 1),
        ("a" * 159 + "€", 2),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 151, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("漢" * 70, 1),
        ("漢" * 71, 2),
        ("漢" * 134, 2),
        ("漢" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 66, 2),
        ("😀" * 67, 3),
        ("漢" * 66 + "😀" + "漢" * 65, 2),
        ("漢" * 66 + "😀" + "漢" * 66, 3),
    ],
    ids=lambda value: f"{value[:1]}{len(value)}" if isinstance(value, str) else str(value),
)
def test_count(text: str, segments: int) -> None:
    assert count(text) == segments


def test_one_strange_character_makes_the_whole_text_long() -> None:
    assert (count("a" * 160), count("a" * 159 + "ч")) == (1, 3)


def test_cuts_at_sentence_ends() -> None:
    text = " ".join(["This sentence is of forty-eight letters or about."] * 8)
    assert [len(part) for part in split(text, 1)] == [149, 149, 99]


def test_short_text_is_left_as_it_is() -> None:
    assert split(" two  \n", 1) == (" two  \n",)


texts = st.text(st.sampled_from("abc. \n€{ß漢😀"), min_size=1, max_size=500).filter(str.strip)


@given(texts, st.integers(1, 4))
def test_no_part_takes_more_segments_and_nothing_is_lost(text: str, most: int) -> None:
    parts = split(text, most)
    assert all(count(part) <= most for part in parts)
    position = 0
    for part in parts:
        found = text.index(part, position)
        assert not text[position:found].strip()
        position = found + len(part)
    assert not text[position:].strip()


@given(st.text(st.sampled_from(BASIC), max_size=400))
def test_plain_text_is_160_or_153_a_segment(text: str) -> None:
    assert count(text) == (1 if len(text) <= 160 else -(-len(text) // 153))
