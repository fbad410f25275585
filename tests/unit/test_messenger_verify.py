"""Who may post to a Messenger connection: the signature, and the handshake."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from m2n.adapters.channel import Acknowledgement, MalformedWebhook, Parsed, WebhookRequest
from m2n.tenant import Connection, ConnectionKind
from services.channels.messenger.adapter import channel

PAGE = "100200300400500"
CONNECTION = Connection(
    id="acme-messenger", kind=ConnectionKind.CHANNEL, adapter="messenger", settings={"page_id": PAGE}
)
SECRETS = {"app-secret": "test-app-secret", "verify-token": "token-of-ours", "page-token": "EAAinvented"}
URL = "https://hooks.example/webhooks/messenger/acme-messenger"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
BODY = (
    b'{"object":"whatsapp_business_account","entry":[{"id":"1000","changes":[{"field":"messages","value":{'
    b'"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550100001","phone_number_id":"2000"},'
    b'"contacts":[{"profile":{"name":"Test User"},"wa_id":"15550100002"}],"messages":[{"from":"15550100002",'
    b'"id":"wamid.TEST1","timestamp":"1700000000","type":"text","text":{"body":"caf\\u00e9 \\ud83d\\udc4d"}}]}}]}]}'
)
"""A body as Meta signs it, of any product: the signature is the same for all."""
SIGNATURE = "sha256=7656dfcecd96e64127fb2d5d930f15e1924fb53328ccca86a316b8bc0c8f3151"


def verified(body: bytes, headers: dict[str, str], **secrets: str) -> bool:
    return channel.verify(WebhookRequest("POST", URL, headers, body), CONNECTION, SECRETS | secrets)


def test_vector() -> None:
    assert verified(BODY, {"x-hub-signature-256": SIGNATURE})
    github = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    secret = {"app-secret": "It's a Secret to Everybody"}
    assert verified(b"Hello, World!", {"x-hub-signature-256": github}, **secret)


def test_body_that_was_read_and_written_again_is_refused() -> None:
    again = json.dumps(json.loads(BODY), ensure_ascii=False, separators=(",", ":")).encode()
    assert json.loads(again) == json.loads(BODY)
    assert not verified(again, {"x-hub-signature-256": SIGNATURE})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hub-signature-256": ""},
        {"x-hub-signature-256": SIGNATURE.removeprefix("sha256=")},
        {"x-hub-signature-256": SIGNATURE[:-1] + "0"},
        {"x-hub-signature-256": "\xff\xe9"},
        {"x-hub-signature": SIGNATURE},
    ],
)
def test_proof_that_is_missing_or_wrong(headers: dict[str, str]) -> None:
    assert not verified(BODY, headers)


@pytest.mark.parametrize("secret", ["", "another", "token-of-ours"])
def test_other_secrets_open_nothing(secret: str) -> None:
    assert not verified(BODY, {"x-hub-signature-256": SIGNATURE}, **{"app-secret": secret})


def handshake(**asked: str) -> WebhookRequest:
    values = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "token-of-ours"}
    query = urlencode({**values, **{name.replace("_", ".", 1): value for name, value in asked.items()}})
    return WebhookRequest("GET", f"{URL}?{query}", {}, b"")


def test_handshake_is_answered_with_its_challenge() -> None:
    request = handshake()
    assert channel.verify(request, CONNECTION, SECRETS)
    found = channel.parse(request, "acme", CONNECTION, NOW)
    assert found == Parsed(answer=Acknowledgement("1158201444"))


@pytest.mark.parametrize("asked", [{"hub_verify_token": "x"}, {"hub_verify_token": ""}, {"hub_mode": "unsubscribe"}])
def test_other_handshakes_are_refused(asked: dict[str, str]) -> None:
    assert not channel.verify(handshake(**asked), CONNECTION, SECRETS)


def test_no_verify_token_opens_nothing() -> None:
    assert not channel.verify(handshake(hub_verify_token=""), CONNECTION, SECRETS | {"verify-token": ""})


def test_get_with_a_good_signature_is_no_handshake() -> None:
    request: Any = WebhookRequest("GET", URL, {"x-hub-signature-256": SIGNATURE}, BODY)
    assert not channel.verify(request, CONNECTION, SECRETS)
    with pytest.raises(MalformedWebhook, match=r"hub\.challenge"):
        channel.parse(request, "acme", CONNECTION, NOW)
