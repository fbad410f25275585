"""What Telegram's answers mean, and how a customer's media are fetched."""

from typing import Any

import orjson
import pytest

from m2n.adapters.channel import Accepted, CallOutcome, MediaCall, NoMedia, Refused, Retry, Uncertain
from m2n.certify.certificate import Answer
from m2n.message import Media, OptedOut
from m2n.tenant import Connection, ConnectionKind
from services.channels.telegram.adapter import channel
from services.channels.telegram.certification import certificate
from services.channels.telegram.errors import MEANINGS
from services.channels.telegram.settings import BOT_TOKEN

TOKEN = certificate.secrets[BOT_TOKEN]
BASE = "http://127.0.0.1:9000/telegram"
CONNECTION = Connection(
    id="acme-telegram", kind=ConnectionKind.CHANNEL, adapter="telegram", settings={"base_url": BASE + "/"}
)
WORDS = "Bad Request: can't parse entities in 'my secret words'"


def answered(status: int, words: str, headers: dict[str, str] | None = None, **more: Any) -> CallOutcome:
    body = {"ok": False, "error_code": status, "description": words} | more
    return channel.outcome(status, headers or {}, orjson.dumps(body))


@pytest.mark.parametrize("answer", certificate.answers, ids=lambda answer: answer.what)
def test_every_answer_of_the_certificate_means_what_it_says(answer: Answer) -> None:
    assert type(channel.outcome(answer.status, answer.headers, answer.body)) is answer.means


def test_a_message_is_named_by_chat_and_number() -> None:
    body = {"ok": True, "result": {"message_id": 8, "chat": {"id": -42, "type": "private"}, "text": "Hi"}}
    assert channel.outcome(200, {}, orjson.dumps(body)) == Accepted("-42:8")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"ok":false}', b'{"ok":null}', b"<html>"])
def test_a_success_that_does_not_say_so_is_uncertain(body: bytes) -> None:
    assert isinstance(channel.outcome(200, {}, body), Uncertain)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failure_of_the_vendors_own_is_uncertain(status: int) -> None:
    assert isinstance(answered(status, "Internal Server Error"), Uncertain)


@pytest.mark.parametrize("meaning", MEANINGS, ids=lambda meaning: meaning.words)
def test_every_known_refusal_has_our_words(meaning: Any) -> None:
    outcome = answered(400, f"Bad Request: {meaning.words.upper()}")
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.error.reason) == ("400", meaning.reason)


def test_only_a_block_is_an_opt_out() -> None:
    blocked = answered(403, "Forbidden: bot was blocked by the user")
    gone = answered(403, "Forbidden: user is deactivated")
    stranger = answered(403, "Forbidden: bot can't initiate conversation with a user")
    opted = [outcome.opted_out for outcome in (blocked, gone, stranger) if isinstance(outcome, Refused)]
    assert opted == [OptedOut.ALL, None, None]


def test_a_group_that_moved_is_refused_with_the_reason() -> None:
    outcome = answered(400, "Bad Request: anything", parameters={"migrate_to_chat_id": -1009000001})
    assert isinstance(outcome, Refused)
    assert "group" in outcome.error.reason


def test_unknown_words_of_the_vendor_are_not_passed_on() -> None:
    outcome = answered(400, WORDS)
    assert isinstance(outcome, Refused)
    assert "secret" not in repr(outcome)


def test_an_edit_that_is_in_effect_already_was_taken() -> None:
    words = "Bad Request: message is not modified: specified new message content and reply markup are exactly the same"
    assert answered(400, words) == Accepted(None)


@pytest.mark.parametrize(
    ("parameters", "header", "seconds"),
    [
        ({"retry_after": 7}, "3", 7.0),
        ({"retry_after": 0}, "", 0.0),
        ({}, "3", 3.0),
        ({}, "soon", None),
        ({}, "-1", None),
        ({}, "inf", None),
        ({"retry_after": -1}, "", None),
        ({"retry_after": "soon"}, "", None),
    ],
)
def test_a_flood_waits_as_long_as_the_vendor_says(
    parameters: dict[str, Any], header: str, seconds: float | None
) -> None:
    outcome = answered(429, "Too Many Requests", {"Retry-After": header}, parameters=parameters)
    assert isinstance(outcome, Retry)
    assert (outcome.after_s, outcome.whole_connection) == (seconds, False)


def located(answer: Any) -> MediaCall:
    call = channel.media_call(Media(vendor_id="AgAC&1/ä"), CONNECTION, certificate.secrets)
    assert call.then
    return call.then(answer if isinstance(answer, bytes) else orjson.dumps(answer))


def test_media_are_asked_for_and_then_fetched() -> None:
    call = channel.media_call(Media(vendor_id="AgAC&1/ä"), CONNECTION, certificate.secrets)
    assert call.url == f"{BASE}/bot{TOKEN}/getFile?file_id=AgAC%261%2F%C3%A4"
    found = located({"ok": True, "result": {"file_id": "x", "file_path": "photos/file_1.jpg", "file_size": 3}})
    assert (found.url, found.then) == (f"{BASE}/file/bot{TOKEN}/photos/file_1.jpg", None)


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"<html>", {"ok": False, "description": "Bad Request: file is too big"}, {"ok": True, "result": {}},
        *({"result": {"file_path": path}} for path in (
            "/var/lib/telegram/x", "../x", "a/../b", "https://evil.example/x", "//evil.example/x", "a//b", "a?b", "a#b",
            "a%2e%2e/b", "", "a\\b", "a\nb", "@evil.example/x",
        )),
    ],
    ids=str,
)  # fmt: skip
def test_an_answer_that_leads_elsewhere_is_no_media_and_shows_no_token(answer: Any) -> None:
    with pytest.raises(NoMedia) as refused:
        located(answer)
    assert TOKEN not in str(refused.value)


def test_media_without_telegrams_id_cannot_be_fetched() -> None:
    with pytest.raises(NoMedia, match="vendor_id"):
        channel.media_call(Media(url="https://cdn.example/a.jpg"), CONNECTION, certificate.secrets)
