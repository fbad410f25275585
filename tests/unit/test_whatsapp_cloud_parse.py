"""The Cloud API's webhooks in the common format, from documented shapes with invented data."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2n.adapters.channel import MalformedWebhook, Parsed, WebhookRequest
from m2n.keys import group_id
from m2n.message import Inbound, OptedOut, Receipt, ReceiptStatus
from m2n.tenant import Connection, ConnectionKind
from services.channels.meta_core.signature import HEADER, signature
from services.channels.whatsapp_cloud.adapter import channel
from services.channels.whatsapp_cloud.settings import WhatsAppCloudSettings

FIXTURES = Path(__file__).parents[2] / "services" / "channels" / "whatsapp_cloud" / "fixtures"
KINDS = sorted(path.name.removesuffix(".json") for path in FIXTURES.glob("*.json") if "golden" not in path.name)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
URL = "https://hooks.example/webhooks/whatsapp_cloud/acme-whatsapp-cloud"
SECRETS = {"app-secret": "app", "verify-token": "verify", "access-token": "access"}
OURS = "wamid.HBgLMTU1NTAxMDAwMDIVAgARGBIwMDAwMDAwMDAwMDAwMDAwMDkA"
BSUID = "US.13490000000000000002"


def connection(**settings: Any) -> Connection:
    return Connection(
        id="acme-whatsapp-cloud",
        kind=ConnectionKind.CHANNEL,
        adapter="whatsapp_cloud",
        settings={"phone_number_id": "2000", "waba_id": "1000"} | settings,
    )


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))


def parsed(body: Any, of: Connection | None = None) -> Parsed:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = WebhookRequest("POST", URL, {"content-type": "application/json"}, raw)
    return channel.parse(request, "acme", of or connection(), NOW)


def message(body: Any) -> Inbound:
    found = parsed(body)
    assert not found.unreadable
    (only,) = found.messages
    return only


def receipt(body: Any) -> Receipt:
    (only,) = parsed(body).receipts
    return only


def value_of(body: Any) -> dict[str, Any]:
    return body["entry"][0]["changes"][0]["value"]


def first_message(body: Any) -> dict[str, Any]:
    return value_of(body)["messages"][0]


def changed(name: str, change: Callable[[dict[str, Any]], None]) -> Any:
    """The fixture with its first message changed."""
    body = fixture(name)
    change(first_message(body))
    return body


def texts(*bodies: str, sender: str = "15550100002") -> list[dict[str, Any]]:
    return [
        {
            "from": sender,
            "id": f"wamid.{sender}.{number}",
            "timestamp": "1772452790",
            "type": "text",
            "text": {"body": body},
        }
        for number, body in enumerate(bodies)
    ]


def with_messages(*messages: Any) -> Any:
    body = fixture("text")
    value_of(body)["messages"] = list(messages)
    return body


@pytest.mark.parametrize("name", KINDS)
def test_fixture_is_read_as_its_golden_says(name: str) -> None:
    found = parsed((FIXTURES / f"{name}.json").read_bytes())
    golden = json.loads((FIXTURES / f"{name}.golden.json").read_text("utf-8"))
    assert found.unreadable == ()
    assert [m.model_dump(mode="json", exclude_none=True) for m in found.messages] == golden["messages"]
    assert [r.model_dump(mode="json", exclude_none=True) for r in found.receipts] == golden["receipts"]


def test_text_with_all_that_goes_with_it() -> None:
    found = message(fixture("text"))
    assert found.content.model_dump() == {"type": "text", "text": "Where is my parcel? 📦 شكرا"}
    assert (found.tenant, found.display_name, found.received_at) == ("acme", "Ada Example", NOW)
    assert found.address.model_dump() == {
        "connection": "acme-whatsapp-cloud",
        "channel": "whatsapp_cloud",
        "to": "15550100002",
    }
    assert found.vendor_message_id == first_message(fixture("text"))["id"]
    assert found.vendor_time == datetime(2026, 3, 2, 11, 59, 50, tzinfo=UTC)
    assert [(hop.service, hop.did, hop.at) for hop in found.trail] == [("webhooks", "received", NOW)]


# -- who wrote -----------------------------------------------------------------------------------------------------


def ids(found: Inbound) -> list[tuple[str, str]]:
    return [(one.scheme, one.value) for one in found.identities]


@pytest.mark.parametrize(
    ("name", "identities", "to"),
    [
        ("text", [("phone", "+15550100002")], "15550100002"),
        ("bsuid_and_phone", [("wa_bsuid", BSUID), ("phone", "+15550100002")], "15550100002"),
        ("bsuid_in_contact", [("wa_bsuid", BSUID), ("phone", "+15550100002")], "15550100002"),
        ("bsuid_only", [("wa_bsuid", "US.13490000000000000003")], "US.13490000000000000003"),
    ],
)
def test_number_and_bsuid(name: str, identities: list[tuple[str, str]], to: str) -> None:
    found = message(fixture(name))
    assert (ids(found), found.address.to) == (identities, to)


def test_queue_group_stays_when_the_number_is_not_shown_any_more() -> None:
    def hide(raw: dict[str, Any]) -> None:
        del raw["from"]

    hidden = changed("bsuid_and_phone", hide)
    value_of(hidden)["contacts"][0].pop("wa_id")
    assert group_id(message(hidden)) == group_id(message(fixture("bsuid_and_phone")))


def test_sender_is_named_by_the_only_contact_where_the_message_names_none() -> None:
    def hide(raw: dict[str, Any]) -> None:
        del raw["from_user_id"]

    assert ids(message(changed("bsuid_only", hide))) == [("wa_bsuid", "US.13490000000000000003")]


def test_nobodys_name_goes_to_another_sender() -> None:
    def other(raw: dict[str, Any]) -> None:
        raw["from"] = "15550100077"

    found = message(changed("text", other))
    assert (found.display_name, ids(found)) == (None, [("phone", "+15550100077")])


def test_names_of_several_customers_in_one_value() -> None:
    found = parsed(fixture("batch")).messages
    names = {one.address.to: one.display_name for one in found}
    assert names == {"15550100002": "Ada Example", "15550100004": "Cy Example"}


def test_username_stands_in_for_a_missing_name() -> None:
    body = fixture("bsuid_only")
    del value_of(body)["contacts"][0]["profile"]["name"]
    assert message(body).display_name == "bo.example"


def test_contact_that_cannot_be_read_costs_only_the_name() -> None:
    body = fixture("text")
    value_of(body)["contacts"] = [{"profile": "no object", "wa_id": 7}, "no object"]
    found = message(body)
    assert (found.display_name, ids(found)) == (None, [("phone", "+15550100002")])


def test_new_number_is_linked_to_the_old_one_and_answers_nothing() -> None:
    found = message(fixture("system_changed_number"))
    assert ids(found) == [("phone", "+15550100002"), ("phone", "+15550100009")]
    assert found.content.type == "typing"


def test_new_bsuid_is_linked_to_the_old_one() -> None:
    found = message(fixture("system_changed_user_id"))
    assert ids(found) == [("wa_bsuid", BSUID), ("wa_bsuid", "NL.13490000000000000009")]


def test_other_news_of_whatsapp_say_nothing() -> None:
    assert parsed(fixture("system_identity")) == Parsed()


def test_our_own_number_is_no_customer() -> None:
    def echo(raw: dict[str, Any]) -> None:
        raw["from"] = "15550100001"

    body = changed("text", echo)
    value_of(body)["metadata"]["display_phone_number"] = "+1 555-010-0001"
    assert parsed(body) == Parsed()


# -- batches -------------------------------------------------------------------------------------------------------


def test_batch_keeps_the_order_over_entries_changes_and_customers() -> None:
    found = parsed(fixture("batch"))
    said = [(one.address.to, getattr(one.content, "text", one.content.type)) for one in found.messages]
    assert said == [("15550100002", "One"), ("15550100004", "Two"), ("15550100002", "image"), ("15550100002", "Three")]
    assert [(one.message_id, one.status) for one in found.receipts] == [
        ("P1.3.7", ReceiptStatus.DELIVERED),
        ("P1.3.8", ReceiptStatus.SENT),
    ]


def test_thousand_updates_of_thirty_customers_at_once() -> None:
    senders = [f"155502{number:05d}" for number in range(30)]
    body = fixture("text")
    value = value_of(body)
    value["contacts"] = [{"profile": {"name": f"C{sender}"}, "wa_id": sender} for sender in senders]
    value["messages"] = [
        texts(str(number), sender=senders[number % 30])[0] | {"id": f"wamid.{number}"} for number in range(1000)
    ]
    value["messages"][500]["text"] = {"body": 7}
    found = parsed(body)
    assert [m.vendor_message_id for m in found.messages] == [f"wamid.{n}" for n in range(1000) if n != 500]
    assert {m.display_name for m in found.messages} == {f"C{sender}" for sender in senders}
    assert [part.reason for part in found.unreadable] == ["text.body: Input should be a valid string"]


def test_unreadable_message_is_set_aside_alone_and_can_be_read_again_when_mended() -> None:
    good, bad = texts("good", "bad")
    found = parsed(with_messages({**bad, "timestamp": "soon"}, good))
    assert [getattr(one.content, "text", "") for one in found.messages] == ["good"]
    (part,) = found.unreadable
    assert part.reason == "timestamp: expected seconds since 1970 in digits"
    kept = json.loads(part.body)
    assert value_of(kept)["contacts"] == value_of(fixture("text"))["contacts"]
    assert value_of(kept)["messages"] == [{**bad, "timestamp": "soon"}]
    first_message(kept)["timestamp"] = "1772452790"
    assert message(kept).content.model_dump() == {"type": "text", "text": "bad"}


def test_unreadable_status_is_set_aside_alone() -> None:
    body = fixture("status_sent")
    good = value_of(body)["statuses"][0]
    value_of(body)["statuses"] = [{**good, "timestamp": None}, good]
    found = parsed(body)
    assert len(found.receipts) == 1
    assert json.loads(found.unreadable[0].body)["entry"][0]["changes"][0]["value"]["statuses"] == [
        {**good, "timestamp": None}
    ]


def test_entry_and_change_of_an_odd_shape_do_not_cost_the_others() -> None:
    body = fixture("text")
    body["entry"] = ["no object", {"id": "1000"}, *body["entry"]]
    body["entry"][2]["changes"].append({"value": {}})
    found = parsed(body)
    assert [one.content.type for one in found.messages] == ["text"]
    assert [part.reason for part in found.unreadable] == [
        "changes: expected a list",
        "changes: expected a list",
        "changes.field: expected a text",
    ]


def test_reason_names_the_field_and_never_the_customers_words() -> None:
    secret = "my diagnosis"
    with pytest.raises(MalformedWebhook) as refused:
        parsed(with_messages({**texts("x")[0], "text": {"body": [secret]}}))
    assert str(refused.value) == "text.body: Input should be a valid string"


def test_message_of_nobody_is_malformed() -> None:
    with pytest.raises(MalformedWebhook, match=r"^from: expected the digits of a phone number"):
        parsed(with_messages({**texts("x")[0], "from": "somebody"}))


def test_same_webhook_gives_the_same_ids() -> None:
    ids_of = [one.vendor_message_id for one in parsed(fixture("batch")).messages]
    assert ids_of == [one.vendor_message_id for one in parsed(fixture("batch")).messages]
    assert len(set(ids_of)) == 4


# -- whose it is ---------------------------------------------------------------------------------------------------


def test_webhook_of_another_number_is_refused_with_the_field() -> None:
    with pytest.raises(MalformedWebhook, match=r"^metadata\.phone_number_id: expected '2001'"):
        parsed(fixture("text"), connection(phone_number_id="2001"))


def test_webhook_of_another_account_is_refused_with_the_field() -> None:
    with pytest.raises(MalformedWebhook, match=r"^entry\.id: expected '1001'"):
        parsed(fixture("text"), connection(waba_id="1001"))


def test_account_is_not_looked_at_where_none_is_set() -> None:
    assert len(parsed(fixture("text"), connection(waba_id=None)).messages) == 1


def test_parts_of_another_number_beside_ours_are_ignored() -> None:
    body, other = fixture("text"), fixture("image")
    value_of(other)["metadata"]["phone_number_id"] = "2001"
    body["entry"] += other["entry"]
    found = parsed(body)
    assert ([one.content.type for one in found.messages], found.unreadable) == (["text"], ())


@pytest.mark.parametrize(
    "field",
    ["message_template_status_update", "account_update", "phone_number_quality_update", "calls", "smb_message_echoes"],
)
def test_other_fields_are_taken_and_ignored(field: str) -> None:
    body = fixture("text")
    body["entry"][0]["changes"][0]["field"] = field
    assert parsed(body) == Parsed()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "body: expected JSON"),
        (b"[]", "body: expected a JSON object"),
        (b"{}", "object: expected 'whatsapp_business_account'"),
        (b'{"object":"page","entry":[]}', "object: expected 'whatsapp_business_account'"),
        (b'{"object":"whatsapp_business_account"}', "entry: expected a list"),
        (b'{"object":"whatsapp_business_account","entry":[{}]}', "changes: expected a list"),
        (b"[" * 100_000, "body: expected JSON of a moderate depth"),
    ],
)
def test_what_is_no_webhook(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedWebhook) as refused:
        parsed(body)
    assert str(refused.value).startswith(reason)


def test_empty_webhook_is_taken() -> None:
    assert parsed(b'{"object":"whatsapp_business_account","entry":[]}') == Parsed()


# -- characters ----------------------------------------------------------------------------------------------------


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200), st.booleans())
def test_text_comes_through_as_it_was_written(text: str, escaped: bool) -> None:
    body = json.dumps(with_messages(*texts(text)), ensure_ascii=escaped).encode()
    assert message(body).content.model_dump() == {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb"a\ud83d", "a\ufffd"),
        (rb"\udc4d\ud83d\udc4d", "\ufffd👍"),
        (rb"\ud83d\ud83d\udc4d!", "\ufffd👍!"),
        (rb"\\ud83d \ud83dx", "\\ud83d \ufffdx"),
        (rb"nul\u0000", "nul\x00"),
    ],
)
def test_half_a_surrogate_pair_is_replaced_and_the_batch_read(written: bytes, read: str) -> None:
    body = json.dumps(with_messages(*texts("ODD", "fine"))).encode().replace(b"ODD", written)
    found = parsed(body)
    assert [getattr(one.content, "text", "") for one in found.messages] == [read, "fine"]


@pytest.mark.parametrize("number", ["1e999", "NaN", "9" * 5000])
def test_number_that_no_field_holds_costs_only_its_message(number: str) -> None:
    body = json.dumps(with_messages({**texts("x")[0], "text": {"body": "ODD"}}, *texts("fine"))).encode()
    found = parsed(body.replace(b'"ODD"', number.encode()))
    assert [getattr(one.content, "text", "") for one in found.messages] == ["fine"]
    assert len(found.unreadable) == 1


def test_part_nested_too_deeply_to_be_kept_is_malformed() -> None:
    deep = "x"
    for _ in range(300):
        deep = [deep]
    with pytest.raises(MalformedWebhook, match="moderate depth"):
        parsed(json.dumps(with_messages({**texts("x")[0], "text": deep})).encode())


# -- content -------------------------------------------------------------------------------------------------------


def test_voice_message_and_sound_differ() -> None:
    voice: Any = message(fixture("voice")).content
    sound: Any = message(fixture("audio")).content
    assert (voice.media.voice, sound.media.voice) == (True, False)


def test_hash_of_media_is_in_hexadecimal_or_left_out() -> None:
    content: Any = message(fixture("image")).content
    assert content.media.sha256 == "80914f0274ced542b3c64fd18666296efc1be86f90fc57f02ac5b46ed46d4489"

    def odd(raw: dict[str, Any]) -> None:
        raw["image"]["sha256"] = "not base64!"

    content = message(changed("image", odd)).content
    assert (content.media.sha256, content.media.vendor_id) == (None, "300000000001")


def test_more_contacts_than_one_content_carries_become_further_messages() -> None:
    def many(raw: dict[str, Any]) -> None:
        raw["contacts"] = [{"name": {"formatted_name": f"C{number}"}} for number in range(120)]

    found = parsed(changed("contacts", many)).messages
    id_ = first_message(fixture("contacts"))["id"]
    assert [one.vendor_message_id for one in found] == [id_, f"{id_}#1", f"{id_}#2"]
    names = [contact.name for one in found for contact in getattr(one.content, "contacts", ())]
    assert names == [f"C{number}" for number in range(120)]


@pytest.mark.parametrize("emoji", [None, ""])
def test_reaction_taken_back(emoji: str | None) -> None:
    def take_back(raw: dict[str, Any]) -> None:
        raw["reaction"] = {"message_id": OURS} | ({} if emoji is None else {"emoji": emoji})

    assert message(changed("reaction", take_back)).content.model_dump() == {
        "type": "reaction",
        "target": OURS,
        "emoji": None,
    }


def test_button_without_payload_is_known_by_its_label() -> None:
    def strip(raw: dict[str, Any]) -> None:
        del raw["button"]["payload"]

    content: Any = message(changed("button", strip)).content
    assert (content.id, content.title) == ("Yes, please", "Yes, please")


def test_choice_quotes_the_message_that_offered_it() -> None:
    assert message(fixture("button_reply")).reply_to == OURS


def test_flow_answer_that_is_no_object_stays_as_it_is() -> None:
    def odd(raw: dict[str, Any]) -> None:
        raw["interactive"]["nfm_reply"]["response_json"] = "[1, 2"

    content: Any = message(changed("flow_reply", odd)).content
    assert content.text == "[1, 2"


def test_interactive_of_an_unknown_kind_is_kept_by_reference() -> None:
    def new(raw: dict[str, Any]) -> None:
        raw["interactive"] = {"type": "hologram_reply", "hologram_reply": {}}

    found = message(changed("button_reply", new))
    expected = {"type": "unsupported", "vendor_type": "interactive.hologram_reply", "raw_ref": found.vendor_message_id}
    assert found.content.model_dump() == expected


def test_edit_of_an_unknown_kind_is_kept_by_reference() -> None:
    def new(raw: dict[str, Any]) -> None:
        raw["edit"]["message"] = {"type": "poll", "poll": {}}

    assert message(changed("edit", new)).content.type == "unsupported"


def test_type_without_its_content_is_unreadable_unless_meta_says_why() -> None:
    def strip(raw: dict[str, Any]) -> None:
        del raw["text"]

    with pytest.raises(MalformedWebhook, match=r"^text: expected what the message's type names"):
        parsed(changed("text", strip))
    assert message(fixture("interactive_failed")).content.type == "unsupported"


# -- statuses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("status_sent", ReceiptStatus.SENT),
        ("status_delivered", ReceiptStatus.DELIVERED),
        ("status_read", ReceiptStatus.READ),
        ("status_played", ReceiptStatus.READ),
        ("status_failed", ReceiptStatus.FAILED),
    ],
)
def test_status_names_our_message(name: str, status: ReceiptStatus) -> None:
    found = receipt(fixture(name))
    assert (found.message_id, found.vendor_message_id, found.status) == ("P1.3.7", OURS, status)
    assert found.at == datetime(2026, 3, 2, 11, 59, 55, tzinfo=UTC)


def test_failure_says_why_in_our_words() -> None:
    error = receipt(fixture("status_failed")).error
    assert error is not None
    assert error.code == "131026"
    assert "cannot be delivered" in error.reason


def test_failure_because_of_an_opt_out_says_so() -> None:
    assert receipt(fixture("status_failed_marketing")).opted_out is OptedOut.MARKETING
    assert receipt(fixture("status_failed")).opted_out is None


def test_unknown_status_and_another_programs_message_are_ignored() -> None:
    body = fixture("status_sent")
    value_of(body)["statuses"][0]["status"] = "hologrammed"
    assert parsed(body) == parsed(fixture("status_of_another_program")) == Parsed()


# -- verifying -----------------------------------------------------------------------------------------------------


def test_signed_webhook_and_its_flipped_byte() -> None:
    body = (FIXTURES / "text.json").read_bytes()
    good = WebhookRequest("POST", URL, {HEADER: signature("app", body)}, body)
    assert channel.verify(good, connection(), SECRETS)
    assert not channel.verify(replace(good, body=body.replace(b"Ada", b"Bda")), connection(), SECRETS)
    assert not channel.verify(good, connection(), SECRETS | {"app-secret": "another"})
    assert not channel.verify(good, connection(), {})


def test_handshake_is_verified_with_its_token_and_answered() -> None:
    query = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
    asked = WebhookRequest("GET", f"{URL}?{query}verify", {}, b"")
    assert channel.verify(asked, connection(), SECRETS)
    assert not channel.verify(replace(asked, url=f"{URL}?{query}app"), connection(), SECRETS)
    assert not channel.verify(asked, connection(), SECRETS | {"verify-token": ""})
    answer = channel.parse(asked, "acme", connection(), NOW).answer
    assert answer is not None
    assert (answer.status, answer.body, answer.media_type) == (200, "1158201444", "text/plain")


def test_signature_of_a_get_does_not_stand_in_for_the_token() -> None:
    signed = WebhookRequest("GET", f"{URL}?hub.challenge=1", {HEADER: signature("app", b"")}, b"")
    assert not channel.verify(signed, connection(), SECRETS)


# -- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"phone_number_id": "+15550100001"},
        {"phone_number_id": "2000", "graph_version": "23"},
        {"phone_number_id": "2000", "base_url": "ftp://graph.example"},
        {"phone_number_id": "2000", "unknown": 1},
        {"phone_number_id": "2000", "media_hosts": ["not a host"]},
    ],
)
def test_settings_that_do_not_fit(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        WhatsAppCloudSettings.model_validate(wrong)


def test_settings_as_they_come_from_a_tenants_file() -> None:
    kept = WhatsAppCloudSettings.model_validate(
        orjson.loads(b'{"phone_number_id":"2000","media_hosts":["cdn.example"]}')
    )
    assert (kept.graph_version, kept.base_url, kept.media_hosts) == (
        "v23.0",
        "https://graph.facebook.com",
        ("cdn.example",),
    )
