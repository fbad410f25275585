"""The peers' side of the bench: what they check and say, and how their runs are read."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from bench.checked_run import run_of
from bench.peers.apps import twilio_whatsapp
from bench.peers.apps.twilio_whatsapp import Settings, genuine_form, signature_of
from bench.peers.judged import Outcome, outcome_of
from bench.peers.promises import QUICK, quick
from bench.turns import turns_of
from bench.warmed_plan import WarmedPlan
from tests.faults.checked_records import Records, records_of
from tests.faults.customers import Customer, Line
from tests.faults.echo import adapter

SETTINGS = Settings(
    port=1,
    public_url="http://peer",
    vendor="http://vendor",
    token="secret",
    redis_url="",
    stream="s",
    claim_after_ms=0,
)
PATH = "/webhooks/whatsapp_twilio/acme-wa"
FORM = {"MessageSid": "SM1", "Body": "acme c1 1 שלום & <b>", "To": "whatsapp:+1", "Empty": ""}
SECOND = 1_000_000_000


# -- the peers' own programs ---------------------------------------------------------------------------------------


def test_a_webhook_that_the_vendor_signed_is_genuine() -> None:
    signed = RequestValidator("secret").compute_signature("http://peer" + PATH, FORM)
    assert genuine_form(SETTINGS, PATH, urlencode(FORM).encode(), signed) == FORM


@pytest.mark.parametrize(
    ("token", "path", "form"),
    [
        ("other", PATH, FORM),
        ("secret", PATH + "x", FORM),
        ("secret", PATH, FORM | {"Body": "acme c1 2"}),
        ("secret", PATH, FORM | {"More": "1"}),
    ],
)
def test_a_webhook_that_is_signed_otherwise_is_not(token: str, path: str, form: dict[str, str]) -> None:
    signed = signature_of(token, "http://peer" + path, form)
    assert genuine_form(SETTINGS, PATH, urlencode(FORM).encode(), signed) is None


@pytest.mark.parametrize("signature", ["", "ü"])
def test_no_signature_is_none(signature: str) -> None:
    assert genuine_form(SETTINGS, PATH, urlencode(FORM).encode(), signature) is None


@pytest.mark.parametrize("text", ["acme c1 12", "acme c1 12 some\nwords", "hello", "acme c1 12x", ""])
def test_peers_answer_what_the_echo_engine_answers(text: str) -> None:
    assert twilio_whatsapp.answer_text(text) == adapter.answer_text([text])


# -- their runs ----------------------------------------------------------------------------------------------------


def records(accepted: Iterable[int], answered: Iterable[int | str]) -> Records:
    """A run of one customer's, with answers to these messages in this order, or with these texts."""
    customer = {"tenant": "acme", "label": "c1", "sender": "whatsapp:+1556", "customer": "+1555", "posted": 0}
    run = {"seed": 1, "finished": True, "customers": [customer]}
    written = [_written(serial) for serial in accepted]
    bodies = [f"bot acme c1: {each}" if isinstance(each, int) else each for each in answered]
    ledger = [_taken(n, body) for n, body in enumerate(bodies, start=1)]
    return records_of(run, written, ledger, (), ())


def _written(serial: int) -> Mapping[str, Any]:
    where = {"what": "accepted", "tenant": "acme", "label": "c1", "serial": serial, "sid": f"SM{serial}"}
    return where | {"planned_ns": serial * SECOND, "accepted_ns": serial * SECOND + 1, "statuses": [200]}


def _taken(n: int, body: str) -> Mapping[str, Any]:
    """No peer gives an address for statuses."""
    known = {"sender": "whatsapp:+1556", "customer": "+1555", "callback": None}
    return known | {"n": n, "at_ns": n * SECOND + SECOND // 10, "kind": "outbound", "sid": f"SMx{n}", "body": body}


@pytest.mark.parametrize(
    ("answered", "found"),
    [
        ((1, 2, 3), Outcome(3, 0, 0, 0, 0, 0)),
        ((1, 3), Outcome(3, 0, 1, 0, 0, 0)),
        ((1, 2, 2, 3), Outcome(3, 0, 0, 1, 0, 0)),
        ((3, 1, 2), Outcome(3, 0, 0, 0, 2, 1)),
        ((1, 2, 3, "what?"), Outcome(3, 0, 0, 0, 0, 0, ("what?",))),
    ],
)
def test_what_the_checker_found_is_counted(answered: tuple[int | str, ...], found: Outcome) -> None:
    assert outcome_of(records((1, 2, 3), answered)) == found


def test_an_answer_to_nobody_is_not_taken_for_a_missing_reference() -> None:
    assert "acme c1 message 4" in outcome_of(records((1,), (1, 4))).other[0]


def test_an_answer_to_somebody_else_is_found() -> None:
    outcome = outcome_of(records((1,), (1, "bot beta c2: 1")))
    assert any(finding.startswith("crossed") for finding in outcome.other)


def test_a_peers_run_is_read_as_m2ns_is() -> None:
    """Its answers have no place in a session."""
    wanted = WarmedPlan(1, customers=1, messages=3, warm_rate_per_s=2)
    turns = turns_of(wanted, run_of(wanted, records((1, 2, 3), (1, 2, 3)), 0, {"echo_bot": 0.01}))
    assert [round(each) for each in turns.reply_ms] == [100, 100, 100]
    assert turns.replies_a_message == 1
    assert turns.all_cpu_ms == pytest.approx(10 / 3)


def test_quick_messages_of_a_customer_come_in_the_order_of_their_numbers() -> None:
    line = Line("acme", "whatsapp_twilio", "acme-wa", "AC1", "whatsapp:+1556", "secret")
    messages = sorted(quick([Customer(line, "c1", "+1555"), Customer(line, "c2", "+1556")]), key=lambda each: each.at_s)
    for label in ("c1", "c2"):
        serials = [each.serial for each in messages if each.customer.label == label]
        assert serials == list(range(1, QUICK + 1))
