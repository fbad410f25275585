"""Messenger's webhooks in the common format, from the vendor's documented shapes with invented data."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2n.adapters.channel import Acknowledgement, MalformedWebhook, Parsed, WebhookRequest
from m2n.message import Inbound
from m2n.tenant import Connection, ConnectionKind
from services.channels.messenger.adapter import channel

FIXTURES = Path(__file__).parents[2] / "services" / "channels" / "messenger" / "fixtures"
PAGE, PSID, OTHER_PAGE = "100200300400500", "24001550100000201", "100200300400599"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
AT_MS = 1772452798500
AT = datetime(2026, 3, 2, 11, 59, 58, 500_000, tzinfo=UTC)
APP = "1517000000000001"
URL = "https://hooks.example/webhooks/messenger/acme-messenger"


def connection(**settings: Any) -> Connection:
    return Connection(
        id="acme-messenger",
        kind=ConnectionKind.CHANNEL,
        adapter="messenger",
        settings={"page_id": PAGE, "app_id": APP} | settings,
    )


def parsed(body: Any, **settings: Any) -> Parsed:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return channel.parse(WebhookRequest("POST", URL, {}, raw), "acme", connection(**settings), NOW)


def event(**parts: Any) -> dict[str, Any]:
    return {"sender": {"id": PSID}, "recipient": {"id": PAGE}, "timestamp": AT_MS, **parts}


def entry(*events: Any, page: str = PAGE, **more: Any) -> dict[str, Any]:
    return {"id": page, "time": AT_MS, "messaging": list(events), **more}


def webhook(*entries: Any) -> dict[str, Any]:
    return {"object": "page", "entry": list(entries)}


def of(*events: Any, **settings: Any) -> Parsed:
    return parsed(webhook(entry(*events)), **settings)


def message(**parts: Any) -> Inbound:
    (only,) = of(event(message={"mid": "m_1", **parts})).messages
    return only


def contents(*attachments: dict[str, Any], **parts: Any) -> list[Any]:
    found = of(event(message={"mid": "m_1", "attachments": list(attachments), **parts})).messages
    return [one.content for one in found]


def golden(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.golden.json").read_text("utf-8"))


NAMES = sorted(path.stem for path in FIXTURES.glob("*.json") if not path.name.endswith(".golden.json"))


@pytest.mark.parametrize("name", NAMES)
def test_documented_webhooks(name: str) -> None:
    found = parsed((FIXTURES / f"{name}.json").read_bytes())
    assert not found.unreadable
    assert [one.model_dump(mode="json", exclude_none=True) for one in found.messages] == golden(name)["messages"]
    assert [one.model_dump(mode="json", exclude_none=True) for one in found.receipts] == golden(name)["receipts"]


def test_text_with_all_that_goes_with_it() -> None:
    found = message(text="Where is my parcel? 📦", reply_to={"mid": "m_0"})
    assert found.content.model_dump() == {"type": "text", "text": "Where is my parcel? 📦"}
    assert (found.tenant, found.vendor_message_id, found.reply_to) == ("acme", "m_1", "m_0")
    assert (found.received_at, found.vendor_time) == (NOW, AT)
    assert found.address.model_dump() == {"connection": "acme-messenger", "channel": "messenger", "to": PSID}


def test_person_is_known_within_the_page_only() -> None:
    here = message(text="x")
    (there,) = parsed(webhook(entry(event(message={"mid": "m_1", "text": "x"}), page="9")), page_id="9").messages
    assert [one.model_dump() for one in here.identities] == [{"scheme": "psid", "value": f"{PAGE}:{PSID}"}]
    assert here.identities != there.identities


def test_acknowledgement() -> None:
    assert channel.acknowledge(of(event(message={"mid": "m_1", "text": "x"}))) == Acknowledgement("EVENT_RECEIVED")


def test_attachments_are_messages_of_their_own_in_order() -> None:
    picture = {"type": "image", "payload": {"url": "https://cdn.example/1.jpg"}}
    sound = {"type": "audio", "payload": {"url": "https://cdn.example/2.mp4"}}
    found = of(event(message={"mid": "m_1", "attachments": [picture, sound, picture]})).messages
    assert [one.vendor_message_id for one in found] == ["m_1", "m_1#1", "m_1#2"]
    assert [one.content.type for one in found] == ["image", "audio", "image"]


def test_words_beside_a_sound_are_not_lost() -> None:
    found = contents({"type": "audio", "payload": {"url": "https://cdn.example/2.mp4"}}, text="listen")
    assert [one.type for one in found] == ["text", "audio"]


def test_sticker_comes_once_however_it_is_told() -> None:
    payload = {"url": "https://cdn.example/s.png", "sticker_id": 369239263222822}
    image, sticker = {"type": "image", "payload": payload}, {"type": "sticker", "payload": payload}
    for told in ([image, sticker], [sticker, image], [sticker], [image]):
        (only,) = contents(*told)
        assert (only.type, only.media.vendor_id) == ("sticker", "369239263222822")


def test_picture_beside_another_sticker_is_kept() -> None:
    sticker = {"type": "sticker", "payload": {"url": "https://cdn.example/s.png", "sticker_id": 1}}
    picture = {"type": "image", "payload": {"url": "https://cdn.example/p.jpg"}}
    assert [one.type for one in contents(sticker, picture)] == ["sticker", "image"]


def test_link_that_stands_in_the_words_is_not_said_twice() -> None:
    link = {"type": "fallback", "payload": {"url": "https://l.facebook.com/l.php?u=https%3A%2F%2Fshop.example%2Fa"}}
    assert [one.text for one in contents(link, text="see https://shop.example/a")] == ["see https://shop.example/a"]
    assert [one.text for one in contents(link, text="see this")] == ["see this", "https://shop.example/a"]


def test_older_fallback_has_its_link_beside_the_payload() -> None:
    (only,) = contents({"type": "fallback", "title": "Shoes", "url": "https://shop.example/a", "payload": None})
    assert only.text == "Shoes\nhttps://shop.example/a"


@pytest.mark.parametrize("kind", ["image", "audio", "video", "file", "sticker", "reel", "location", "fallback"])
@pytest.mark.parametrize("payload", [None, {}])
def test_attachment_without_what_it_should_have(kind: str, payload: Any) -> None:
    (only,) = contents({"type": kind, "payload": payload})
    assert (only.type, only.vendor_type, only.raw_ref) == ("unsupported", kind, "m_1")


@pytest.mark.parametrize("payload", [[], "x", 7, {"anything": [1]}])
def test_attachment_of_a_type_that_nobody_knows(payload: Any) -> None:
    (only,) = contents({"type": "hologram", "payload": payload})
    assert (only.type, only.vendor_type) == ("unsupported", "hologram")


def test_message_without_anything_known() -> None:
    found: Any = message(poll={"question": "?"}).content
    assert (found.type, found.vendor_type, found.raw_ref) == ("unsupported", "message", "m_1")


@pytest.mark.parametrize(
    ("postback", "id_", "picked"),
    [
        ({"mid": "m_9", "title": "Track", "payload": "track"}, "m_9", ("track", "Track")),
        ({"title": "Get Started", "payload": "START"}, f"{PSID}:{AT_MS}:postback", ("START", "Get Started")),
        ({"title": "Of another app"}, f"{PSID}:{AT_MS}:postback", ("Of another app", "Of another app")),
        ({"payload": "START"}, f"{PSID}:{AT_MS}:postback", ("START", "START")),
    ],
)
def test_postback(postback: dict[str, str], id_: str, picked: tuple[str, str]) -> None:
    (only,) = of(event(postback=postback)).messages
    content: Any = only.content
    assert (only.vendor_message_id, content.type, (content.id, content.title)) == (id_, "choice", picked)


def test_quick_reply_without_payload_is_known_by_its_words() -> None:
    content: Any = message(text="+15550100002", quick_reply={}).content
    assert (content.id, content.title) == ("+15550100002", "+15550100002")


@pytest.mark.parametrize(
    ("reaction", "emoji"),
    [
        ({"action": "react", "emoji": "🎉", "reaction": "other"}, "🎉"),
        ({"action": "react", "reaction": "smile"}, "😆"),
        ({"action": "react", "reaction": "brand-new"}, "brand-new"),
        ({"action": "unreact", "emoji": "🎉", "reaction": "other"}, None),
    ],
)
def test_reaction(reaction: dict[str, str], emoji: str | None) -> None:
    (only,) = of(event(reaction={"mid": "m_7", **reaction})).messages
    assert only.vendor_message_id == f"{PSID}:{AT_MS}:reaction"
    assert only.content.model_dump() == {"type": "reaction", "target": "m_7", "emoji": emoji}


@pytest.mark.parametrize("number", [2, "2"])
def test_edits_of_one_message_are_told_apart(number: Any) -> None:
    (only,) = of(event(message_edit={"mid": "m_7", "text": "better", "num_edit": number})).messages
    assert only.vendor_message_id == "m_7:edit:2"
    assert only.content.model_dump() == {"type": "edit", "target": "m_7", "text": "better"}


def echo(**parts: Any) -> dict[str, Any]:
    around = {"sender": {"id": PAGE}, "recipient": {"id": PSID}}
    return event(**around, message={"mid": "m_2", "text": "hello", "is_echo": True, **parts})


def test_echo_of_ours_tells_which_message_it_is() -> None:
    found = of(echo(app_id=int(APP), metadata="m2n:p1.1.7"))
    assert found.messages == ()
    (receipt,) = found.receipts
    assert (receipt.message_id, receipt.vendor_message_id, receipt.status) == ("p1.1.7", "m_2", "sent")
    assert (receipt.tenant, receipt.connection, receipt.at) == ("acme", "acme-messenger", AT)


@pytest.mark.parametrize(
    "parts",
    [
        {"app_id": 263902037430900},
        {"app_id": 263902037430900, "metadata": "m2n:p1.1.7"},
        {"app_id": int(APP)},
        {"app_id": int(APP), "metadata": "another program's"},
        {"app_id": int(APP), "metadata": "m2n:"},
        {},
    ],
)
def test_other_echoes_say_nothing(parts: dict[str, Any]) -> None:
    assert of(echo(**parts)) == Parsed()


def test_echo_without_an_app_in_the_settings_is_known_by_its_mark() -> None:
    assert len(of(echo(app_id=7, metadata="m2n:p1.1.7"), app_id=None).receipts) == 1


def test_nothing_of_the_page_itself_is_a_customers_message() -> None:
    """Not even if the vendor forgot to say that it is an echo."""
    mine = event(sender={"id": PAGE}, recipient={"id": PSID}, message={"mid": "m_2", "text": "hello"})
    assert of(mine, event(sender={"id": PAGE}, reaction={"mid": "m_1", "action": "react"})) == Parsed()


def test_delivery_names_messages_and_a_watermark() -> None:
    found = of(event(delivery={"mids": ["m_3", "m_4"], "watermark": AT_MS - 500})).receipts
    assert [(one.vendor_message_id, one.until) for one in found] == [
        ("m_3", None),
        ("m_4", None),
        (None, AT.replace(microsecond=0)),
    ]
    assert {(one.to, one.status.value, one.at) for one in found} == {(PSID, "delivered", AT)}


def test_read_is_a_watermark() -> None:
    (only,) = of({**event(read={"watermark": AT_MS}), "timestamp": None}).receipts
    assert (only.to, only.until, only.status, only.at) == (PSID, AT, "read", NOW)
    assert (only.message_id, only.vendor_message_id) == (None, None)


@pytest.mark.parametrize(
    "name",
    ["referral", "optin", "pass_thread_control", "take_thread_control", "request_thread_control", "app_roles"],
)
def test_events_in_which_nothing_is_said(name: str) -> None:
    assert of(event(**{name: {"ref": "x", "user_ref": "y"}}, m2n_new_field=7)) == Parsed()


def test_event_that_nobody_knows() -> None:
    (only,) = of(event(brand_new={"x": 1})).messages
    assert only.vendor_message_id == f"{PSID}:{AT_MS}:brand_new"
    assert only.content.model_dump(exclude_none=True) == {"type": "unsupported", "vendor_type": "brand_new"}


def test_what_is_for_another_app_or_about_the_page() -> None:
    waiting = {"id": PAGE, "time": AT_MS, "standby": [event(message={"mid": "m_1", "text": "x"})]}
    about = {"id": PAGE, "time": AT_MS, "changes": [{"field": "feed", "value": {}}]}
    assert parsed(webhook(waiting, about)) == Parsed()


def test_batch_of_many_with_others_and_broken_ones_among_them() -> None:
    texts = [entry(event(message={"mid": f"m_{number}", "text": str(number)})) for number in range(1000)]
    foreign = entry(event(message={"mid": "m_x", "text": "elsewhere"}), page=OTHER_PAGE)
    broken = entry(event(message={"text": "the customer's own words"}), 7, event(postback={}))
    found = parsed(webhook(*texts[:500], foreign, broken, *texts[500:]))
    assert [one.vendor_message_id for one in found.messages] == [f"m_{number}" for number in range(1000)]
    assert [part.reason.partition(":")[0] for part in found.unreadable] == ["message.mid", "messaging", "postback"]
    assert not any("own words" in part.reason for part in found.unreadable)


def test_what_was_set_aside_can_be_read_once_it_is_whole() -> None:
    (part,) = of(event(message={"mid": "m_1", "text": "x" * 70_000})).unreadable
    assert part.reason.startswith("text: ")
    again = orjson.loads(part.body)
    again["entry"][0]["messaging"][0]["message"]["text"] = "short"
    (only,) = parsed(again).messages
    assert only.vendor_message_id == "m_1"


@pytest.mark.parametrize(
    ("broken", "names"),
    [
        (event(message={"mid": "m_1", "text": 7.5, "attachments": 7}), "message.attachments"),
        (event(message={"mid": "", "text": "x"}), "message.mid"),
        ({"recipient": {"id": PAGE}, "timestamp": AT_MS, "message": {"mid": "m_1", "text": "x"}}, "sender.id"),
        (event(sender={"user_ref": "r-1"}, postback={"title": "Start", "payload": "S"}), "sender.id"),
        ({"sender": {"id": PSID}, "postback": {"title": "Start"}}, "timestamp"),
        (event(delivery={"watermark": "soon"}), "delivery.watermark"),
        (event(read={}), "read.watermark"),
        (event(read={"watermark": True}), "read.watermark"),
        (event(read={"watermark": -1}), "read.watermark"),
        (event(read={"watermark": 10**15}), "read.watermark"),
        ({**event(read={"watermark": 1}), "sender": None}, "sender.id"),
        (event(message_edit={"mid": "m_1"}), "message_edit.text"),
        (event(), "message"),
        (None, "messaging"),
    ],
)
def test_broken_events_are_set_aside_and_named(broken: Any, names: str) -> None:
    good = event(message={"mid": "m_ok", "text": "ok"})
    found = of(good, broken, good)
    (part,) = found.unreadable
    assert part.reason.startswith(f"{names}:")
    assert len(found.messages) == 2
    (again,) = parsed(part.body).unreadable
    assert again.reason == part.reason


def test_entry_whose_events_are_no_list() -> None:
    found = parsed(webhook({"id": PAGE, "messaging": {"x": 1}}, entry(event(message={"mid": "m_1", "text": "x"}))))
    assert [part.reason for part in found.unreadable] == ["messaging: expected a list"]
    assert len(found.messages) == 1


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"", "body"),
        (b"[" * 100_000, "body"),
        (b'{"object":"page"', "body"),
        (b"[]", "body"),
        (b"{}", "object"),
        (webhook(entry(event())) | {"object": "instagram"}, "object"),
        ({"object": "page"}, "entry"),
        ({"object": "page", "entry": {}}, "entry"),
        ({"object": "page", "entry": []}, "entry.0.id"),
        (webhook(entry(event(message={"mid": "m_1", "text": "x"}), page=OTHER_PAGE)), "entry.0.id"),
    ],
)
def test_what_is_no_webhook_of_this_page(body: Any, names: str) -> None:
    with pytest.raises(MalformedWebhook, match=f"^{names}: expected"):
        parsed(body)


def test_half_a_surrogate_pair_spoils_nothing() -> None:
    """As a phone sends it that cut an emoji in two; whole pairs and written backslashes stay as they are."""
    body = json.dumps(webhook(entry(event(message={"mid": "m_1", "text": "TEXT"}), event(message={"mid": "m_2"}))))
    odd = r"cut \ud83d whole \ud83d\udce6 written \\ud83d upside \udce6\ud83d end"
    found = parsed(body.replace("TEXT", odd).encode())
    assert len(found.messages) == 2
    content: Any = found.messages[0].content
    assert content.text == "cut � whole 📦 written \\ud83d upside �� end"


@pytest.mark.parametrize("number", ["1e999", "9" * 5_000, "-" + "9" * 400])
def test_number_that_is_too_large_spoils_only_its_event(number: str) -> None:
    body = json.dumps(webhook(entry(event(timestamp=-77, message={"mid": "m_1"}), event(message={"mid": "m_2"}))))
    found = parsed(body.replace("-77", number).encode())
    assert [part.reason.partition(":")[0] for part in found.unreadable] == ["timestamp"]
    assert [one.vendor_message_id for one in found.messages] == ["m_2"]


@pytest.mark.parametrize(
    "text",
    [
        "5h",
        "2024-06-01 please book",
        "P1D",
        "null",
        '{"status":"RETRY"}',
        "\0",
        "مرحبا",
        "👩‍👩‍👧‍👦",
        " x ",
        "😀" * 16_384,
    ],
)
def test_words_stay_as_they_are(text: str) -> None:
    assert message(text=text).content.model_dump()["text"] == text


def test_time_in_seconds_as_in_metas_page_on_postbacks() -> None:
    told = {**event(postback={"mid": "m_1", "title": "x"}), "timestamp": "1527459824"}
    (only,) = of(told).messages
    assert only.vendor_time == datetime(2018, 5, 27, 22, 23, 44, tzinfo=UTC)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
PARTS = st.sampled_from(
    ["sender", "recipient", "timestamp", "message", "postback", "reaction", "message_edit", "delivery", "read"]
)


@given(st.dictionaries(PARTS, JSON, max_size=4), JSON)
def test_no_shape_raises_anything_else(parts: dict[str, Any], attachment: Any) -> None:
    odd = event(message={"mid": "m_1", "attachments": [{"type": "image", "payload": attachment}]})
    found = of({**event(), **parts}, odd)
    assert len(found.messages) + len(found.receipts) + len(found.unreadable) <= 4
