"""The messages that are rendered for a channel: each kind, at the channel's limits and over them."""

from collections.abc import Iterator
from dataclasses import dataclass

from m2n.adapters.capabilities import Capabilities, Choices
from m2n.message import (
    MAX_TEXT,
    AudioContent,
    Button,
    ButtonsContent,
    CallContent,
    ChoiceContent,
    Contact,
    ContactCardContent,
    Content,
    DeleteContent,
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
    VideoContent,
)
from m2n.splitting import length

MAX_NAME = 512
MEDIA_URL = "https://media.example/kit/piece.bin"
BYTES = b"a piece of media"
ASTRONAUT = "👩🏽‍🚀"
_CAPTIONED = {"image": ImageContent, "audio": AudioContent, "video": VideoContent, "file": FileContent}
_SOME_MIME = {"image": "image/png", "audio": "audio/ogg", "video": "video/mp4", "file": "application/pdf"}


@dataclass(frozen=True)
class Case:
    """``shows`` stands in the calls in that order, ``whole`` untorn in one; not ``possible``: nothing may go out."""

    what: str
    content: Content
    shows: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    least: int = 1
    most: int | None = None
    possible: bool = True


def cases(can: Capabilities, theirs: str, ours: str) -> Iterator[Case]:
    """``theirs`` and ``ours`` are the vendor's ids of a message of the customer's and of one of ours."""
    yield from texts(can)
    yield from choices(can)
    for kind in ("image", "audio", "video", "file", "sticker"):
        yield from media(can, kind)
    yield from others(can, theirs, ours)


def words(room: int) -> tuple[str, ...]:
    """Different words that take exactly ``room`` characters with a space between each two."""
    found = [f"w{number:05d}" for number in range(room // 7)] or ["e" * min(room, 1)]
    left = room - len(" ".join(found))
    if left > 1:
        return (*found, "e" * (left - 1))
    return (*found[:-1], found[-1] + "e" * left)


def texts(can: Capabilities) -> Iterator[Case]:
    at_limit = words(can.text)
    yield Case("a text exactly at the limit", _text(at_limit), at_limit, most=1)
    yield Case("a text of one word", TextContent(text="hello"), whole=("hello",), most=1)
    yield Case("a text of white space", TextContent(text=" \n "), possible=False)
    if can.text >= MAX_TEXT:
        return
    yield Case("a text one over the limit", _text(words(can.text + 1)), words(can.text + 1), least=2)
    many = words(min(can.text * 3, MAX_TEXT))
    yield Case("a text of three times the limit", _text(many), many, least=2)
    for before in range(1, 12):
        text = "e" * (can.text - before) + ASTRONAUT + "f" * 20
        yield Case(f"an emoji {before} before the limit", TextContent(text=text), whole=(ASTRONAUT,), least=2)


def choices(can: Capabilities) -> Iterator[Case]:
    shape = can.buttons or Choices(most=3, title=20)
    most, title = min(shape.most, 20), min(shape.title, MAX_NAME)
    yield _buttons("buttons at the limits of number, title and id", shape, most, title, can.buttons is not None)
    yield _buttons("one button", shape, 1, 5, False)
    if most < 20:
        yield _buttons("one button too many", shape, most + 1, title, False)
    if title < MAX_NAME:
        yield _buttons("buttons whose titles are one too long", shape, most, title + 1, False)
    over = words(min(min(shape.text, can.text) + 1, MAX_TEXT))
    long = ButtonsContent(text=" ".join(over), buttons=(_YES,))
    yield Case("buttons below a text that is one too long", long, over, ("Yes",))
    yield from _lists(can)


_YES = Button(id="yes", title="Yes")


def _buttons(what: str, shape: Choices, number: int, title: int, with_ids: bool) -> Case:
    titles = [_padded(f"b{n:02d}", title, "t") for n in range(number)]
    ids = [_padded(f"i{n:02d}", min(shape.id, MAX_NAME), "d") for n in range(number)]
    buttons = tuple(Button(id=id_, title=name) for id_, name in zip(ids, titles, strict=True))
    content = ButtonsContent(text="Which one?", buttons=buttons)
    return Case(what, content, tuple(titles), ("Which one?", *(ids if with_ids else ())))


def _lists(can: Capabilities) -> Iterator[Case]:
    shape = can.list or Choices(most=10, title=24, description=72)
    most, title = min(shape.most, 100), min(shape.title, MAX_NAME)
    about = min(shape.description, 1_000)
    yield _list("a list at the limits of number, title and description", most, title, about)
    if most < 100:
        yield _list("a list with one item too many", most + 1, title, about)
    if title < MAX_NAME:
        yield _list("a list whose titles are one too long", most, title + 1, about)
    if shape.description < MAX_TEXT:
        yield _list("a list whose descriptions are one too long", most, title, about + 1)


def _list(what: str, number: int, title: int, about: int) -> Case:
    titles = [_padded(f"l{n:03d}", title, "t") for n in range(number)]
    abouts = [_padded(f"a{n:03d}", about, "u") for n in range(number)]
    items = tuple(ListItem(id=f"item-{n}", title=titles[n], description=abouts[n] or None) for n in range(number))
    content = ListContent(text="Pick one:", button="Choose", items=items)
    return Case(what, content, whole=("Pick one:", *titles, *filter(None, abouts)))


def media(can: Capabilities, kind: str) -> Iterator[Case]:
    limit = can.media.get(kind)
    size = limit.max_bytes if limit else 1_000
    mime = _mime(can, kind)
    yield Case(f"{kind} at the greatest size", _media(kind, mime, size))
    yield Case(f"{kind} one byte too large", _media(kind, mime, size + 1))
    yield Case(f"{kind} of a type that nobody supports", _media(kind, "application/x-m2n-unknown", 10))
    yield Case(f"{kind} of which neither type nor size is known", _media(kind, None, None))
    unknown = Media(vendor_id="m-1", filename="order.pdf")
    yield Case(f"{kind} without an address", _of_kind(kind, unknown, None))
    if kind in _CAPTIONED:
        yield from _captions(can, kind, mime)


def _captions(can: Capabilities, kind: str, mime: str | None) -> Iterator[Case]:
    room = can.captions.get(kind, 0)
    for what, number in (("of one word", 5), ("at the limit", room), ("one over the limit", room + 1)):
        caption = words(number) if 0 < number <= MAX_TEXT else ()
        if caption:
            yield Case(f"{kind} with a caption {what}", _media(kind, mime, 10, " ".join(caption)), caption)


def others(can: Capabilities, theirs: str, ours: str) -> Iterator[Case]:
    place = LocationContent(latitude=52.0907374, longitude=-5.1214201, name="Dom tower", address="Domplein 29")
    yield Case("a location", place, whole=("52.0907374", "-5.1214201"))
    yield Case("a location with a name and an address", place, whole=("Dom tower", "Domplein 29"))
    bare = LocationContent(latitude=0.0000001, longitude=-0.0000001)
    yield Case("a location with tiny degrees and no name", bare)
    card = Contact(name="Ada Lovelace", phones=("+15550100009",), emails=("ada@shop.example",))
    yield Case("a contact card", ContactCardContent(contacts=(card,)), whole=("Ada", "Lovelace", "15550100009"))
    yield Case("two contact cards", ContactCardContent(contacts=(card, Contact(name="Kim"))), whole=("Ada", "Kim"))
    yield Case("a choice", ChoiceContent(id="yes", title="Yes please"), whole=("Yes please",))
    yield Case(
        "a template", _TEMPLATE, whole=(_TEMPLATE.template, "Monday") if can.template else (), possible=can.template
    )
    yield Case("a reaction", ReactionContent(target=theirs, emoji="👍"), possible=can.reaction)
    yield Case("a reaction taken back", ReactionContent(target=theirs), possible=can.reaction)
    yield Case("an edit", EditContent(target=ours, text="corrected"), ("corrected",) * can.edit, possible=can.edit)
    long = EditContent(target=ours, text="e" * min(can.text + 1, MAX_TEXT))
    yield Case("an edit over the limit", long, possible=can.edit and length(long.text, can.measure) <= can.text)
    yield Case("a deletion", DeleteContent(target=ours), possible=can.delete)
    yield Case("a typing sign", TypingContent(), possible="typing" in can.signals)
    yield Case("a call's end", CallContent(event="ended", call="c-1"), possible=False)
    yield Case("an unsupported message", UnsupportedContent(vendor_type="x"), possible=False)


_TEMPLATE = TemplateContent(template="HX00000000000000000000000000000001", language="en", variables=(("1", "Monday"),))


def _text(parts: tuple[str, ...]) -> TextContent:
    return TextContent(text=" ".join(parts))


def _padded(start: str, room: int, filler: str) -> str:
    return (start + filler * room)[:room] if room else ""


def _mime(can: Capabilities, kind: str) -> str | None:
    """A type that the channel takes for that kind."""
    limit = can.media.get(kind)
    if limit is None or not limit.mimes:
        return _SOME_MIME.get(kind, "image/webp")
    return next((mime for mime in limit.mimes if not mime.endswith("/")), f"{limit.mimes[0]}x-kit")


def _media(kind: str, mime: str | None, size: int | None, caption: str | None = None) -> Content:
    return _of_kind(kind, Media(url=MEDIA_URL, mime=mime, size_bytes=size, filename="piece.bin"), caption)


def _of_kind(kind: str, piece: Media, caption: str | None) -> Content:
    return StickerContent(media=piece) if kind == "sticker" else _CAPTIONED[kind](media=piece, caption=caption)
