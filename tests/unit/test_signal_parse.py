"""Signal's envelopes in the common format, from documented shapes with invented data."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2n.adapters.channel import MalformedWebhook, NoMedia, Parsed, WebhookRequest
from m2n.message import Inbound, Media, ReceiptStatus
from m2n.tenant import Connection, ConnectionKind
from services.channels.signal.adapter import channel
from services.channels.signal.certification import certificate
from services.channels.signal.parse import OtherAccount, ignored

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NUMBER, UUID = "+15550100001", "00000000-0000-4000-8000-000000000001"
SENT = 1_772_452_740_000
CONNECTION = Connection(
    id="acme-signal", kind=ConnectionKind.CHANNEL, adapter="signal", settings=dict(certificate.settings)
)
FIXTURES = sorted(path.stem for path in certificate.fixtures.glob("*.json") if not path.name.endswith(".golden.json"))


def parsed(body: Any) -> Parsed:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return channel.parse(WebhookRequest("POST", "", {}, raw), "acme", CONNECTION, NOW)


def told(account: Any = NUMBER, **envelope: Any) -> dict[str, Any]:
    source = {"sourceNumber": "+15550100002", "sourceUuid": UUID, "sourceName": "Ada", "timestamp": SENT}
    return {"envelope": source | envelope, "account": account}


def data(**fields: Any) -> dict[str, Any]:
    return told(dataMessage={"timestamp": SENT, "message": "hi"} | fields)


def only(body: Any) -> Inbound:
    (message,) = parsed(body).messages
    return message


@pytest.mark.parametrize("name", FIXTURES)
def test_documented_webhooks(name: str) -> None:
    golden = json.loads((certificate.fixtures / f"{name}.golden.json").read_text(encoding="utf-8"))
    found = parsed((certificate.fixtures / f"{name}.json").read_bytes())
    assert [message.model_dump(mode="json", exclude_none=True) for message in found.messages] == golden["messages"]
    assert [receipt.model_dump(mode="json", exclude_none=True) for receipt in found.receipts] == golden["receipts"]
    assert found.unreadable == ()


def test_the_vector_of_the_vendors_documentation() -> None:
    body = (
        b'{"jsonrpc":"2.0","method":"receive","params":{"envelope":{"source":"+15550100002","sourceNumber":"+15550100002",'
        b'"sourceUuid":"00000000-0000-4000-8000-000000000001","sourceName":"Test","sourceDevice":1,'
        b'"timestamp":1700000000000,"serverReceivedTimestamp":1700000000100,"serverDeliveredTimestamp":1700000000200,'
        b'"dataMessage":{"timestamp":1700000000000,"message":"Hi","expiresInSeconds":0,"viewOnce":false}},'
        b'"account":"+15550100001"}}'
    )
    found = only(body)
    assert found.content.model_dump() == {"type": "text", "text": "Hi"}
    assert found.vendor_message_id == f"{UUID}:1700000000000"
    assert found.vendor_time == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert [(one.scheme, one.value) for one in found.identities] == [("signal_uuid", UUID), ("phone", "+15550100002")]
    assert (found.address.to, found.display_name) == (UUID, "Test")


def test_frame_and_webhook_are_the_same_message() -> None:
    frame = data()
    webhook = {"jsonrpc": "2.0", "method": "receive", "params": frame}
    subscribed = {"jsonrpc": "2.0", "method": "receive", "params": {"subscription": 0, "result": frame}}
    assert parsed(frame) == parsed(webhook) == parsed(subscribed)
    assert only(frame).content.model_dump()["text"] == "hi"


@pytest.mark.parametrize("account", ["+15550100009", None, "", 15550100001, ["+15550100001"]])
def test_another_accounts_message_is_not_ours(account: Any) -> None:
    with pytest.raises(OtherAccount, match=r"^account: "):
        parsed(told(account=account, dataMessage={"timestamp": SENT, "message": "private words"}))


@pytest.mark.parametrize(
    ("envelope", "why"),
    [
        ({"syncMessage": {"sentMessage": {"message": "x", "timestamp": SENT}}}, "ourselves"),
        ({"sourceNumber": NUMBER, "dataMessage": {"timestamp": SENT, "message": "note to self"}}, "ourselves"),
        ({"callMessage": {"offerMessage": {"id": 1}}}, "call"),
        ({"storyMessage": {"allowsReplies": True}}, "story"),
        ({"dataMessage": {"timestamp": SENT, "message": "x", "groupInfo": {"groupId": "Zw=="}}}, "group"),
        ({"typingMessage": {"action": "STARTED", "timestamp": SENT, "groupId": "Zw=="}}, "group"),
        (
            {
                "editMessage": {
                    "targetSentTimestamp": SENT,
                    "dataMessage": {"timestamp": SENT, "message": "x", "groupInfo": {"groupId": "Zw=="}},
                }
            },
            "group",
        ),
    ],
)
def test_what_is_passed_over_and_why(envelope: dict[str, Any], why: str) -> None:
    body = told(**envelope)
    assert parsed(body) == Parsed()
    assert why in (ignored(body["envelope"], NUMBER) or "")


def test_a_message_of_a_customer_is_not_passed_over() -> None:
    assert ignored(data()["envelope"], NUMBER) is None
    assert ignored(data(groupInfo=None)["envelope"], NUMBER) is None


@pytest.mark.parametrize(
    ("source", "identities", "to"),
    [
        ({"sourceNumber": None}, [("signal_uuid", UUID)], UUID),
        ({"sourceUuid": None}, [("phone", "+15550100002")], "+15550100002"),
        ({"sourceUuid": UUID.upper()}, [("signal_uuid", UUID), ("phone", "+15550100002")], UUID),
        ({"sourceUuid": f"PNI:{UUID}", "sourceNumber": None}, [("signal_uuid", f"PNI:{UUID}")], f"PNI:{UUID}"),
    ],
)
def test_identities(source: dict[str, Any], identities: list[tuple[str, str]], to: str) -> None:
    found = only(told(dataMessage={"timestamp": SENT, "message": "x"}, **source))
    assert [(one.scheme, one.value) for one in found.identities] == identities
    assert found.address.to == to


def test_who_is_nobody_is_set_aside() -> None:
    (part,) = parsed(
        told(sourceUuid=None, sourceNumber=None, dataMessage={"timestamp": SENT, "message": "x"})
    ).unreadable
    assert part.reason.startswith("envelope.sourceUuid: ")


@pytest.mark.parametrize(
    "bad",
    [
        {"timestamp": "soon"},
        {"timestamp": -1},
        {"timestamp": 10**15},
        {"message": 7},
        {"message": "x" * 70_000},
        {"attachments": [{"size": -1}]},
        {"attachments": 7},
        {"quote": {"id": "secret words"}},
        {"reaction": {"emoji": "👍"}},
        {"remoteDelete": {}},
        {"sticker": {"packId": 7, "stickerId": 1}},
    ],
    ids=str,
)
def test_what_cannot_be_read_is_set_aside_whole_and_can_be_put_back(bad: dict[str, Any]) -> None:
    body = orjson.dumps(data(**bad))
    found = parsed(body)
    (part,) = found.unreadable
    assert (found.messages, part.body) == ((), body)
    assert part.reason.startswith("dataMessage.")
    assert "secret words" not in part.reason
    assert parsed(part.body).unreadable == (part,)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"7", b"[]", b'{"params":[]}', b'{"envelope":7,"account":"+15550100001"}', b"[" * 100_000, b"\xff"],
)
def test_what_is_no_envelope_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedWebhook, match=r"^(body|envelope): expected"):
        parsed(body)


NAMES = [
    "timestamp", "dataMessage", "message", "attachments", "receiptMessage", "timestamps", "when", "isRead",
    "editMessage", "targetSentTimestamp", "typingMessage", "action", "mentions", "start", "length", "contacts",
    "name", "quote", "id", "reaction", "emoji", "sticker", "groupInfo", "x",
]  # fmt: skip
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(st.recursive(PLAIN, lambda part: st.lists(part) | st.dictionaries(st.sampled_from(NAMES), part)))
def test_any_envelope_is_read_or_set_aside(value: Any) -> None:
    if not isinstance(value, dict):
        value = {"dataMessage": value, "receiptMessage": value, "timestamp": SENT}
    try:
        body = orjson.dumps({"envelope": {"sourceUuid": UUID} | value, "account": NUMBER})
    except (orjson.JSONEncodeError, UnicodeEncodeError):
        return
    for part in parsed(body).unreadable:
        assert orjson.loads(part.body)["account"] == NUMBER


def test_several_receipts_of_which_one_cannot_be_read() -> None:
    receipt = {"when": SENT, "isDelivery": False, "isRead": True, "timestamps": [1, "x", 2, None, [[]], 1e30]}
    found = parsed(told(receiptMessage=receipt))
    assert [one.vendor_message_id for one in found.receipts] == ["self:1", "self:2"]
    assert {one.status for one in found.receipts} == {ReceiptStatus.READ}
    (part,) = found.unreadable
    again = orjson.loads(part.body)["envelope"]["receiptMessage"]["timestamps"]
    assert again == ["x", None, None, 1e30]
    assert parsed(part.body).receipts == ()


@pytest.mark.parametrize(
    ("flags", "statuses"),
    [
        ({"isDelivery": True}, [ReceiptStatus.DELIVERED]),
        ({"isRead": True}, [ReceiptStatus.READ]),
        ({"isViewed": True}, [ReceiptStatus.READ]),
        ({}, []),
        ({"isSomethingNew": True}, []),
    ],
)
def test_receipts(flags: dict[str, bool], statuses: list[ReceiptStatus]) -> None:
    found = parsed(told(receiptMessage={"when": SENT + 5, "timestamps": [SENT]} | flags)).receipts
    assert [one.status for one in found] == statuses
    assert all(one.at == datetime(2026, 3, 2, 11, 59, 0, 5000, tzinfo=UTC) for one in found)


def test_typing_is_never_taken_for_a_message_of_the_same_moment() -> None:
    typing = only(told(typingMessage={"action": "STARTED", "timestamp": SENT}))
    assert typing.vendor_message_id != only(data()).vendor_message_id


def test_unknown_typing_is_nothing() -> None:
    assert parsed(told(typingMessage={"action": "PAUSED", "timestamp": SENT})) == Parsed()


@pytest.mark.parametrize(
    ("author", "target"),
    [
        ({"authorUuid": UUID}, f"{UUID}:5"),
        ({"authorUuid": UUID.upper()}, f"{UUID}:5"),
        ({"authorNumber": "+15550100002"}, f"{UUID}:5"),
        ({"authorUuid": "00000000-0000-4000-8000-0000000000ff", "authorNumber": "+15550100002"}, "self:5"),
        ({"authorNumber": NUMBER}, "self:5"),
        ({}, "self:5"),
    ],
)
def test_whose_message_is_answered(author: dict[str, str], target: str) -> None:
    assert only(data(quote={"id": 5} | author)).reply_to == target


def test_long_text_that_is_whole_comes_without_its_file() -> None:
    attachment = {"contentType": "text/x-signal-plain", "id": "a.txt", "size": 2500}
    whole = parsed(data(message="é" * 1001, attachments=[attachment]))
    assert [message.content.type for message in whole.messages] == ["text"]
    beginning = parsed(data(message="é" * 1000, attachments=[attachment]))
    assert [message.content.type for message in beginning.messages] == ["text", "file"]
    assert [m.vendor_message_id for m in beginning.messages] == [f"{UUID}:{SENT}", f"{UUID}:{SENT}#1"]


@pytest.mark.parametrize(
    ("attachment", "voice"),
    [
        ({"contentType": "audio/aac", "filename": None}, True),
        ({"contentType": "audio/mpeg", "filename": "song.mp3"}, False),
        ({"contentType": "audio/mpeg", "filename": "song.mp3", "isVoiceNote": True}, True),
        ({"contentType": "audio/aac", "filename": None, "isVoiceNote": False}, False),
        ({"contentType": "application/pdf", "filename": None, "isVoiceNote": True}, False),
    ],
)
def test_recordings(attachment: dict[str, Any], voice: bool) -> None:
    content: Any = only(data(message=None, attachments=[attachment | {"id": "a"}])).content
    assert content.media.voice is voice


def test_text_and_the_files_own_caption_are_both_kept() -> None:
    files = [
        {"contentType": "image/png", "id": "1", "caption": "one"},
        {"contentType": "image/png", "id": "2", "caption": "two"},
    ]
    captions = [getattr(message.content, "caption", None) for message in parsed(data(attachments=files)).messages]
    assert captions == ["hi\none", "two"]


def test_mentions_of_several_and_beyond_the_end() -> None:
    mentions = [
        {"name": "Bo", "start": 3, "length": 1},
        {"number": "+1555", "start": 9, "length": 1},
        {"start": 90, "length": 9},
    ]
    content: Any = only(data(message="🙂 \ufffc and \ufffc!", mentions=mentions)).content
    assert content.text == "🙂 @Bo and @+1555!@?"


def test_disappearing_messages_are_read_like_others() -> None:
    assert only(data(expiresInSeconds=3600)).content == only(data()).content


def test_media_are_fetched_at_the_gateway() -> None:
    media = Media(vendor_id="Xk2rPq7vTn.jpg")
    call = channel.media_call(media, CONNECTION, {"gateway-token": "t0ken"})
    assert call.url == "http://signal:8080/v1/attachments/Xk2rPq7vTn.jpg"
    assert dict(call.headers) == {"Authorization": "Bearer t0ken"}
    assert dict(channel.media_call(media, CONNECTION, {}).headers) == {}


@pytest.mark.parametrize("id_", [None, "", "..", "a/b", "sticker:0123:7", "../../etc/passwd", "a?b", "x" * 300])
def test_what_is_no_file_of_the_gateways(id_: str | None) -> None:
    with pytest.raises(NoMedia):
        channel.media_call(Media(vendor_id=id_), CONNECTION, {})


def test_acknowledged_with_200_since_the_gateway_takes_204_for_a_failure() -> None:
    assert channel.acknowledge(Parsed()).status == 200


def test_fixtures_are_of_every_kind() -> None:
    assert {"text", "voice", "reaction", "edit", "delivered", "group", "sync", "socket_frame"} <= set(FIXTURES)
