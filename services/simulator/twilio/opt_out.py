"""What Twilio does by itself when a customer writes STOP, START or HELP."""

from services.simulator.ledger import Kind
from services.simulator.state import State
from services.simulator.twilio.message import new_sid
from services.simulator.twilio.numbers import Number
from services.simulator.twilio.vendor import AdvancedOptOut, vendor_of
from services.simulator.vendors import facts

STOPPED = "You have successfully been unsubscribed. You will not receive any more messages. Reply START to resubscribe."
STARTED = "You have successfully been re-subscribed to messages from this number. Reply STOP to unsubscribe."
HELPED = "Reply STOP to unsubscribe. Msg&Data Rates May Apply."
_USUAL = AdvancedOptOut()


def word_of(state: State, number: Number, body: str) -> str | None:
    """STOP, START or HELP when the whole body is one of the words that count at that number."""
    words, said = _advanced(state, number) or _USUAL, body.strip().casefold()
    meant = {"STOP": words.stop, "START": words.start, "HELP": words.help}
    return next((name for name, those in meant.items() if said in map(str.casefold, those)), None)


def webhook_fields(state: State, number: Number, body: str) -> dict[str, str]:
    """``OptOutType``, with which only Advanced Opt-Out tells what a message was taken for."""
    word = word_of(state, number, body) if _advanced(state, number) else None
    return {"OptOutType": word} if word else {}


def mind(state: State, number: Number, customer: str, body: str) -> None:
    """STOP blocks the customer and START opens again; Twilio answers both itself, and HELP."""
    word, pair = word_of(state, number, body), (number.group, customer)
    if word == "STOP" and pair not in state.opted_out:
        state.opted_out.add(pair)
        _answer(state, number, customer, STOPPED)
    elif word == "START" and pair in state.opted_out:
        state.opted_out.discard(pair)
        _answer(state, number, customer, STARTED)
    elif word == "HELP":
        _answer(state, number, customer, HELPED)


def _advanced(state: State, number: Number) -> AdvancedOptOut | None:
    service = vendor_of(state).services.get(number.service or "")
    return service.advanced_opt_out if service else None


def _answer(state: State, number: Number, customer: str, body: str) -> None:
    sid = new_sid("SM")
    shown = facts(number.line, sid, text=body, by="twilio")
    state.ledger.add(
        Kind.OUTBOUND, customer.removeprefix("whatsapp:"), **shown, sid=sid, sender=number.address, body=body
    )
