"""Telegram's updates in the common format, from the documented shapes with invented data."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2n.adapters.channel import Acknowledgement, MalformedWebhook, Parsed, WebhookRequest
from m2n.message import ConsentWord, Inbound
from m2n.tenant import Connection, ConnectionKind
from services.channels.telegram.adapter import channel
from services.channels.telegram.certification import certificate

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CONNECTION = Connection(id="acme-telegram", kind=ConnectionKind.CHANNEL, adapter="telegram")
KINDS = sorted(path.stem for path in certificate.fixtures.glob("*.json") if not path.stem.endswith(".golden"))
SAID = "where is it, Mr. Secret"


def fixture(name: str) -> dict[str, Any]:
    return orjson.loads((certificate.fixtures / f"{name}.json").read_bytes())


def parsed(body: dict[str, Any] | bytes) -> Parsed:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return channel.parse(WebhookRequest("POST", "https://hooks.example/", {}, raw), "acme", CONNECTION, NOON)


def said(name: str, **changes: Any) -> Inbound:
    """The message of a fixture, whose ``message`` has those fields changed."""
    update = fixture(name)
    (only,) = parsed(update | {"message": update["message"] | changes} if changes else update).messages
    return only


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_becomes_what_its_golden_file_says(kind: str) -> None:
    found = parsed((certificate.fixtures / f"{kind}.json").read_bytes())
    shown = {
        "messages": [message.model_dump(mode="json", exclude_none=True) for message in found.messages],
        "receipts": [receipt.model_dump(mode="json", exclude_none=True) for receipt in found.receipts],
    }
    assert shown == orjson.loads((certificate.fixtures / f"{kind}.golden.json").read_bytes())
    assert found.unreadable == ()


def test_a_persons_name_is_the_chat_and_the_number_of_telegram() -> None:
    found = said("text")
    assert found.vendor_message_id == "7000042:7"
    assert found.address.to == "7000042"
    assert [(known.scheme, known.value) for known in found.identities] == [("telegram_id", "7000042")]
    assert found.vendor_time == datetime(2026, 3, 2, 11, 59, 50, tzinfo=UTC)
    assert (found.display_name, found.language) == ("Ada Example", "en")


def test_an_edit_names_its_target_as_the_message_is_named_and_has_a_name_of_its_own() -> None:
    original, (edit,) = said("text"), parsed(fixture("edited_text")).messages
    assert edit.content.model_dump()["target"] == original.vendor_message_id
    assert edit.vendor_message_id != original.vendor_message_id
    assert edit.vendor_message_id == "update:810000023"


def test_two_edits_of_one_message_are_two_effects() -> None:
    update = fixture("edited_text")
    names = {parsed(update | {"update_id": number}).messages[0].vendor_message_id for number in (1, 2)}
    assert len(names) == 2


def test_a_press_is_answered_in_the_webhooks_answer() -> None:
    found = parsed(fixture("button"))
    assert found.answer
    assert found.answer.media_type == "application/json"
    assert orjson.loads(found.answer.body) == {
        "method": "answerCallbackQuery",
        "callback_query_id": "30064771072000001",
    }
    assert channel.acknowledge(found) == Acknowledgement()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("button")])
def test_nothing_else_has_an_answer(kind: str) -> None:
    assert parsed(fixture(kind)).answer is None


def test_a_press_in_a_group_is_answered_and_said_by_nobody() -> None:
    found = parsed(fixture("button_in_a_group"))
    assert found.messages == ()
    assert found.answer


def test_blocking_and_unblocking_are_stop_and_start_that_need_no_answer() -> None:
    consents = [parsed(fixture(kind)).messages[0] for kind in ("blocked", "unblocked")]
    assert [(one.consent, one.consent_answered) for one in consents] == [
        (ConsentWord.STOP, True),
        (ConsentWord.START, True),
    ]
    assert {one.content.type for one in consents} == {"unsupported"}


@pytest.mark.parametrize("status", ["administrator", "left", "something new"])
def test_other_changes_of_membership_say_nothing(status: str) -> None:
    update = fixture("blocked")
    update["my_chat_member"]["new_chat_member"]["status"] = status
    assert parsed(update) == Parsed()


@pytest.mark.parametrize("kind", ["group", "supergroup", "channel", "something new"])
@pytest.mark.parametrize("name", ["text", "edited_text", "reaction", "blocked"])
def test_only_private_chats_are_customers(name: str, kind: str) -> None:
    update = fixture(name)
    what = next(value for field, value in update.items() if field != "update_id")
    what["chat"]["type"] = kind
    assert parsed(update) == Parsed()


def test_the_largest_size_of_a_photo_is_the_last() -> None:
    content: Any = said("photo").content
    assert (content.media.vendor_id, content.media.size_bytes) == ("AgACAgIAAxkBAAI-photo-x-0001", 90112)


@pytest.mark.parametrize(
    ("sticker", "mime"),
    [({}, "image/webp"), ({"is_animated": True}, "application/x-tgsticker"), ({"is_video": True}, "video/webm")],
)
def test_stickers_are_of_three_types(sticker: dict[str, bool], mime: str) -> None:
    content: Any = said("text", text=None, sticker={"file_id": "S1"} | sticker).content
    assert (content.type, content.media.mime) == ("sticker", mime)


def test_a_service_message_with_words_is_words() -> None:
    assert said("service_message", text="hello").content.model_dump() == {"type": "text", "text": "hello"}


def test_a_contact_without_a_name_is_known_by_the_number() -> None:
    content: Any = said("contact", contact={"phone_number": "+15550100003"}).content
    assert content.contacts[0].name == "+15550100003"


def test_long_names_and_languages_are_cut() -> None:
    person = {"id": 7000042, "first_name": "A" * 600, "language_code": "x" * 60}
    found = said("text", **{"from": person})
    assert (len(found.display_name or ""), len(found.language or "")) == (512, 35)


def test_without_a_sender_the_chat_is_the_person() -> None:
    found = said("text", **{"from": None})
    assert (found.identities[0].value, found.display_name, found.language) == ("7000042", None, None)


@pytest.mark.parametrize("text", ["5h", "P1D", "null", '{"status":"RETRY"}', "\u0000", "\u202eabc", "👨‍👩‍👧" * 500, ""])
def test_words_come_through_as_they_are(text: str) -> None:
    assert said("text", text=text).content.model_dump()["text"] == text


@pytest.mark.parametrize(
    "body",
    [
        b"", b"nothing", b"[]", b"null", b'"x"', b"{}", b'{"update_id":"no"}', b'{"update_id":-1}',
        b'{"update_id":1e999}', b'{"update_id":' + b"9" * 5000 + b"}", b'{"update_id":1,"message":' + b"[" * 100_000,
        b'{"a":' * 100_000, b'{"update_id":1,"message":{"text":"\\ud800"}}', b"\xff\xfe", b'{"update_id":1}x',
    ],
    ids=range(15),
)  # fmt: skip
def test_what_is_no_update_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedWebhook):
        parsed(body)


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("message_id", {"message_id": "seven"}),
    ("date", {"date": -1}),
    ("date", {"date": 2**40}),
    ("chat", {"chat": None}),
    ("from", {"from": {"first_name": SAID}}),
    ("text", {"text": [SAID]}),
    ("photo", {"text": None, "photo": [{"file_id": ""}]}),
    ("latitude", {"text": None, "location": {"latitude": 91, "longitude": 0}}),
    ("text", {"text": SAID * 5000}),
    ("file_size", {"text": None, "document": {"file_id": "D", "file_size": -4}}),
    ("filename", {"text": None, "document": {"file_id": "D", "file_name": SAID * 50}}),
]


@pytest.mark.parametrize(("field", "changes"), WRONG, ids=[f"{n}-{field}" for n, (field, _) in enumerate(WRONG)])
def test_an_update_that_cannot_be_read_is_set_aside(field: str, changes: dict[str, Any]) -> None:
    update = fixture("text")
    body = orjson.dumps(update | {"message": update["message"] | changes})
    found = parsed(body)
    (part,) = found.unreadable
    assert found.messages == ()
    assert field in part.reason
    assert SAID not in part.reason
    assert part.body == body


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    ["message_id", "date", "chat", "from", "text", "photo", "voice", "sticker", "venue", "contact", "reply_to_message"]
)


@given(st.dictionaries(fields, json_values, max_size=3))
def test_a_message_of_any_shape_is_read_or_set_aside(changes: dict[str, Any]) -> None:
    update = fixture("text")
    try:
        body = orjson.dumps(update | {"message": update["message"] | changes})
    except TypeError:  # an integer that is larger than JSON's writer takes
        return
    found = parsed(body)
    assert len(found.unreadable) + len(found.messages) <= 1


def test_fixtures_have_golden_files() -> None:
    golden = {Path(path.stem).stem for path in certificate.fixtures.glob("*.golden.json")}
    assert golden == set(KINDS)
