"""Understanding: held-out wordings of the demo tenants, strangers, menus, entities, and any text at all."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2n.bot_content import Choice, parse_bot_content
from services.nlp.builtin import engine
from services.nlp.builtin.context import ConversationContext
from services.nlp.builtin.engine import Bot, Stage, Understanding, prepare
from services.nlp.builtin.entities import EntityMatch
from services.nlp.builtin.store import ModelFileError, ModelStore
from tests.unit.nlp_builtin_bots import demo_bot, demo_content, intent, small_bot, small_document

HELD_OUT = {
    ("acme-bikes", "en"): {
        "prices": [
            "how much would it be to rent a bicycle for one day",
            "what does it cost per day",
            "can you send me your price list",
            "whats the price of an e-bike",
        ],
        "opening_hours": [
            "when do you close tonight",
            "are you open this sunday",
            "what are your hours",
            "whats your openning time",
        ],
        "location": [
            "where exactly is your shop",
            "how can I get to you from the station",
            "can you tell me the address",
        ],
        "book": [
            "I'd like to reserve three bikes for Sunday",
            "can I book an e-bike for tomorrow",
            "I want to make a reservation for next weekend",
        ],
        "change_booking": [
            "I have to cancel my reservation",
            "can I move my booking to another day",
            "please cancel my booking",
        ],
        "deposit": ["how high is the deposit", "do I need to bring my passport", "can I pay with a credit card"],
        "delivery": ["could you deliver the bikes to our hotel", "can you bring two bikes to our apartment"],
        "breakdown": ["I have got a puncture", "my bike is broken", "the chain of my bike came off"],
        "complaint": [
            "I would like to complain about your staff",
            "this is unacceptable, you charged my card twice",
            "very unhappy with the service",
        ],
        "bike_cargo": ["how many children fit in the cargo bike"],
        "bike_electric": ["how far can I go with the e-bike"],
        "handover": ["I want to talk to a person", "can I speak to a human please"],
        "thanks": ["thank you so much"],
        "greet": ["hello good morning"],
        "goodbye": ["ok bye, see you"],
    },
    ("nordlicht", "de"): {
        "opening_hours": [
            "Wann habt ihr heute geöffnet?",
            "Haben Sie am Sonntag offen?",
            "Wann schließen Sie am Samstag",
            "was sind eure öffnungszeiten",
        ],
        "location": ["Wo ist die Bäckerei", "Sagen Sie mir bitte Ihre Adresse", "Kann ich bei Ihnen parken?"],
        "prices": ["Was kostet ein Roggenbrot", "wie teuer sind die brötchen", "Wie viel kostet ein Stück Torte"],
        "order": [
            "Ich möchte Brötchen bestellen",
            "Kann ich für morgen ein Brot vorbestellen",
            "Ich hätte gerne zehn Croissants für Samstag",
        ],
        "order_cake": ["Ich brauche eine Geburtstagstorte", "Machen Sie auch Hochzeitstorten?"],
        "allergens": ["Ist das Brot glutenfrei?", "Sind in dem Kuchen Nüsse?", "Haben Sie etwas Veganes?"],
        "delivery": ["Liefern Sie auch nach Hause?", "Wie teuer ist die Lieferung"],
        "order_status": [
            "Wo ist meine Bestellung",
            "Ich möchte die Bestellung stornieren",
            "Wann ist meine Torte fertig",
        ],
        "payment": ["Kann man mit EC-Karte bezahlen", "Nehmen Sie Kreditkarte?"],
        "complaint": [
            "Ich will mich beschweren",
            "Das Brot war steinhart",
            "In der Bestellung fehlten zwei Brötchen",
        ],
        "handover": ["Ich möchte mit einem Mitarbeiter sprechen", "Kann ich bitte mit einem Menschen reden"],
        "thanks": ["vielen lieben Dank"],
        "greet": ["Hallo guten Abend"],
        "goodbye": ["Danke, tschüss und schönen Tag"],
    },
    ("nordlicht", "en"): {
        "opening_hours": ["when do you open today", "are you open on saturdays", "what time does the bakery close"],
        "location": ["where is the bakery", "can you tell me your address", "is there a place to park"],
        "prices": ["how much is a rye bread", "what do ten rolls cost", "how much does a slice of cake cost"],
        "order": ["I would like to order some rolls", "can I order bread for tomorrow"],
        "order_cake": ["can you make a birthday cake for my son", "do you also do wedding cakes"],
        "allergens": ["is the bread gluten free", "does the cake contain nuts", "anything vegan"],
        "delivery": ["do you deliver to my home", "how much does the delivery cost"],
        "order_status": ["where's my order", "I need to cancel my order", "is my order ready"],
        "payment": ["do you take credit cards", "can I pay cash"],
        "complaint": [
            "I'd like to complain",
            "my rolls were hard and the bread burnt",
            "something is missing in my order",
        ],
        "handover": ["I want to talk to a person", "can I speak to a human please"],
        "thanks": ["thank you so much"],
        "greet": ["hello good morning"],
    },
}

STRANGE = {
    "en": [
        "what is the capital of France",
        "tell me a joke",
        "who won the football match yesterday",
        "translate this sentence into Spanish",
        "what is the weather like in Oslo",
        "how old is the universe",
        "play some music",
        "write me a poem about spring",
        "my laptop does not start any more",
        "I want to fly to Mars",
        "what is two plus two",
        "recommend a good film",
        "how do I become a pilot",
        "set an alarm for seven",
        "who is the president",
    ],
    "de": [
        "Was ist die Hauptstadt von Frankreich",
        "Erzähl mir einen Witz",
        "Wer hat gestern das Spiel gewonnen",
        "Wie wird das Wetter in Oslo",
        "Wie alt ist das Universum",
        "Spiel etwas Musik",
        "Schreib mir ein Gedicht über den Frühling",
        "Mein Laptop startet nicht mehr",
        "Wie werde ich Pilot",
        "Stell den Wecker auf sieben",
        "Was ist zwei plus zwei",
        "Wer ist der Präsident",
        "Empfiehl mir einen guten Film",
    ],
}
GIBBERISH = [
    "asdf qwer zxcv",
    "xkcd blorp fnord",
    "lorem ipsum dolor sit amet",
    "jjjjjjjjj",
    "1337 9999",
    "?!?!",
    "🦑🦑",
]
LANGUAGES = list(HELD_OUT)


@pytest.mark.parametrize(("tenant", "language"), LANGUAGES)
def test_other_wordings_of_the_demo_are_understood(tenant: str, language: str) -> None:
    pairs = [(text, name) for name, texts in HELD_OUT[tenant, language].items() for text in texts]
    content, bot = demo_bot(tenant).content, demo_bot(tenant)
    assert not {text for text, _ in pairs} & {
        phrase for part in content.intents.values() for phrase in part.phrases.get(language, ())
    }
    found = [bot.understand(text, language).intent for text, _ in pairs]
    right = sum(got == wanted for got, (_, wanted) in zip(found, pairs, strict=True))
    wrong = sum(got not in (None, wanted) for got, (_, wanted) in zip(found, pairs, strict=True))
    assert right / len(pairs) >= 0.8
    assert wrong / len(pairs) <= 0.08


@pytest.mark.parametrize(("tenant", "language"), LANGUAGES)
def test_out_of_scope_is_hardly_ever_answered(tenant: str, language: str) -> None:
    found = [demo_bot(tenant).understand(text, language) for text in STRANGE[language]]
    assert sum(result.intent is not None for result in found) / len(found) <= 0.2


@pytest.mark.parametrize(("tenant", "language"), LANGUAGES)
@pytest.mark.parametrize("text", GIBBERISH)
def test_gibberish_is_no_match(tenant: str, language: str, text: str) -> None:
    result = demo_bot(tenant).understand(text, language)
    assert result.intent is None
    assert result.stage is Stage.GUARD


@pytest.mark.parametrize(("tenant", "language"), LANGUAGES)
def test_every_phrase_and_title_means_its_own_intent_exactly(tenant: str, language: str) -> None:
    bot = demo_bot(tenant)
    for name, part in bot.content.intents.items():
        for phrase in part.phrases.get(language, ()):
            result = bot.understand(f"  {phrase.upper()}!! ", language)
            assert (result.intent, result.stage, result.confidence) == (name, Stage.EXACT, 1.0)


BIKES = (
    Choice(id="bike_city", title="City bike"),
    Choice(id="bike_electric", title="E-bike"),
    Choice(id="bike_cargo", title="Cargo bike"),
)
MENU = (
    Choice(id="menu_prices", title="Prices", intent="prices"),
    Choice(id="menu_hours", title="Opening hours", intent="opening_hours"),
    Choice(id="menu_book", title="Book a bike", intent="book"),
    Choice(id="menu_human", title="Talk to a human", intent="handover"),
)
BREAD = (
    Choice(id="menu_hours", title="Öffnungszeiten", intent="opening_hours"),
    Choice(id="menu_order", title="Bestellen", intent="order"),
    Choice(id="menu_prices", title="Preise", intent="prices"),
)


@pytest.mark.parametrize(
    ("offered", "text", "picked", "stage"),
    [
        (BIKES, "2", "bike_electric", Stage.CHOICE),
        (BIKES, "2.", "bike_electric", Stage.CHOICE),
        (BIKES, "#3", "bike_cargo", Stage.CHOICE),
        (BIKES, "2️⃣", "bike_electric", Stage.CHOICE),
        (BIKES, "٢", "bike_electric", Stage.CHOICE),
        (BIKES, "the second", "bike_electric", Stage.CHOICE),
        (BIKES, "The second one, please", "bike_electric", Stage.CHOICE),
        (BIKES, "option one", "bike_city", Stage.CHOICE),
        (BIKES, "I'll take the 3rd", "bike_cargo", Stage.CHOICE),
        (BIKES, "the last one", "bike_cargo", Stage.CHOICE),
        (BIKES, "bike_cargo", "bike_cargo", Stage.CHOICE),
        (BIKES, "CITY BIKE", "bike_city", Stage.CHOICE),
        (BIKES, "citty bike", "bike_city", Stage.FUZZY),
        (BIKES, "the crago bike please", "bike_cargo", Stage.FUZZY),
        (BIKES, "cargo", "bike_cargo", Stage.FUZZY),
        (MENU, "opning hours", "menu_hours", Stage.FUZZY),
        (MENU, "pricse", "menu_prices", Stage.FUZZY),
        (MENU, "talk to an human", "menu_human", Stage.FUZZY),
    ],
)
def test_a_choice_is_picked(offered: tuple[Choice, ...], text: str, picked: str, stage: Stage) -> None:
    result = demo_bot("acme-bikes").understand(text, "en", ConversationContext(offered))
    assert (result.choice, result.stage) == (picked, stage)
    wanted = {choice.id: choice.intent or choice.id for choice in offered}
    assert result.intent == wanted[picked]


@pytest.mark.parametrize(
    ("text", "picked"),
    [
        ("die zweite", "menu_order"),
        ("das dritte bitte", "menu_prices"),
        ("Nummer eins", "menu_hours"),
        ("ich nehme das letzte", "menu_prices"),
        ("öffnungszeitn", "menu_hours"),
        ("besteln", "menu_order"),
    ],
)
def test_a_choice_is_picked_in_german(text: str, picked: str) -> None:
    assert demo_bot("nordlicht").understand(text, "de", ConversationContext(BREAD)).choice == picked


@pytest.mark.parametrize("text", ["0", "4", "99", "1 2", "the second or third", "bike", "two bikes tomorrow", "", "no"])
def test_what_names_no_single_choice_picks_none(text: str) -> None:
    assert demo_bot("acme-bikes").understand(text, "en", ConversationContext(BIKES)).choice is None


def test_a_number_without_a_menu_is_no_match() -> None:
    assert demo_bot("acme-bikes").understand("2", "en").intent is None


def test_a_button_of_long_ago_still_works() -> None:
    for text in ("menu_hours", "Opening hours"):
        result = demo_bot("acme-bikes").understand(text, "en")
        assert (result.intent, result.stage) == ("opening_hours", Stage.EXACT)


def test_a_choice_without_intent_means_what_its_title_says() -> None:
    offered = (Choice(id="x1", title="Are you open on Sunday?"), Choice(id="x2", title="Blorp fnord"))
    first, second = (demo_bot("acme-bikes").understand(text, "en", ConversationContext(offered)) for text in ("1", "2"))
    assert (first.intent, first.choice, first.stage) == ("opening_hours", "x1", Stage.CHOICE)
    assert (second.intent, second.choice) == (None, "x2")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("my booking AB-12345, please", [("booking_number", "AB-12345", "AB-12345")]),
        ("booking ab-99999!", [("booking_number", "ab-99999", "ab-99999")]),
        ("XAB-12345 and AB-123456", []),
        ("two pedelecs", [("bike", "electric", "pedelecs")]),
        ("an electrc bike", [("bike", "electric", "electrc bike")]),
        ("E-BIKE or cargo bike?", [("bike", "electric", "e bike"), ("bike", "cargo", "cargo bike")]),
        ("cargo", [("bike", "cargo", "cargo")]),
        ("carpet", []),
    ],
)
def test_entities(text: str, found: list[tuple[str, str, str]]) -> None:
    result = demo_bot("acme-bikes").understand(text, "en")
    assert result.entities == tuple(EntityMatch(*match) for match in found)


def test_a_pattern_meant_to_hang_answers_at_once(tmp_path: Path) -> None:
    bot = small_bot(tmp_path, entities={"evil": {"pattern": "(a+)+b|(x|xx)*y"}})
    begin = time.perf_counter()
    assert bot.understand("a" * 10_000, "en").entities == ()
    assert bot.understand("\ud800 x" + "x" * 10_000, "en").entities == ()
    assert time.perf_counter() - begin < 1


ODD = st.sampled_from(
    ["\x00", "\u202e", "\ud800", "👩‍👩‍👧‍👦", "שלום", "\u0300" * 40, "ﷺ", "open", "bike", "2", "\n", "'"]
)
ANY_TEXT = st.text(max_size=200) | st.lists(ODD, max_size=30).map("".join)


@settings(deadline=None)
@given(text=ANY_TEXT, offered=st.sampled_from([(), BIKES, MENU]), tenant=st.sampled_from(LANGUAGES))
def test_any_text_is_understood_or_not_but_never_fails(
    text: str, offered: tuple[Choice, ...], tenant: tuple[str, str]
) -> None:
    name, language = tenant
    context = ConversationContext(offered)
    result = demo_bot(name).understand(text, language, context)
    assert result == demo_bot(name).understand(text, language, context)
    assert 0 <= result.confidence <= 1
    assert 0 <= result.margin <= 1
    assert 0 <= result.known_share <= 1
    assert (result.intent is None) == (result.stage in (Stage.NONE, Stage.GUARD)) or result.choice
    assert result.intent is None or result.intent in demo_bot(name).content.intents


@pytest.mark.parametrize(
    "text",
    [
        "x" * 10_000,
        "ab cd " * 1_700,
        " ".join(f"wörterbuch{n}" for n in range(900)),
        "ﷺ" * 10_000,
        "👩‍👩‍👧‍👦" * 1_500,
        "\x00" * 10_000,
        "é" * 10_000,
        "e\u0301" * 5_000,
        "\u0300" * 10_000,
        "مرحبا " * 1_700,
    ],
    ids=lambda text: ascii(text[:6]),
)
def test_ten_thousand_characters_are_understood_in_bounded_time(text: str) -> None:
    begin = time.perf_counter()
    demo_bot("nordlicht").understand(text, "de", ConversationContext(BREAD))
    assert time.perf_counter() - begin < 0.5


def test_right_to_left_text_is_understood(tmp_path: Path) -> None:
    bot = small_bot(
        tmp_path,
        default_language="ar",
        base=True,
        fallback={"ar": ["عفوا؟"]},
        intents={
            "hours": {"phrases": {"ar": ["متى تفتحون", "ما هي ساعات العمل"]}, "answers": {"ar": ["من التاسعة"]}},
        },
    )
    assert bot.understand("\u200fمرحبا!\u200e", "ar").intent == "greet"
    assert bot.understand("ما هي ساعات العمل؟", "ar").intent == "hours"
    offered = (Choice(id="a", title="الأسعار"), Choice(id="b", title="العنوان", intent="hours"))
    assert bot.understand("الخيار الثاني", "ar", ConversationContext(offered)).intent == "hours"


def test_another_language_falls_back_to_the_default() -> None:
    bot = demo_bot("nordlicht")
    assert bot.understand("Wann haben Sie geöffnet?", "fr") == bot.understand("Wann haben Sie geöffnet?", "de-AT")
    assert bot.understand("opening times please", "en-GB").intent == "opening_hours"


def test_tenants_know_only_their_own(tmp_path: Path) -> None:
    stores = {tenant: tmp_path / tenant for tenant in ("a", "b")}
    own = {tenant: [f"{word} {tenant * 8}" for word in ("alpha", "beta", "gamma")] for tenant in stores}
    bots: dict[str, Bot] = {
        tenant: small_bot(
            folder,
            intents={
                f"secret_{tenant}": intent(own[tenant], f"The secret of {tenant}"),
                "other": intent([f"delta {tenant}", "epsilon"], "Nothing."),
            },
        )
        for tenant, folder in stores.items()
    }
    for asking, answering in (("a", "b"), ("b", "a")):
        assert f"secret_{asking}" not in bots[answering].content.intents
        for text in own[asking]:
            assert bots[asking].understand(text, "en").intent == f"secret_{asking}"
            assert bots[answering].understand(text, "en").intent != f"secret_{asking}"
        assert asking * 8 not in bots[answering].by_language["en"].model.vectorizer.words.features


def test_stored_models_are_used_and_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[str] = []

    def counting(language: str, phrases: Any) -> Any:
        trained.append(language)
        return real(language, phrases)

    real = engine.train
    monkeypatch.setattr(engine, "train", counting)
    first, again = small_bot(tmp_path), small_bot(tmp_path, fallback={"en": ["What?"]})
    assert trained == ["en"]
    assert results(first) == results(again)
    small_bot(tmp_path, intents={"tea": intent(["tea"]), "milk": intent(["milk"])})
    assert trained == ["en", "en"]


def results(bot: Bot) -> list[Understanding]:
    return [bot.understand(text, "en") for text in ("tea please", "I want coffee", "an espresso now", "blorp")]


def test_a_damaged_stored_model_stops_the_preparation(tmp_path: Path) -> None:
    small_bot(tmp_path)
    next(tmp_path.glob("*.npz")).write_bytes(b"broken")
    with pytest.raises(ModelFileError, match="delete it"):
        prepare(parse_bot_content(small_document()), ModelStore(tmp_path))


def test_one_intent_alone_is_matched_by_its_phrases_only(tmp_path: Path) -> None:
    bot = small_bot(tmp_path, intents={"tea": intent(["I want tea"])})
    assert bot.understand("i want TEA", "en").intent == "tea"
    assert bot.understand("tea", "en").stage is Stage.NONE


def test_the_same_content_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        prepare(demo_content("nordlicht"), ModelStore(tmp_path / name))
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert len(one) == 2
