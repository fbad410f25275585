"""What goes in comes out: through JSON, the queue's encoding, actor state and the actors' serializer."""

from datetime import timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from m2n.events import Reply, Turn
from m2n.keys import MAX_GROUP_ID, group_id, vendor_key
from m2n.message import Content, Inbound, ReceiptStatus, TextContent, UnsupportedContent, plain_text
from m2n.queue import encode
from m2n.serialization import JsonSerializer, from_json, from_state, to_json, to_state
from tests.unit.builders import NOON, inbound

NASTY = ["5h", "2024-06-01 please book", "P1D", "null", '{"status":"RETRY"}', "$name", "${x}", "\x00", "a\x00b",
         "😀👩‍👩‍👧", "שלום \u202e abc", "\ufffe\uffff", "true", "1e999", "{}", "", "\r\n\t", "\u2028"]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(NASTY), st.text(max_size=200))
CONTENTS: st.SearchStrategy[Content] = st.from_type(Content)  # pyright: ignore[reportArgumentType]


@given(TEXTS)
def test_texts_survive_every_encoding(text: str) -> None:
    message = inbound(text)
    assert from_json(Inbound, to_json(message)) == message
    assert from_json(Inbound, encode(message)) == message
    assert from_state(Inbound, to_state(message)) == message
    assert plain_text(from_json(Inbound, to_json(message)).content) == text


@given(CONTENTS)
def test_every_kind_of_content_survives(content: Content) -> None:
    message = inbound(content=content)
    again = from_json(Inbound, encode(message))
    assert to_json(again) == to_json(message)
    assert from_state(Inbound, to_state(message)) == message


@given(TEXTS)
def test_queue_body_is_ascii(text: str) -> None:
    assert encode(inbound(text)).isascii()


@given(TEXTS)
def test_actor_state_cannot_be_taken_for_an_expression(text: str) -> None:
    state = to_state(inbound(text))
    assert state.isascii()
    assert not state.startswith("$")


@given(st.recursive(st.none() | st.booleans() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_actor_serializer_leaves_texts_alone(value: object) -> None:
    serializer = JsonSerializer()
    assert serializer.deserialize(serializer.serialize(value)) == value


def test_actor_serializer_writes_durations_as_go_reads_them() -> None:
    assert orjson.loads(JsonSerializer().serialize({"dueTime": timedelta(seconds=1.5)})) == {"dueTime": "1500ms"}


def test_lone_surrogates_are_refused() -> None:
    with pytest.raises(ValidationError):
        TextContent(text="\ud800")


def test_unknown_fields_of_a_newer_version_are_passed_over() -> None:
    newer = orjson.loads(to_json(inbound())) | {"from_the_future": 1}
    assert from_json(Inbound, orjson.dumps(newer)) == inbound()


def test_unknown_vendor_types_have_a_place() -> None:
    content = UnsupportedContent(vendor_type="hologram", raw_ref="SM1")
    assert from_json(Inbound, to_json(inbound(content=content))).content == content


def test_models_are_frozen() -> None:
    with pytest.raises(ValidationError):
        inbound().tenant = "other"  # pyright: ignore[reportAttributeAccessIssue]


def test_times_are_kept_in_utc() -> None:
    text = to_json(inbound()).replace(b"2026-03-02T12:00:00Z", b"2026-03-02T14:00:00+02:00")
    assert from_json(Inbound, text).received_at == NOON


def test_receipts_have_ranks_and_failed_stands_apart() -> None:
    ladder = [ReceiptStatus.QUEUED, ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.READ]
    assert sorted(ladder, key=lambda status: status.rank) == ladder
    assert ReceiptStatus.FAILED.rank < ReceiptStatus.QUEUED.rank


@given(st.text(min_size=1, max_size=256), st.text(min_size=1, max_size=256))
def test_queue_group_is_short_and_hides_the_identity(value: str, other: str) -> None:
    def of(identity_value: str) -> str:
        message = orjson.loads(to_json(inbound()))
        message["identities"] = [{"scheme": "phone", "value": identity_value}]
        return group_id(Inbound.model_validate(message))

    assert len(of(value)) <= MAX_GROUP_ID
    assert (of(value) == of(other)) == (value == other)


def test_vendor_key_differs_by_tenant_and_channel() -> None:
    message = inbound()
    other_tenant = message.model_copy(update={"tenant": "globex"})
    other_channel = message.model_copy(update={"address": message.address.model_copy(update={"channel": "sms"})})
    assert len({vendor_key(message), vendor_key(other_tenant), vendor_key(other_channel)}) == 3


def test_schemas_can_be_made() -> None:
    for kind in (Inbound, Turn, Reply):
        assert kind.model_json_schema()["title"] == kind.__name__
