"""How the kit breaks bodies, alters proofs and reads calls."""

import json
from typing import Any

import pytest

from m2n.adapters.capabilities import Capabilities, Choices
from m2n.adapters.channel import VendorCall
from m2n.certify.altering import altered, flipped, of_another, wrong
from m2n.certify.calls import problem, shape, shown_in
from m2n.certify.payloads import as_form, broken, dumped, elements_with, replaced, truncated, with_new_fields, without
from m2n.certify.render_cases import texts, words
from m2n.message import TextContent

TREE: dict[str, Any] = {"events": [{"id": "a", "text": "one"}, {"id": "b", "text": "two"}], "n": 1}


def test_broken_json_has_each_value_wrong_missing_and_twice() -> None:
    found = {variant.what: variant.body for variant in broken(dumped({"a": {"b": "c"}}))}
    assert found["a.b is null"] == b'{"a":{"b":null}}'
    assert found["a.b missing"] == b'{"a":{}}'
    assert found["a.b twice"] == b'{"a":{"b":"c","b":7}}'
    assert found["a is []"] == b'{"a":[]}'
    assert found["a.b is 1e999"] == b'{"a":{"b":1e999}}'
    assert found["a.b is a lone surrogate"] == b'{"a":{"b":"\\ud800"}}'
    assert found["a.b is a number of 5,000 digits"] == b'{"a":{"b":' + b"9" * 5_000 + b"}}"
    assert found["only the first 5 bytes"] == b'{"a":'


def test_broken_form_has_each_field_wrong_missing_and_twice() -> None:
    found = {variant.what: as_form(variant.body) for variant in broken(b"To=x&Body=hi+there")}
    assert found["To missing"] == [("Body", "hi there")]
    assert found["To twice"] == [("To", "x"), ("Body", "hi there"), ("To", "x")]
    assert found["Body is ''"] == [("To", "x"), ("Body", "")]


def test_the_good_body_is_never_among_the_broken() -> None:
    for body in (dumped(TREE), b"To=me&Body=hi"):
        assert body not in {variant.body for variant in broken(body)}
        assert body not in {variant.body for variant in truncated(body)}


def test_trees_are_copied() -> None:
    before = json.dumps(TREE)
    assert replaced(TREE, ("events", 1, "id"), 7)["events"][1]["id"] == 7
    assert "n" not in without(TREE, ("n",))
    assert with_new_fields(TREE)["events"][0].keys() > TREE["events"][0].keys()
    assert json.dumps(TREE) == before


def test_the_element_of_one_message() -> None:
    assert elements_with(TREE, "two", ("one",)) == ("events", 1)
    assert elements_with(TREE, "three", ("one",)) is None


def test_one_bit_is_changed_at_a_time() -> None:
    assert [*flipped(b"ab")] == [b"`b", b"ac"]
    assert all(sum(a != b for a, b in zip(one, "abcdef", strict=True)) == 1 for one in altered("abcdef"))
    assert len([*flipped(b"x" * 1_000)]) == 96


@pytest.mark.parametrize("secret", ["abc-123", "6000001:AAx", "-", "ünïcode"])
def test_forgers_secrets_differ_and_keep_their_shape(secret: str) -> None:
    assert wrong({"key": secret})["key"] != secret
    assert len(of_another({"key": secret})["key"]) == len(secret)


@pytest.mark.parametrize("room", [1, 5, 6, 7, 8, 13, 160, 1000, 1001, 1600, 4096])
def test_words_take_exactly_their_room(room: int) -> None:
    assert len(" ".join(words(room))) == room
    assert len(set(words(room))) == len(words(room))


def test_texts_are_at_the_limit_and_over_it() -> None:
    lengths = {
        case.what: len(case.content.text)
        for case in texts(Capabilities(text=160))
        if isinstance(case.content, TextContent)
    }
    assert lengths["a text exactly at the limit"] == 160
    assert lengths["a text one over the limit"] == 161
    assert Choices(most=1, title=1).text > 0


def test_what_a_customer_will_see_of_calls() -> None:
    form = VendorCall("POST", "https://v.example/send?q=a%20b", form=(("Body", "hi"), ("More", '{"x":["y",7]}')))
    body = VendorCall("POST", "https://v.example/send", json=b'{"text":"hi","nested":"{\\"z\\":1.5}"}')
    assert shown_in([form, body]) == (("a b", "hi", "y", "7"), ("hi", "1.5"))


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        (VendorCall("POST", "https://api.example/v1/x"), None),
        (VendorCall("POST", "https://api.example/v1"), None),
        (VendorCall("POST", "/internal/x", app_id="webhooks"), None),
        (VendorCall("POST", "https://api.example/v10/x"), "not below"),
        (VendorCall("POST", "https://api.example.evil.example/v1/x"), "not below"),
        (VendorCall("POST", "/v1/x"), "not below"),
        (VendorCall("POST", "https://api.example/v1/a b"), "quoted"),
        (VendorCall("POST", "https://api.example/v1/é"), "quoted"),
        (VendorCall("POST", "https://api.example/v1/a#b"), "fragment"),
        (VendorCall("SEND", "https://api.example/v1/x"), "method"),
        (VendorCall("POST", "https://api.example/v1/x", form=(), json=b"{}"), "at once"),
        (VendorCall("POST", "https://api.example/v1/x", json=b"{"), "no JSON"),
        (VendorCall("POST", "https://api.example/v1/x", headers={"a": "b\r\nc: d"}), "line breaks"),
        (VendorCall("POST", "internal", app_id="webhooks"), "begin with /"),
        ("https://api.example/v1/x", "no VendorCall"),
    ],
)
def test_problems_of_calls(call: Any, wrong: str | None) -> None:
    found = problem(call, ("https://api.example/v1",))
    assert found is None if wrong is None else found is not None and wrong in found


def test_the_shape_of_an_address() -> None:
    usual = shape(VendorCall("POST", "https://v.example/send/42?x=1"))
    assert shape(VendorCall("POST", "https://v.example/send/a%2Fb?x=2")) == usual
    for other in (
        "https://v.example/send/a/b?x=1",
        "https://v.example/send/a?b=c?x=1",
        "https://v.example/send/a#b?x=1",
    ):
        assert shape(VendorCall("POST", other)) != usual
