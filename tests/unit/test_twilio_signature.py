"""Twilio's signature: its published vectors, forgeries, and agreement with Twilio's own validator."""

import base64
import hashlib
import hmac
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from m2n.adapters.channel import WebhookRequest
from services.channels.twilio_core.form import pairs
from services.channels.twilio_core.signature import is_genuine, signature

TOKEN = "12345"
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
CALL = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
CALL_SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
JSON = b'{"property": "value", "boolean": true}'
JSON_HASH = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"


def form(url: str, fields: dict[str, str] | list[tuple[str, str]], claimed: str | None) -> WebhookRequest:
    headers = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
    if claimed is not None:
        headers["x-twilio-signature"] = claimed
    return WebhookRequest("POST", url, headers, urlencode(fields).encode())


def json(url: str, body: bytes, claimed: str) -> WebhookRequest:
    headers = {"content-type": "application/json", "x-twilio-signature": claimed}
    return WebhookRequest("POST", url, headers, body)


REPEATED = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")]


@pytest.mark.parametrize(
    "request_",
    [
        form(URL, CALL, CALL_SIGNATURE),
        form("http://mycompany.com:80/myapp.php?foo=1&bar=2", CALL, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        form(URL, REPEATED, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
        json(f"{URL}&bodySHA256={JSON_HASH}", JSON, "a9nBmqA0ju/hNViExpshrM61xv4="),
        json(f"https://mycompany.com/myapp.php?bodySHA256={JSON_HASH}", JSON, "y77kIzt2vzLz71DgmJGsen2scGs="),
    ],
    ids=["form", "port", "repeated", "json", "json-only-parameter"],
)
def test_published_vectors(request_: WebhookRequest) -> None:
    assert is_genuine(request_, TOKEN)


def test_port_may_be_named_or_not() -> None:
    assert is_genuine(form("https://mycompany.com:443/myapp.php?foo=1&bar=2", CALL, CALL_SIGNATURE), TOKEN)
    with_port = signature(TOKEN, "https://mycompany.com:443/x", [(b"A", b"1")])
    assert is_genuine(form("https://mycompany.com/x", {"A": "1"}, with_port), TOKEN)


def test_the_sockets_own_port_may_be_named_too() -> None:
    signed = signature(TOKEN, "wss://mycompany.com:443/relay")
    assert is_genuine(form("wss://mycompany.com/relay", {}, signed), TOKEN)


def test_own_port_stays_signed() -> None:
    signed = signature(TOKEN, "https://mycompany.com:8443/x", [(b"A", b"1")])
    assert is_genuine(form("https://mycompany.com:8443/x", {"A": "1"}, signed), TOKEN)
    assert not is_genuine(form("https://mycompany.com:9443/x", {"A": "1"}, signed), TOKEN)


def test_public_url_takes_the_place_of_the_address_that_the_request_came_to() -> None:
    inner = form("http://10.0.0.7:8000/myapp.php?foo=1&bar=2", CALL, CALL_SIGNATURE)
    assert not is_genuine(inner, TOKEN)
    assert is_genuine(inner, TOKEN, "https://mycompany.com/")


def test_address_is_never_decoded() -> None:
    url = "https://mycompany.com/a%2Fb?ref=s%2E1&x=%C3%A9+%20"
    assert is_genuine(form(url, CALL, signature(TOKEN, url, pairs(urlencode(CALL).encode()))), TOKEN)


def test_fragment_is_not_signed() -> None:
    assert is_genuine(form(f"{URL}#rc=3&rp=all", CALL, CALL_SIGNATURE), TOKEN)


def test_blank_values_are_signed() -> None:
    signed = signature(TOKEN, URL, [(b"Body", b""), (b"To", b"x")])
    assert is_genuine(form(URL, {"Body": "", "To": "x"}, signed), TOKEN)
    assert not is_genuine(form(URL, {"To": "x"}, signed), TOKEN)


def test_empty_form_signs_the_address_alone() -> None:
    assert is_genuine(form(URL, {}, signature(TOKEN, URL)), TOKEN)


@pytest.mark.parametrize(
    "forged",
    [
        form(URL, CALL | {"Digits": "1235"}, CALL_SIGNATURE),
        form(URL, CALL | {"More": ""}, CALL_SIGNATURE),
        form(URL.replace("foo=1", "foo=2"), CALL, CALL_SIGNATURE),
        form(URL, CALL, None),
        form(URL, CALL, ""),
        form(URL, CALL, "é\udcff"),
        form("https://[::1/broken", CALL, CALL_SIGNATURE),
        json(f"{URL}&bodySHA256={JSON_HASH}", JSON + b" ", "a9nBmqA0ju/hNViExpshrM61xv4="),
        json(f"{URL}&bodySHA256={'0' * 64}", JSON, "a9nBmqA0ju/hNViExpshrM61xv4="),
        json(URL, JSON, signature(TOKEN, URL)),
        form(f"{URL}&bodySHA256={JSON_HASH}", {}, "a9nBmqA0ju/hNViExpshrM61xv4="),
        WebhookRequest("POST", URL, {}, b"\xff\xfe%zz=%"),
    ],
    ids=[
        "changed", "added", "address", "no-header", "empty-header", "no-base64", "broken-address",
        "altered-json", "wrong-hash", "json-without-hash", "json-taken-for-form", "undecodable",
    ],
)  # fmt: skip
def test_forgeries_are_false_and_never_an_exception(forged: WebhookRequest) -> None:
    assert not is_genuine(forged, TOKEN)


def test_wrong_or_unset_token() -> None:
    assert not is_genuine(form(URL, CALL, CALL_SIGNATURE), "12346")
    empty_key = base64.b64encode(hmac.new(b"", URL.encode(), hashlib.sha1).digest()).decode()
    assert not is_genuine(form(URL, {}, empty_key), "")


def test_bytes_that_are_no_text_are_signed_as_they_are() -> None:
    body = b"Body=%FF%FEcaf\xe9&To=x"
    signed = signature(TOKEN, URL, [(b"Body", b"\xff\xfecaf\xe9"), (b"To", b"x")])
    headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signed}
    assert is_genuine(WebhookRequest("POST", URL, headers, body), TOKEN)
    assert not is_genuine(WebhookRequest("POST", URL, headers, body.replace(b"%FE", b"%FD")), TOKEN)


class ManyValued(dict[str, list[str]]):
    """A form as Twilio's validator reads it."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
forms = st.lists(st.tuples(words.filter(bool), words), min_size=1, max_size=12)
addresses = st.sampled_from(
    ["https://a.example/x", "http://a.example:8080/x?ref=1.2", "https://a.example:443/", "http://127.0.0.1:9/x?a=%2F"]
)


@given(forms, addresses, words)
def test_agrees_with_twilios_validator(fields: list[tuple[str, str]], url: str, token: str) -> None:
    many = ManyValued()
    for name, value in fields:
        many.setdefault(name, []).append(value)
    validator = RequestValidator(token)
    theirs = validator.compute_signature(url, many)
    ours = signature(token, url, pairs(urlencode(fields).encode()))
    assert ours == theirs
    assert validator.validate(url, many, ours)
    assert is_genuine(form(url, fields, theirs), token) == bool(token)
