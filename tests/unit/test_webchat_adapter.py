"""Web chat's adapter: what pages may post, and what goes into a visitor's inbox."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from m2n.adapters.channel import (
    Accepted,
    MalformedWebhook,
    Parsed,
    Refused,
    Retry,
    SendContext,
    Signal,
    WebhookRequest,
)
from m2n.adapters.degradation import NotShowable, rendered
from m2n.message import (
    MAX_TEXT,
    Address,
    Author,
    Button,
    ButtonsContent,
    Inbound,
    ListContent,
    ListItem,
    Outbound,
    ReceiptStatus,
    TemplateContent,
    TextContent,
    TypingContent,
    UnsupportedContent,
)
from m2n.tenant import Connection, ConnectionKind
from services.channels.webchat.adapter import WebChat
from services.channels.webchat.browser import BrowserMessage
from services.channels.webchat.settings import WebChatSettings
from services.channels.webchat.tokens import Visitor, issue

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRETS = {"signing-key": "a long random text"}
CONNECTION = Connection(
    id="acme-web",
    kind=ConnectionKind.CHANNEL,
    adapter="webchat",
    settings={"allowed_origins": ["https://shop.example"]},
)
URL = "https://hooks.example/webhooks/webchat/acme-web"
CONTEXT = SendContext(CONNECTION, SECRETS, "", NOW)
TOKEN = issue(Visitor("visitor1", NOW + timedelta(hours=1)), "acme-web", SECRETS["signing-key"])
chat = WebChat(clock=lambda: NOW)


def posted(body: Any, **headers: str) -> WebhookRequest:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return WebhookRequest("POST", URL, {"authorization": f"Bearer {TOKEN}", **headers}, raw)


def message(**body: Any) -> Inbound:
    request = posted({"echo_id": "e1", **body})
    (only,) = chat.parse(request, "acme", CONNECTION, NOW).messages
    return only


def verified(**headers: str) -> bool:
    return chat.verify(posted({}, **headers), CONNECTION, SECRETS)


def test_visitor_with_a_good_token() -> None:
    assert verified()


def test_visitor_whose_token_ran_out() -> None:
    late = WebChat(clock=lambda: NOW + timedelta(hours=1))
    assert not late.verify(posted({}), CONNECTION, SECRETS)


def test_nobody_else() -> None:
    assert not verified(authorization="")
    assert not verified(authorization=f"Bearer {TOKEN[:-1]}")
    assert not chat.verify(posted({}), CONNECTION, {"signing-key": "another"})
    assert not chat.verify(posted({}), CONNECTION, {})
    assert not chat.verify(posted({}), CONNECTION.model_copy(update={"id": "globex-web"}), SECRETS)


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        ("https://shop.example", True),
        ("https://hooks.example", True),
        ("https://evil.example", False),
        ("https://shop.example.evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_pages_of_allowed_sites(origin: str, may: bool) -> None:
    assert verified(origin=origin) is may


def test_text_with_all_that_goes_with_it() -> None:
    found = message(text="Hello 👋", name="Ada", language="de-AT")
    assert found.content == TextContent(text="Hello 👋")
    assert found.vendor_message_id == "visitor1:e1"
    assert [(i.scheme, i.value) for i in found.identities] == [("web_visitor", "visitor1")]
    assert found.address == Address(connection="acme-web", channel="webchat", to="visitor1")
    assert (found.display_name, found.language, found.received_at) == ("Ada", "de-AT", NOW)
    assert [(hop.service, hop.did) for hop in found.trail] == [("webhooks", "received")]


@pytest.mark.parametrize(
    "body",
    [
        {"choice": {"id": "y", "title": "Yes"}},
        {"location": {"latitude": 52, "longitude": 5.1, "name": "Dom", "address": None}},
        {"typing": True},
        {"typing": False},
    ],
    ids=str,
)
def test_other_contents(body: dict[str, Any]) -> None:
    ((kind, wanted),) = body.items()
    content = message(**body).content.model_dump()
    assert content.pop("type") == kind
    assert content == (wanted if isinstance(wanted, dict) else {"on": wanted})


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "body: "),
        (b"[]", "body: "),
        (b'{"echo_id":"e1","text":"\\ud800"}', "body: "),
        (b'{"echo_id":"e1","text":"\xff"}', "body: "),
        ({"text": "secret"}, "echo_id: "),
        ({"echo_id": "", "text": "secret"}, "echo_id: "),
        ({"echo_id": "x" * 65, "text": "secret"}, "echo_id: "),
        ({"echo_id": 7, "text": "secret"}, "echo_id: "),
        ({"echo_id": "e"}, "exactly one of text, choice, location, attachment and typing"),
        ({"echo_id": "e", "text": "secret", "typing": True}, "exactly one of"),
        ({"echo_id": "e", "text": ""}, "text: "),
        ({"echo_id": "e", "text": "secret" * MAX_TEXT}, "text: "),
        ({"echo_id": "e", "txt": "secret"}, "txt: "),
        ({"echo_id": "e", "choice": {"id": "y"}}, "choice.title: "),
        ({"echo_id": "e", "location": {"latitude": 91, "longitude": 0}}, "location.latitude: "),
        ({"echo_id": "e", "text": "secret", "language": "deutsch sprechend"}, "language: "),
        ({"echo_id": "e", "text": "secret", "receipt": {"id": "1", "status": "read"}}, "receipts without a message"),
        ({"receipts": []}, "receipts: "),
        ({"receipts": [{"id": "1", "status": "read"}] * 201}, "receipts: "),
        ({"receipt": {"id": "1"}}, "receipt.status: "),
        ({"echo_id": "e", "attachment": {"id": "nonsense"}}, "attachment.id: "),
        ({"echo_id": "e", "attachment": {"url": "https://evil.example"}}, "attachment.id: "),
    ],
    ids=lambda value: str(value)[:40],
)
def test_errors_name_the_field_and_no_words_of_the_visitor(body: Any, says: str) -> None:
    with pytest.raises(MalformedWebhook) as refused:
        chat.parse(posted(body), "acme", CONNECTION, NOW)
    assert says in str(refused.value)
    assert "secret" not in str(refused.value)


def test_visitors_cannot_take_each_others_message_ids() -> None:
    other = issue(Visitor("visitor2", NOW), "acme-web", SECRETS["signing-key"])
    request = posted({"echo_id": "e1", "text": "x"}, authorization=f"Bearer {other}")
    (found,) = chat.parse(request, "acme", CONNECTION, NOW).messages
    assert found.vendor_message_id != message(text="x").vendor_message_id


def test_page_is_told() -> None:
    told = chat.acknowledge(Parsed())
    assert (told.status, told.media_type, orjson.loads(told.body)) == (
        200,
        "application/json",
        {"status": "accepted"},
    )


def outbound(content: Any) -> Outbound:
    return Outbound(
        id="p1.1.2",
        tenant="acme",
        profile_id="p1",
        session_id="p1.1",
        seq=2,
        address=Address(connection="acme-web", channel="webchat", to="visi/tor"),
        content=content,
        author=Author.AGENT,
        author_name="Kim",
        decided_at=NOW,
    )


def test_message_goes_to_the_inbox() -> None:
    content = ButtonsContent(text="Sure?", buttons=(Button(id="y", title="Yes"),))
    (call,) = rendered(chat, outbound(content), CONTEXT)
    assert (call.app_id, call.method, call.repeatable) == ("webhooks", "POST", True)
    assert call.url == "/internal/webchat/acme-web/visitors/visi%2Ftor/messages"
    assert orjson.loads(call.json or b"") == {
        "id": "p1.1.2",
        "author": "agent",
        "author_name": "Kim",
        "content": {"type": "buttons", "text": "Sure?", "buttons": [{"id": "y", "title": "Yes"}]},
        "at": "2026-03-01T12:00:00Z",
    }
    assert BrowserMessage.model_validate_json(call.json or b"").content == content


def test_what_pages_do_not_show_is_refused() -> None:
    for content in (TemplateContent(template="x"), UnsupportedContent(vendor_type="x")):
        with pytest.raises(NotShowable):
            rendered(chat, outbound(content), CONTEXT)


def test_lists_keep_what_buttons_have_no_room_for() -> None:
    items = tuple(ListItem(id=f"i{n}", title=f"Bike {n}", description="14 € a day") for n in range(30))
    (call,) = rendered(chat, outbound(ListContent(text="Which?", button="Bikes", items=items)), CONTEXT)
    content = BrowserMessage.model_validate_json(call.json or b"").content
    assert content == ListContent(text="Which?", button="Bikes", items=items)


def test_typing_is_a_signal_and_no_message() -> None:
    (call,) = rendered(chat, outbound(TypingContent()), CONTEXT)
    assert call.url == "/internal/webchat/acme-web/visitors/visi%2Ftor/signals"
    assert orjson.loads(call.json or b"") == {"typing": {"on": True, "author": "agent", "author_name": "Kim"}}


def test_signals() -> None:
    (typing,) = chat.signal(Signal("typing", "visitor1"), CONTEXT)
    (agent,) = chat.signal(Signal("typing", "visitor1", author_name="Kim"), CONTEXT)
    (read,) = chat.signal(Signal("read", "visitor1", "visitor1:e1"), CONTEXT)
    assert orjson.loads(typing.json or b"") == {"typing": {"on": True, "author": "bot"}}
    assert orjson.loads(agent.json or b"") == {"typing": {"on": True, "author": "agent", "author_name": "Kim"}}
    assert orjson.loads(read.json or b"") == {"read": "visitor1:e1"}
    assert {typing.url, read.url} == {"/internal/webchat/acme-web/visitors/visitor1/signals"}
    assert chat.signal(Signal("read", "visitor1"), CONTEXT) == ()


def test_what_was_seen() -> None:
    body = {"receipt": {"id": "P1.1.2", "status": "read"}, "receipts": [{"id": "P1.1.3", "status": "delivered"}]}
    found = chat.parse(posted(body), "acme", CONNECTION, NOW)
    assert found.messages == ()
    assert [(one.message_id, one.status, one.tenant, one.connection) for one in found.receipts] == [
        ("P1.1.2", ReceiptStatus.READ, "acme", "acme-web"),
        ("P1.1.3", ReceiptStatus.DELIVERED, "acme", "acme-web"),
    ]


def test_statuses_of_a_later_widget_count_for_nothing() -> None:
    found = chat.parse(posted({"receipts": [{"id": "P1.1.2", "status": "hovered"}]}), "acme", CONNECTION, NOW)
    assert found == Parsed()


def test_users_of_the_site_have_an_identity_more() -> None:
    token = issue(Visitor("visitor1", NOW + timedelta(hours=1), "ada@example.org"), "acme-web", SECRETS["signing-key"])
    request = posted({"echo_id": "e1", "text": "x"}, authorization=f"Bearer {token}")
    (found,) = chat.parse(request, "acme", CONNECTION, NOW).messages
    assert [(i.scheme, i.value) for i in found.identities] == [
        ("web_visitor", "visitor1"),
        ("web_user", "acme-web:ada@example.org"),
    ]
    shared = CONNECTION.model_copy(update={"settings": {"users": "customers"}})
    (found,) = chat.parse(request, "acme", shared, NOW).messages
    assert found.identities[1].value == "customers:ada@example.org"


def test_outcomes() -> None:
    assert chat.outcome(200, {}, b"") == Accepted(None)
    assert isinstance(chat.outcome(404, {}, b""), Refused)
    assert isinstance(chat.outcome(413, {}, b""), Refused)
    for status in (302, 408, 429, 500, 502, 503):
        assert isinstance(chat.outcome(status, {}, b""), Retry)
    limited = chat.outcome(429, {"Retry-After": "7"}, b"")
    assert isinstance(limited, Retry)
    assert limited.after_s == 7


@pytest.mark.parametrize(
    "wrong",
    [
        {"allowed_origins": ["https://shop.example/"]},
        {"allowed_origins": ["*"]},
        {"allowed_origins": ["https://Shop.example"]},
        {"token_ttl_s": 30 * 86_400 + 1},
        {"token_ttl": 60},
        {"max_attachment_bytes": 26 * 1024 * 1024},
        {"attachment_types": []},
        {"attachment_types": ["*/*"]},
        {"limits": {"messages": 0}},
        {"users": "My Users"},
    ],
    ids=str,
)
def test_wrong_settings_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        WebChatSettings.model_validate(wrong)


def test_settings_have_safe_defaults() -> None:
    settings = WebChatSettings()
    assert (settings.allowed_origins, settings.token_ttl_s) == ((), 86_400)
    assert settings.max_attachment_bytes == 10 * 1024 * 1024
    assert not any(kind.startswith(("text/html", "image/svg", "text/javascript")) for kind in settings.attachment_types)
