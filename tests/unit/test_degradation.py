"""What a channel cannot show is rendered as it can, and nothing is cut in silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2n.adapters.capabilities import MIB, Capabilities, Choices, MediaLimit
from m2n.adapters.degradation import NotShowable, degraded
from m2n.message import (
    AudioContent,
    Button,
    ButtonsContent,
    Contact,
    ContactCardContent,
    Content,
    EditContent,
    FileContent,
    ImageContent,
    ListContent,
    ListItem,
    LocationContent,
    Media,
    ReactionContent,
    StickerContent,
    TemplateContent,
    TextContent,
    TypingContent,
    UnsupportedContent,
    plain_text,
)
from m2n.splitting import split_lines, split_text, utf8_bytes, utf16_units

PLAIN = Capabilities(text=100)
RICH = Capabilities(
    text=200,
    buttons=Choices(most=3, title=20, id=10, text=50),
    list=Choices(most=10, title=24, id=20, description=30, text=60),
    media={"image": MediaLimit(5 * MIB, ("image/jpeg", "image/png")), "file": MediaLimit(10 * MIB)},
    captions={"image": 40, "file": 40},
    location=True,
    contact_card=True,
    template=True,
    reaction=True,
    edit=True,
)
PICTURE = Media(url="https://cdn.example/a.jpg", mime="image/jpeg", size_bytes=1000)


def buttons(*titles: str, text: str = "Which?") -> ButtonsContent:
    made = tuple(Button(id=f"b{number}", title=title) for number, title in enumerate(titles))
    return ButtonsContent(text=text, buttons=made)


def texts(content: Content, can: Capabilities = PLAIN) -> list[str]:
    shown = degraded(content, can)
    assert all(isinstance(each, TextContent) for each in shown)
    return [plain_text(each) for each in shown]


def test_buttons_become_numbered_lines_where_there_are_none() -> None:
    assert texts(buttons("Yes", "No")) == ["Which?\n\n1. Yes\n2. No"]


def test_three_buttons_are_shown_and_four_become_a_list() -> None:
    assert degraded(buttons("A", "B", "C"), RICH) == (buttons("A", "B", "C"),)
    (shown,) = degraded(buttons("A", "B", "C", "D"), RICH)
    assert isinstance(shown, ListContent)
    assert [item.title for item in shown.items] == ["A", "B", "C", "D"]


def test_a_title_is_never_shortened() -> None:
    long = "x" * 25
    assert texts(buttons(long, "No"), RICH) == [f"Which?\n\n1. {long}\n2. No"]


def test_an_id_that_is_too_long_in_bytes_is_no_button() -> None:
    content = ButtonsContent(text="Which?", buttons=(Button(id="é" * 6, title="A"),))
    (shown,) = degraded(content, RICH)
    assert isinstance(shown, ListContent)


def test_words_above_choices_that_are_too_long_come_before_them() -> None:
    shown = degraded(buttons("Yes", text="One two three. " * 5 + "Which?"), RICH)
    assert [each.type for each in shown] == ["text", "buttons"]
    assert " ".join(plain_text(each) for each in shown) == "One two three. " * 5 + "Which?"


def test_numbered_lines_are_cut_between_lines() -> None:
    parts = texts(buttons(*(f"The choice of the number {number}" for number in range(8))), PLAIN)
    assert all(len(part) <= 100 for part in parts)
    lines = [line for part in parts[1:] for line in part.splitlines()]
    assert lines == [f"{number + 1}. The choice of the number {number}" for number in range(8)]


def test_a_list_says_its_descriptions_in_words() -> None:
    items = (ListItem(id="1", title="Day", description="14 €"), ListItem(id="2", title="Week"))
    assert texts(ListContent(text="Prices", button="Show", items=items)) == ["Prices\n\n1. Day - 14 €\n2. Week"]


def test_media_that_cannot_be_sent_are_told_with_their_address() -> None:
    assert texts(ImageContent(media=PICTURE, caption="Look")) == ["Look\nhttps://cdn.example/a.jpg"]
    assert texts(AudioContent(media=Media(filename="voice.ogg"))) == ["voice.ogg"]
    assert texts(StickerContent(media=PICTURE, emoji="👍")) == ["👍"]


def test_a_picture_of_a_type_that_is_not_taken_goes_as_a_file() -> None:
    picture = PICTURE.model_copy(update={"mime": "image/tiff"})
    assert degraded(ImageContent(media=picture, caption="Look"), RICH) == (FileContent(media=picture, caption="Look"),)


def test_a_file_that_is_too_large_is_a_link() -> None:
    large = Media(url="https://cdn.example/a.zip", mime="application/zip", size_bytes=11 * MIB)
    assert texts(FileContent(media=large), RICH) == ["https://cdn.example/a.zip"]


def test_what_does_not_fit_under_a_picture_follows_it() -> None:
    caption = "The first sentence is here. And the second one follows it."
    first, second = degraded(ImageContent(media=PICTURE, caption=caption), RICH)
    assert first == ImageContent(media=PICTURE, caption="The first sentence is here.")
    assert second == TextContent(text="And the second one follows it.")


def test_a_sound_without_captions_is_followed_by_its_words() -> None:
    can = Capabilities(text=100, media={"audio": MediaLimit(MIB)})
    sound = Media(url="https://cdn.example/a.ogg", mime="audio/ogg")
    assert degraded(AudioContent(media=sound, caption="Listen"), can) == (
        AudioContent(media=sound),
        TextContent(text="Listen"),
    )


def test_a_place_becomes_a_link() -> None:
    place = LocationContent(latitude=52.5, longitude=5.10000001, name="Harbour")
    assert texts(place) == ["Harbour\nhttps://www.openstreetmap.org/?mlat=52.5&mlon=5.1"]
    assert degraded(place, RICH) == (place,)


def test_a_contact_becomes_words() -> None:
    card = ContactCardContent(contacts=(Contact(name="Ada", phones=("+15550100002",), emails=("ada@example.org",)),))
    assert texts(card) == ["Ada\n+15550100002\nada@example.org"]


@pytest.mark.parametrize(
    "content",
    [
        TemplateContent(template="t"),
        ReactionContent(target="m", emoji="👍"),
        EditContent(target="m", text="x"),
        TypingContent(),
        UnsupportedContent(vendor_type="x"),
        TextContent(text=" \n "),
    ],
)
def test_what_nothing_could_stand_for_is_refused(content: Content) -> None:
    with pytest.raises(NotShowable) as refused:
        degraded(content, PLAIN)
    assert content.type in str(refused.value)


def test_an_edit_that_is_too_long_is_refused_not_cut() -> None:
    with pytest.raises(NotShowable):
        degraded(EditContent(target="m", text="x" * 201), RICH)


# -- limits in other measures --------------------------------------------------------------------------------------


@given(st.text(max_size=300), st.integers(10, 60), st.sampled_from([utf8_bytes, utf16_units]))
def test_parts_keep_to_a_limit_in_any_measure_and_lose_nothing(text: str, limit: int, measure: object) -> None:
    assert measure in (utf8_bytes, utf16_units)
    chosen = utf8_bytes if measure is utf8_bytes else utf16_units
    parts = split_text(text, limit, chosen)
    assert all(sum(map(chosen, part)) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_an_emoji_is_not_torn_in_utf_16_units() -> None:
    assert split_text("😀" * 5, 5, utf16_units) == ("😀😀", "😀😀", "😀")


def test_a_line_that_is_longer_than_a_part_is_cut_as_a_text_is() -> None:
    assert split_lines(["one two three", "four"], 8) == ("one two", "three", "four")
