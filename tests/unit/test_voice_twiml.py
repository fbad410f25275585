"""The TwiML that is answered, against Twilio's own builder and the stand-in's strict reader."""

from typing import Any
from xml.etree.ElementTree import Element, fromstring

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.voice_response import Connect, Dial, Enqueue, Gather, VoiceResponse

from m2n.events import HandoverReason
from m2n.message import Author
from services.channels.voice import twiml
from services.channels.voice.script import Script, generic_apology
from services.channels.voice.settings import VoiceSettings
from services.channels.voice.steps import Step
from services.channels.voice.twiml import Tongue
from services.handover.phone.transfer import HandedOver, ToldLine, Transfer, TransferContext
from services.simulator.voice.grammar import read
from tests.unit.builders import NOON

BASE = "https://m2n.example/voice/acme-voice"


def script(**settings: Any) -> Script:
    values = {"account_sid": "AC" + "0" * 32, "number": "+15550100001"} | settings
    return Script(VoiceSettings.model_validate(values), "https://m2n.example", "acme-voice", "Acme")


def shape(element: Element) -> tuple[Any, ...]:
    return element.tag, dict(element.attrib), (element.text or "").strip(), [shape(child) for child in element]


def same(ours: str, theirs: VoiceResponse) -> None:
    assert shape(fromstring(ours)) == shape(fromstring(str(theirs)))
    assert read(ours) is not None


def listening(response: VoiceResponse, *said: str, turn: str, **changes: Any) -> VoiceResponse:
    options: dict[str, Any] = {
        "input": "dtmf speech",
        "action": f"{BASE}/turn?{turn}",
        "method": "POST",
        "timeout": "6",
        "speech_timeout": "auto",
        "language": "en-US",
        "action_on_empty_result": "true",
    }
    gather = Gather(**options | changes)
    for text in said:
        gather.say(text, language="en-US")
    response.append(gather)
    return response


def transfer(**changes: Any) -> Transfer:
    session = HandedOver(tenant="acme", profile_id="P1", session_id="P1.1", epoch=2)
    lines = (ToldLine(author=Author.CUSTOMER, text="I lost <my> bike"), ToldLine(author=Author.BOT, text="Oh."))
    context = TransferContext(reason=HandoverReason.ASKED, language="en", intent="lost", lines=lines)
    values = {"id": "P1.1:2", "context": context, "session": session, "asked_at": NOON} | changes
    return Transfer.model_validate(values)


def test_a_call_begins_with_the_greeting_and_listening() -> None:
    same(script().begin(), listening(VoiceResponse(), "Hello. How can I help you?", turn="turn=1"))


def test_messages_are_said_in_order_and_the_caller_may_break_in() -> None:
    same(
        script().listen(Step(4, silences=2), ["First & <foremost>", "Second."], "en"),
        listening(VoiceResponse(), "First & <foremost>.", "Second.", turn="turn=4&silences=2"),
    )


def test_choices_are_keys_and_one_key_is_enough() -> None:
    same(
        script(hints=["bike", "tyre, tube"]).listen(Step(2), ["Pick:\n\n1. Bikes\n2. Tyres"], "en"),
        listening(
            VoiceResponse(),
            "Pick: For Bikes, press 1. For Tyres, press 2.",
            turn="turn=2",
            num_digits="1",
            hints="bike,tyre  tube",
        ),
    )
    ten = "Pick:\n\n" + "\n".join(f"{number}. Thing" for number in range(1, 11))
    assert "numDigits" not in script().listen(Step(2), [ten], "en")


def test_a_language_has_its_code_and_voice_and_stays_in_the_addresses() -> None:
    spoken = script(languages={"de": {"code": "de-AT", "voice": "Polly.Vicki", "speech_model": "phone_call"}})
    response = VoiceResponse()
    gather = Gather(
        input="dtmf speech",
        action=f"{BASE}/turn?turn=2&lang=de",
        method="POST",
        timeout="6",
        speech_timeout="auto",
        language="de-AT",
        action_on_empty_result="true",
        speech_model="phone_call",
    )
    gather.say("Hallo.", language="de-AT", voice="Polly.Vicki")
    response.append(gather)
    same(spoken.listen(Step(2), ["Hallo"], "de"), response)


def test_waiting_goes_on_without_listening() -> None:
    response = VoiceResponse()
    response.say("One moment, please.", language="en-US")
    response.redirect(f"{BASE}/wait?turn=1&look=1", method="POST")
    one = script()
    same(one.say_and_look(Step(1, 1), (), "en", one.own("one_moment", "en")), response)
    quiet = VoiceResponse()
    quiet.pause(length="1")
    quiet.redirect(f"{BASE}/wait?turn=1&look=2", method="POST")
    same(one.say_and_look(Step(1, 2), (), "en"), quiet)


def test_a_number_is_dialled_with_a_whisper() -> None:
    target = {"kind": "dial", "number": "+15550100009", "ring_s": 20, "caller_id": "+15550100001"}
    response = VoiceResponse()
    response.say("A colleague takes over.", language="en-US")
    dial = Dial(action=f"{BASE}/transfer-end?turn=3", method="POST", timeout="20", caller_id="+15550100001")
    dial.number("+15550100009", url=f"{BASE}/whisper?turn=3&call=CA7", method="POST")
    response.append(dial)
    texts = ["A colleague takes over."]
    same(script().transfer(Step(3), "CA7", transfer(target=target), texts, "en"), response)


def test_a_workflow_gets_a_task_with_the_context() -> None:
    target = {"kind": "enqueue", "workflow_sid": "WW" + "0" * 32}
    document = script().transfer(Step(3), "CA7", transfer(target=target), (), "en")
    (ours,) = read(document)
    task = {
        "type": "voice",
        "call": "CA7",
        "session": "P1.1",
        "reason": "customer_asked",
        "language": "en",
        "intent": "lost",
        "lines": ["customer: I lost <my> bike", "bot: Oh."],
    }
    assert orjson.loads(ours[0].text or "") == task
    enqueue = Enqueue(
        action=f"{BASE}/transfer-end?turn=3",
        method="POST",
        wait_url=f"{BASE}/hold",
        wait_url_method="POST",
        workflow_sid="WW" + "0" * 32,
    )
    enqueue.task(ours[0].text)
    response = VoiceResponse()
    response.append(enqueue)
    same(document, response)


def test_a_long_context_loses_its_oldest_lines() -> None:
    lines = tuple(ToldLine(author=Author.CUSTOMER, text=f"{number} " + "ü" * 158) for number in range(6))
    target = {"kind": "enqueue", "workflow_sid": "WW" + "0" * 32}
    long = transfer(target=target, context=TransferContext(lines=lines))
    (enqueue,) = read(script().transfer(Step(3), "CA7", long, (), "en"))
    told = orjson.loads(enqueue[0].text or "")["lines"]
    assert len(enqueue[0].text or "") <= 1000
    assert told[-1].startswith("customer: 5 ")
    assert 2 <= len(told) < 6


def test_a_queue_holds_the_caller() -> None:
    response = VoiceResponse()
    response.enqueue(
        "cards", action=f"{BASE}/transfer-end?turn=3", method="POST", wait_url=f"{BASE}/hold", wait_url_method="POST"
    )
    queued = transfer(target={"kind": "enqueue", "queue": "cards"})
    same(script().transfer(Step(3), "CA7", queued, (), "en"), response)
    music = transfer(target={"kind": "enqueue", "queue": "cards", "hold_music": "https://m2n.example/hold.mp3"})
    playing = VoiceResponse()
    playing.play("https://m2n.example/hold.mp3")
    same(script().hold("en", music), playing)
    assert [verb.tag for verb in read(script().hold("en", queued))] == ["Say", "Pause"]


def test_the_human_is_told_the_context() -> None:
    response = VoiceResponse()
    response.say("A caller of Acme. The caller asked for a human. The caller said: I lost <my> bike", language="en-US")
    same(script().whisper(transfer(target={"kind": "enqueue", "queue": "q"}), "en"), response)


def test_words_flow_over_a_socket() -> None:
    relayed = script(
        mode="relay",
        greeting={"en": "Welcome."},
        languages={"en": {"voice": "Polly.Amy", "tts_provider": "Amazon"}, "de": {"transcription_provider": "google"}},
    )
    connect = Connect(action=f"{BASE}/relay-end?turn=1", method="POST")
    socket: Any = connect.conversation_relay(
        url="wss://m2n.example/voice/acme-voice/relay",
        language="en-US",
        voice="Polly.Amy",
        tts_provider="Amazon",
        dtmf_detection="true",
        interruptible="any",
        welcome_greeting="Welcome.",
    )
    socket.language(code="en-US", voice="Polly.Amy", tts_provider="Amazon")
    socket.language(code="de-DE", transcription_provider="google")
    response = VoiceResponse()
    response.append(connect)
    same(relayed.begin(), response)


def test_after_failures_in_a_row_the_call_ends_with_a_human_if_one_can_be_called() -> None:
    resumed = VoiceResponse()
    resumed.say("I am sorry, something is not working at our end. Please stay on the line.", language="en-US")
    resumed.pause(length="1")
    resumed.redirect(f"{BASE}/wait?turn=2&look=1&resumed=3&lost=2.0", method="POST")
    same(script().apology(Step(2, 1, resumed=3), "en", "2.0"), resumed)
    assert [verb.tag for verb in read(script().apology(Step(2, resumed=4), "en"))] == ["Say", "Hangup"]
    dialled = script(transfer={"kind": "dial", "number": "+15550100009"}).apology(Step(2, resumed=4), "en")
    assert [verb.tag for verb in read(dialled)] == ["Dial", "Say", "Hangup"]
    assert [verb.tag for verb in read(generic_apology(None))] == ["Say", "Hangup"]
    assert [verb.tag for verb in read(generic_apology(f"{BASE}/wait"))] == ["Say", "Pause", "Redirect"]


@given(st.text(max_size=200))
def test_no_text_breaks_the_document(text: str) -> None:
    read(script().listen(Step(2), [text], "en"))


def test_long_texts_take_several_says() -> None:
    said = twiml.say("A sentence of some length. " * 400, Tongue("en-US"))
    assert [len(verb.text or "") <= 4096 for verb in said] == [True, True, True]


@pytest.mark.parametrize(
    ("code", "language"), [("de-DE", "de"), ("de-CH", "de"), ("en-GB", "en"), ("fr-FR", None), ("", None)]
)
def test_the_language_of_a_code(code: str, language: str | None) -> None:
    assert script(languages={"de": {}}).language_of(code) == language
