"""Twilio's voice webhooks: proof of origin, and what becomes of them in the common format."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from m2n.adapters.channel import MalformedWebhook, Parsed, Refused, Retry, SendContext, WebhookRequest
from m2n.adapters.degradation import rendered
from m2n.message import (
    Address,
    Author,
    Button,
    ButtonsContent,
    CallContent,
    Content,
    ImageContent,
    LocationContent,
    Media,
    Outbound,
    TextContent,
)
from m2n.tenant import Connection, ConnectionKind
from services.channels.twilio_core.signature import signature
from services.channels.voice.adapter import channel
from services.channels.voice.callers import identities, spelled
from services.channels.voice.calls import NewLine
from services.channels.voice.parse import said
from services.simulator.voice.grammar import read
from tests.unit.builders import NOON

ACCOUNT, NUMBER, CALL = "AC" + "0" * 31 + "1", "+15550100001", "CA" + "0" * 31 + "7"
SECRETS = {"auth-token": "12345"}
WEBHOOK = "https://m2n.example/webhooks/voice/acme-voice"


def connection(**settings: Any) -> Connection:
    values = {"account_sid": ACCOUNT, "number": NUMBER} | settings
    return Connection(id="acme-voice", kind=ConnectionKind.CHANNEL, adapter="voice", settings=values)


def webhook(query: str = "", **changes: str | None) -> WebhookRequest:
    fields = {
        "CallSid": CALL, "AccountSid": ACCOUNT, "From": "+15550100002", "To": NUMBER, "Caller": "+15550100002",
        "Called": NUMBER, "CallStatus": "ringing", "ApiVersion": "2010-04-01", "Direction": "inbound",
    } | changes  # fmt: skip
    form = {name: value for name, value in fields.items() if value is not None}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return WebhookRequest("POST", WEBHOOK + query, headers, urlencode(form).encode())


def parsed(request: WebhookRequest, **settings: Any) -> Parsed:
    return channel.parse(request, "acme", connection(**settings), NOON)


def test_twilios_own_example_of_a_signature() -> None:
    """Twilio, "Webhooks security"."""
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    form = [("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675309"), ("Digits", "1234"),
            ("From", "+14158675309"), ("To", "+18005551212")]  # fmt: skip
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    }
    request = WebhookRequest("POST", url, headers, urlencode(form).encode())
    assert channel.verify(request, connection(), SECRETS)
    for bad in (
        replace(request, body=request.body.replace(b"1234&", b"1235&")),
        replace(request, url=url + "&x=1"),
        replace(request, headers={"content-type": headers["content-type"]}),
    ):
        assert not channel.verify(bad, connection(), SECRETS)
    assert not channel.verify(request, connection(), {"auth-token": "54321"})
    assert not channel.verify(request, connection(), {"auth-token": ""})


def test_behind_a_proxy_the_public_address_is_what_was_signed() -> None:
    inside = replace(webhook(), url="http://10.0.0.7:8080/webhooks/voice/acme-voice")
    pairs = [tuple(part.split("=")) for part in inside.body.decode().split("&")]
    form = [(name.encode(), value.replace("%2B", "+").encode()) for name, value in pairs]
    signed = {**inside.headers, "x-twilio-signature": signature("12345", WEBHOOK, form)}
    known = connection(public_url="https://m2n.example")
    assert channel.verify(replace(inside, headers=signed), known, SECRETS)
    assert not channel.verify(replace(inside, headers=signed), connection(), SECRETS)


def test_a_call_comes_in_and_is_answered_with_what_is_to_be_done() -> None:
    found = parsed(webhook(CallerName="Ada L."))
    (message,) = found.messages
    assert message.content == CallContent(event="started", call=CALL)
    assert message.address == Address(connection="acme-voice", channel="voice", to=CALL)
    assert (message.vendor_message_id, message.display_name, message.language) == (f"{CALL}#start", "Ada L.", "en")
    assert [(one.scheme, one.value) for one in message.identities] == [("phone", "+15550100002")]
    assert found.answer is not None
    assert found.answer.media_type == "text/xml"
    (gather,) = read(found.answer.body)
    assert gather.get("action") == "https://m2n.example/voice/acme-voice/turn?turn=1"


def test_the_same_call_again_is_the_same_message_and_the_same_answer() -> None:
    assert parsed(webhook()) == parsed(webhook(CallStatus="in-progress"))


def test_the_addresses_are_the_public_ones() -> None:
    (gather,) = read(parsed(webhook(), public_url="https://calls.example/m2n").answer.body)  # pyright: ignore[reportOptionalMemberAccess]
    assert gather.get("action") == "https://calls.example/m2n/voice/acme-voice/turn?turn=1"
    relayed = parsed(webhook(), mode="relay").answer
    assert relayed is not None
    assert 'url="wss://m2n.example/voice/acme-voice/relay"' in relayed.body


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
def test_a_call_ends(status: str) -> None:
    for query in ("?event=status", ""):
        stamp = "Mon, 02 Mar 2026 11:59:58 +0000"
        (message,) = parsed(webhook(query, CallStatus=status, Timestamp=stamp)).messages
        assert message.content == CallContent(event="ended", call=CALL, reason=status)
        assert message.vendor_message_id == f"{CALL}#end"
        assert message.vendor_time == datetime(2026, 3, 2, 11, 59, 58, tzinfo=UTC)
    assert channel.acknowledge(Parsed()).body.endswith("<Response />")


@pytest.mark.parametrize(
    "request_",
    [
        webhook("?event=status", CallStatus="ringing"),
        webhook("?event=status", CallStatus="in-progress"),
        webhook("?event=status", CallStatus="something-new"),
        webhook("?event=status", CallStatus="completed", ParentCallSid="CA1"),
    ],
)
def test_other_statuses_say_nothing(request_: WebhookRequest) -> None:
    assert parsed(request_) == Parsed()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"AccountSid": "AC" + "9" * 32}, "AccountSid"),
        ({"To": "+15550199999"}, "To"),
        ({"CallSid": None}, "CallSid"),
        ({"AccountSid": None}, "AccountSid"),
        ({"CallSid": "C" * 600}, "to"),
    ],
)
def test_what_cannot_be_read_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedWebhook) as refused:
        parsed(webhook(**changes))
    assert field in str(refused.value)
    assert "C" * 40 not in str(refused.value)


def test_a_webhook_of_another_kind_is_refused() -> None:
    with pytest.raises(MalformedWebhook):
        parsed(replace(webhook(), headers={"content-type": "application/json"}, body=b"{}"))


@pytest.mark.parametrize("hidden", ["anonymous", "", "Restricted", "+266696687", "+7378742833", "+2562533",
                                    "+8656696", "+86282452253", "client:ann", "sip:a@b.example", "\x00"])  # fmt: skip
def test_a_caller_without_a_number_is_known_by_the_call(hidden: str) -> None:
    (identity,) = identities(hidden, CALL)
    assert (identity.scheme, identity.value) == ("call", CALL)


def test_withheld_numbers_are_words_on_the_keys() -> None:
    assert [spelled(word) for word in ("ANONYMOUS", "RESTRICTED")] == ["+266696687", "+7378742833"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"SpeechResult": " I lost my card. ", "Confidence": "0.11"}, "I lost my card."),
        ({"Digits": "42"}, "42"),
        ({"Digits": "1", "SpeechResult": "one"}, "1"),
        ({"SpeechResult": "  "}, None),
        ({"Digits": ""}, None),
        ({}, None),
    ],
)
def test_what_the_caller_said(fields: dict[str, str], text: str | None) -> None:
    assert said(fields) == (TextContent(text=text) if text else None)


# -- to the caller -------------------------------------------------------------------------------------------------


def outbound(content: Content) -> Outbound:
    return Outbound(
        id="P1.1.4",
        tenant="acme",
        profile_id="P1",
        session_id="P1.1",
        seq=4,
        address=Address(connection="acme-voice", channel="voice", to=CALL),
        content=content,
        author=Author.BOT,
        decided_at=NOON,
        language="de",
    )


def lines(content: Content) -> list[NewLine]:
    context = SendContext(connection(), SECRETS, "https://m2n.example/x", NOON)
    calls = rendered(channel, outbound(content), context)
    assert {(call.app_id, call.repeatable) for call in calls} == {("webhooks", True)}
    assert {call.url for call in calls} == {f"/internal/voice/acme-voice/calls/{CALL}/messages"}
    return [NewLine.model_validate_json(call.json or b"") for call in calls]


def test_a_message_goes_to_the_inbox_of_its_call() -> None:
    (line,) = lines(TextContent(text="Hallo"))
    assert (line.message, line.text, line.author, line.language, line.at) == ("P1.1.4", "Hallo", "bot", "de", NOON)


def test_a_long_message_is_one_and_the_same_message_again() -> None:
    long = TextContent(text="A sentence. " * 5000)
    assert [line.text for line in lines(long)] == [long.text]
    assert lines(long) == lines(long)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            ButtonsContent(text="Pick", buttons=(Button(id="a", title="A"), Button(id="b", title="B"))),
            "Pick\n\n1. A\n2. B",
        ),
        (ImageContent(media=Media(url="https://m2n.example/p.png"), caption="Look"), "Look\nhttps://m2n.example/p.png"),
        (LocationContent(latitude=1, longitude=2, name="Shop"), "Shop\nhttps://www.openstreetmap.org/?mlat=1&mlon=2"),
    ],
)
def test_what_cannot_be_heard_becomes_words(content: Content, text: str) -> None:
    assert [line.text for line in lines(content)] == [text]


def test_callers_see_no_choices_so_a_number_is_one() -> None:
    assert channel.capabilities.choices_shown == 0


def test_what_the_inbox_answers() -> None:
    assert channel.outcome(200, {}, b"").vendor_message_id is None  # pyright: ignore[reportAttributeAccessIssue]
    over = channel.outcome(410, {}, b"")
    assert isinstance(over, Refused)
    assert over.error.reason == "the call is over"
    assert isinstance(channel.outcome(404, {}, b""), Refused)
    assert isinstance(channel.outcome(503, {}, b""), Retry)
    assert isinstance(channel.outcome(429, {}, b""), Retry)
