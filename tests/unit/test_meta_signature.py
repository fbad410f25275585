"""Meta's proof of origin, handshake and Graph errors, with published and computed vectors."""

import hashlib
import hmac
import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2n.adapters.channel import Acknowledgement, MalformedWebhook, WebhookRequest
from services.channels.meta_core.graph import GraphError, appsecret_proof, read_error, retry_after
from services.channels.meta_core.handshake import challenge, is_genuine_handshake, is_handshake
from services.channels.meta_core.signature import HEADER, is_genuine, signature

URL = "https://hooks.example/webhooks/whatsapp_cloud/acme-whatsapp-cloud"
SECRET = "test-app-secret"
BODY = (
    rb'{"object":"whatsapp_business_account","entry":[{"id":"1000","changes":[{"field":"messages","value":'
    rb'{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550100001","phone_number_id":"2000"},'
    rb'"contacts":[{"profile":{"name":"Test User"},"wa_id":"15550100002"}],"messages":[{"from":"15550100002",'
    rb'"id":"wamid.TEST1","timestamp":"1700000000","type":"text","text":{"body":"caf\u00e9 \ud83d\udc4d"}}]}}]}]}'
)
SIGNED = "sha256=7656dfcecd96e64127fb2d5d930f15e1924fb53328ccca86a316b8bc0c8f3151"
RESERIALISED = "sha256=79135746ac5a8c6003a17fc0b33f01545d2621b0f55d82364364820c36b246fd"


def request(body: bytes = BODY, claimed: str | None = SIGNED) -> WebhookRequest:
    headers = {} if claimed is None else {HEADER: claimed}
    return WebhookRequest("POST", URL, headers, body)


def test_published_vector() -> None:
    expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signature("It's a Secret to Everybody", b"Hello, World!") == expected
    assert is_genuine(request(b"Hello, World!", expected), "It's a Secret to Everybody")


def test_body_with_escapes_as_meta_sends_it() -> None:
    assert len(BODY) == 414
    assert is_genuine(request(), SECRET)


def test_reserialised_body_is_another_body() -> None:
    again = json.dumps(json.loads(BODY), ensure_ascii=False, separators=(",", ":")).encode()
    assert (len(again), signature(SECRET, again)) == (402, RESERIALISED)
    assert not is_genuine(request(again, SIGNED), SECRET)
    assert is_genuine(request(again, RESERIALISED), SECRET)


@pytest.mark.parametrize(
    "claimed",
    [
        None,
        "",
        SIGNED.removeprefix("sha256="),
        SIGNED.upper(),
        SIGNED[:-1],
        SIGNED + "0",
        f"{SIGNED} ",
        "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest(),
        "sha256=",
        "\xff\ud800",
    ],
)
def test_anything_else_in_the_header_is_refused(claimed: str | None) -> None:
    assert not is_genuine(request(claimed=claimed), SECRET)


def test_old_header_alone_proves_nothing() -> None:
    old = {"x-hub-signature": "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()}
    assert not is_genuine(WebhookRequest("POST", URL, old, BODY), SECRET)


def test_nothing_is_genuine_without_a_secret() -> None:
    with_empty_key = request(claimed=signature("", BODY))
    assert not is_genuine(with_empty_key, "")


@given(st.binary(max_size=200), st.integers(min_value=0))
def test_one_flipped_bit_is_noticed(body: bytes, where: int) -> None:
    good = request(body, signature(SECRET, body))
    assert is_genuine(good, SECRET)
    if body:
        bit = where % (len(body) * 8)
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not is_genuine(replace(good, body=bytes(flipped)), SECRET)


def handshake(**changes: str | None) -> WebhookRequest:
    asked: dict[str, str | None] = {
        "hub.mode": "subscribe",
        "hub.challenge": "1158201444",
        "hub.verify_token": "let me & in=1 é",
    }
    query = urlencode({name: value for name, value in (asked | changes).items() if value is not None})
    return WebhookRequest("GET", f"{URL}?{query}", {}, b"")


TOKEN = "let me & in=1 é"


def test_handshake_answers_the_challenge_verbatim() -> None:
    asked = handshake()
    assert is_handshake(asked)
    assert is_genuine_handshake(asked, TOKEN)
    assert challenge(asked) == Acknowledgement(body="1158201444", media_type="text/plain", status=200)


def test_webhooks_are_no_handshakes() -> None:
    assert not is_handshake(request())


@pytest.mark.parametrize(
    ("changes", "token"),
    [
        ({"hub.mode": "unsubscribe"}, TOKEN),
        ({"hub.mode": None}, TOKEN),
        ({"hub.verify_token": "another"}, TOKEN),
        ({"hub.verify_token": None}, TOKEN),
        ({"hub.verify_token": ""}, ""),
        ({}, ""),
    ],
)
def test_handshakes_that_are_refused(changes: dict[str, str | None], token: str) -> None:
    assert not is_genuine_handshake(handshake(**changes), token)


def test_first_of_a_repeated_parameter_counts() -> None:
    asked = handshake(**{"hub.verify_token": "wrong"})
    twice = replace(asked, url=f"{asked.url}&{urlencode({'hub.verify_token': TOKEN})}")
    assert not is_genuine_handshake(twice, TOKEN)


@pytest.mark.parametrize("wanted", [None, ""])
def test_handshake_without_a_challenge_is_malformed(wanted: str | None) -> None:
    with pytest.raises(MalformedWebhook, match=r"^hub\.challenge: expected a value"):
        challenge(handshake(**{"hub.challenge": wanted}))


def test_odd_bytes_in_the_address_are_survived() -> None:
    odd = WebhookRequest("GET", f"{URL}?hub.verify_token=%ff%ed%a0%80&hub.challenge=\xff&&=&x", {}, b"")
    assert not is_genuine_handshake(odd, TOKEN)
    assert challenge(odd).body == "\xff"


def test_error_with_all_that_meta_says() -> None:
    body = {
        "error": {
            "message": "(#131056) Pair rate",
            "type": "OAuthException",
            "code": 131056,
            "error_subcode": 2494055,
            "error_data": {"messaging_product": "whatsapp", "details": "Too many messages"},
            "fbtrace_id": "Ainvented",
        }
    }
    expected = GraphError(131056, 2494055, "(#131056) Pair rate", "Too many messages")
    assert read_error(json.dumps(body).encode()) == expected


def test_error_data_may_be_a_text_or_missing() -> None:
    assert read_error(b'{"error":{"code":1,"error_data":"why"}}') == GraphError(1, None, "", "why")
    assert read_error(b'{"error":{"code":2}}') == GraphError(2, None, "", "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b"[]",
        b'{"error":"no"}',
        b'{"error":{"message":"no code"}}',
        b'{"error":' * 50_000,
        b'{"error":{"code":1e999}}',
    ],
)
def test_what_is_no_error(body: bytes) -> None:
    assert read_error(body) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"x-business-use-case-usage": '{"1000":[{"estimated_time_to_regain_access":2}]}'}, 120.0),
        ({"X-Business-Use-Case-Usage": '{"1000":[{"call_count":5}]}'}, None),
        ({"x-business-use-case-usage": "no JSON"}, None),
        ({"retry-after": "3", "x-business-use-case-usage": '{"1":[{"estimated_time_to_regain_access":9}]}'}, 3.0),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_proof_of_the_app_secret() -> None:
    expected = hmac.new(b"app", b"token", hashlib.sha256).hexdigest()
    assert appsecret_proof("app", "token") == expected
